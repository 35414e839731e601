"""What the typed models of Azure's management SDKs say about a value: both generations of them. Tool time only.

The older one has `_attribute_map`, whose keys may be paths; the newer one annotations and fields with their own names.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from importlib import import_module
from types import UnionType
from typing import Any

_MODELS: Mapping[str, str] = {
    "Microsoft.Authorization/roleAssignments": "authorization:RoleAssignmentCreateParameters",
    "Microsoft.DocumentDB/databaseAccounts": "cosmosdb:DatabaseAccountCreateUpdateParameters",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases": "cosmosdb:SqlDatabaseCreateUpdateParameters",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers": "cosmosdb:SqlContainerCreateUpdateParameters",
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments": "cosmosdb:SqlRoleAssignmentCreateUpdateParameters",
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions": "cosmosdb:SqlRoleDefinitionCreateUpdateParameters",
    "Microsoft.EventGrid/systemTopics": "eventgrid:SystemTopic",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "eventgrid:EventSubscription",
    "Microsoft.EventGrid/topics": "eventgrid:Topic",
    "Microsoft.EventGrid/topics/eventSubscriptions": "eventgrid:EventSubscription",
    "Microsoft.Insights/components": "applicationinsights:ApplicationInsightsComponent",
    "Microsoft.KeyVault/vaults": "keyvault:VaultCreateOrUpdateParameters",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "msi:Identity",
    "Microsoft.OperationalInsights/workspaces": "loganalytics:Workspace",
    "Microsoft.Resources/deployments": "resource.deployments:Deployment",
    "Microsoft.Storage/storageAccounts": "storage:StorageAccountCreateParameters",
    "Microsoft.Storage/storageAccounts/blobServices": "storage:BlobServiceProperties",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "storage:BlobContainer",
    "Microsoft.Storage/storageAccounts/managementPolicies": "storage:ManagementPolicy",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "storage:StorageQueue",
    "Microsoft.Web/serverfarms": "web:AppServicePlan",
    "Microsoft.Web/sites": "web:Site",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "web:CsmPublishingCredentialsPoliciesEntity",
}
_SCALARS: Mapping[str, Any] = {"bool": bool, "float": float, "int": int, "iso-8601": str, "long": int, "str": str}


def of_type(type_: str) -> type | None:
    """The model of what a PUT of that resource type takes; None for a type that has none here."""
    where = _MODELS.get(type_)
    if where is None:
        return None
    package, _, name = where.partition(":")
    found: type = getattr(import_module(f"azure.mgmt.{package}.models"), name)
    return found


def mistakes(model: Any, value: Any, place: str = "") -> Iterator[str]:
    """What is wrong with a value of that type, each with its place: `properties/siteConfig: there is no ...`."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return
    origin = typing.get_origin(model)
    if origin in (typing.Union, UnionType):
        yield from _of_union([each for each in typing.get_args(model) if each is not type(None)], value, place)
    elif origin is list or model is list:
        (item,) = typing.get_args(model) or (Any,)
        if not isinstance(value, list):
            yield f"{place}: a list is wanted, not {_shown(value)}"
        else:
            for index, each in enumerate(value):
                yield from mistakes(item, each, f"{place}/{index}")
    elif origin is dict or model is dict:
        _, item = typing.get_args(model) or (str, Any)
        if not isinstance(value, dict):
            yield f"{place}: an object is wanted, not {_shown(value)}"
        else:
            for key, each in value.items():
                yield from mistakes(item, each, f"{place}/{key}")
    elif isinstance(model, Tree):
        yield from _of_tree(model, value, place)
    elif isinstance(model, type) and issubclass(model, Enum):
        if str(value).lower() not in {str(each.value).lower() for each in model}:
            yield f"{place}: {_shown(value)} is none of {', '.join(str(each.value) for each in model)}"
    elif _is_model(model):
        yield from _of_model(model, value, place)
    elif isinstance(model, type) and model in (bool, int, float, str, datetime):
        wanted: Any = {datetime: str, float: (int, float)}.get(model, model)
        if not isinstance(value, wanted) or (isinstance(value, bool) and model is not bool):
            yield f"{place}: a value of type {model.__name__} is wanted, not {_shown(value)}"


class Tree:
    """Part of an older model, whose fields lie in objects that have no model."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.read_only: set[str] = set()


def _of_union(kinds: list[Any], value: Any, place: str) -> Iterator[str]:
    # An enumeration is annotated as "a text, or one of these": the words are what counts.
    words = [each for each in kinds if isinstance(each, type) and issubclass(each, Enum)]
    every = [list(mistakes(each, value, place)) for each in (words or kinds)]
    if every and all(every):
        yield from min(every, key=len)


def _of_tree(tree: Tree, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place}: an object is wanted, not {_shown(value)}"
        return
    for key, each in value.items():
        inner = f"{place}/{key}".lstrip("/")
        if key not in tree.fields:
            yield f"{inner}: there is no such property, only {', '.join(sorted(tree.fields))}"
        elif key in tree.read_only:
            yield f"{inner}: only Azure sets it"
        else:
            yield from mistakes(tree.fields[key], each, inner)


def _of_model(model: Any, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place}: an object is wanted, not {_shown(value)}"
        return
    yield from _of_tree(_tree(_subtype(model, value)), value, place)


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and (hasattr(model, "_attribute_map") or hasattr(model, "_is_model"))


def _subtype(model: Any, value: Mapping[str, Any]) -> Any:
    """Which of a family of models a value is, by the word that tells them apart."""
    older = getattr(model, "_subtype_map", None)
    if older:
        ((attribute, names),) = older.items()
        name = names.get(value.get(model._attribute_map[attribute]["key"].replace("\\.", ".")))
        return getattr(import_module(model.__module__.rpartition(".")[0]), name) if name else model
    newer: Mapping[str, Any] = getattr(model, "__mapping__", None) or {}
    word = next((newer[each] for each in value.values() if isinstance(each, str) and each in newer), None)
    return word or model


@cache
def _tree(model: Any) -> Tree:
    return _older(model) if hasattr(model, "_attribute_map") else _newer(model)


def _older(model: Any) -> Tree:
    top = Tree()
    package = import_module(model.__module__.rpartition(".")[0])
    for name, about in model._attribute_map.items():
        tree = top
        *parents, last = [each.replace("\\.", ".") for each in _split(about["key"])]
        for parent in parents:
            tree = tree.fields.setdefault(parent, Tree())
        tree.fields[last] = _older_type(about["type"], package)
        if model._validation.get(name, {}).get("readonly"):
            tree.read_only.add(last)
    return top


def _split(key: str) -> list[str]:
    """`properties.source`, but `odata\\.type` is one word."""
    return key.replace("\\.", "\0").replace(".", "\1").replace("\0", ".").split("\1")


def _older_type(text: str, package: Any) -> Any:
    if text.startswith("["):
        return list[_older_type(text[1:-1], package)]  # type: ignore[misc]
    if text.startswith("{"):
        return dict[str, _older_type(text[1:-1], package)]  # type: ignore[misc]
    return _SCALARS.get(text) or getattr(package, text, Any)


def _newer(model: Any) -> Tree:
    tree = Tree()
    model.__new__(model)  # tells the class its fields
    package = import_module(model.__module__.rpartition(".")[0])
    names = {"_models": package, "datetime": import_module("datetime")}
    hints: dict[str, Any] = {}
    for each in reversed(model.__mro__):
        own = getattr(each, "__annotations__", {}) if each.__module__.startswith("azure.mgmt.") else {}
        for name, hint in own.items():
            hints[name] = _resolved(hint, import_module(each.__module__), names)
    for name, field in model._attr_to_rest_field.items():
        tree.fields[field._rest_name] = hints.get(name, Any)
        if field._visibility == ["read"]:
            tree.read_only.add(field._rest_name)
    return tree


def _resolved(hint: Any, module: Any, names: Mapping[str, Any]) -> Any:
    holder = type("Holder", (), {"__annotations__": {"hint": hint}})
    try:
        return typing.get_type_hints(holder, {**vars(module), **names})["hint"]
    except (NameError, TypeError):
        return Any


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
