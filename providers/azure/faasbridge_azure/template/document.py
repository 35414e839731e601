"""The template: a deployment of Azure Resource Manager at the scope of a resource group, as plain JSON. Pure.

    {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"unique": {"type": "string"}},
        "resources": [...],
        "outputs": {
            "addresses": {"FAASBRIDGE_QUEUE_JOBS": "https://shopdev....queue.core.windows.net/shop-dev-jobs", ...},
            "endpoints": {api: URL}, "functions": {function: name of its function app},
            "inboxes": {function: {"inbox": URL of the queue, "dead_letters": URL of the queue, "attempts": 5}},
            "names": {"FAASBRIDGE_QUEUE_JOBS": ["queue", "jobs"], ...},
            "places": {"claims": URL of the container, "workspace": id of the logs' workspace}
        },
        "metadata": {"faasbridge": {"owners": {"<type>/<name>": [kind, name, part]}}}
    }

`unique` is what `names.unique` gives, and stands in the names that are unique in the world. An owner is the declared
thing that a resource is, or with a part, that it is a part of; types and names are those of the template, before
anything is evaluated (`names.resolved` does that).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage

from .names import VERSIONS, Owner

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_LOCATION = "[resourceGroup().location]"
# Source: Azure documentation, "Tag support for Azure resources".
TAGGED = frozenset(
    {
        "Microsoft.DocumentDB/databaseAccounts",
        "Microsoft.EventGrid/systemTopics",
        "Microsoft.EventGrid/topics",
        "Microsoft.Insights/components",
        "Microsoft.KeyVault/vaults",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Web/serverfarms",
        "Microsoft.Web/sites",
    }
)
"""They have a location as well."""
_NO_TAG_CHARACTER = re.compile(
    r"[<>%&\\?/]"
)  # Source: Azure documentation, "Use tags to organize your Azure resources"


def tags(stage: Stage) -> dict[str, str]:
    """Those of the resource group and of everything in it that takes tags."""
    found = {"faasbridge-app": stage.app, "faasbridge-stage": stage.name}
    if stage.version:
        found["faasbridge-version"] = _NO_TAG_CHARACTER.sub("-", stage.version)[:256]
    return found


def key_of(resource: Mapping[str, Any]) -> str:
    """`<type>/<name>`"""
    return f"{resource['type']}/{resource['name']}"


def nested(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a deployment within the deployment makes; nothing where the resource is none."""
    if resource["type"].lower() != "microsoft.resources/deployments":
        return []
    made = (resource.get("properties") or {}).get("template", {}).get("resources", ())
    return [one for each in made for one in (each, *nested(each))]


class Document:
    """The template as it grows: fragments of kits and of the template's own parts.

    A fragment is `{"resources": [...]}`. A resource lacks `apiVersion`, `location` and tags, and may have an `owner`
    of its own.
    """

    def __init__(self, stage: Stage) -> None:
        self._tags = tags(stage)
        self._resources: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, Owner] = {}
        self._lent: set[str] = set()
        self.addresses: dict[str, Any] = {}
        self.endpoints: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        self.inboxes: dict[str, Any] = {}
        self.names: dict[str, Any] = {}
        self.places: dict[str, Any] = {}

    def add(self, fragment: Mapping[str, Any], owner: Owner) -> None:
        """Merged by type and name: members deeply, lists one after the other. A resource with an owner of its own is
        that one's only as long as nobody else makes it.

        Raises ConfigError where two declared things would have one name.
        """
        for given in fragment.get("resources", ()):
            resource = {name: value for name, value in given.items() if name != "owner"}
            key, whole, lent = key_of(resource).lower(), tuple(given.get("owner", owner)), "owner" in given
            known = self._owners.get(key, whole)
            if known[:2] != whole[:2] and (known[0] != whole[0] or not (lent or key in self._lent)):
                raise ConfigError(
                    f"{known[0]} {known[1]!r} and {whole[0]} {whole[1]!r} would both be "
                    f"{_last(resource['name'])} on Azure: rename one"
                )
            if key not in self._owners or (key in self._lent and not lent):
                self._owners[key] = whole
                (self._lent.add if lent else self._lent.discard)(key)
            self._resources[key] = merged(self._resources.get(key, {}), resource)

    def template(self) -> dict[str, Any]:
        every = sorted(self._resources.values(), key=key_of)
        owners: dict[str, list[str]] = {}
        for each in every:
            owner = list(self._owners[key_of(each).lower()])
            owners.update({key_of(one): owner for one in (each, *nested(each))})
        outputs = {
            "addresses": self.addresses,
            "endpoints": self.endpoints,
            "functions": self.functions,
            "inboxes": self.inboxes,
            "names": self.names,
            "places": self.places,
        }
        return {
            "$schema": SCHEMA,
            "contentVersion": "1.0.0.0",
            "parameters": {"unique": {"type": "string", "metadata": {"description": "ends names that no other has"}}},
            "resources": [self._whole(each) for each in every],
            "outputs": {
                name: {"type": "object", "value": dict(sorted(value.items()))} for name, value in outputs.items()
            },
            "metadata": {"faasbridge": {"owners": owners}},
        }

    def _whole(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        type_ = resource["type"]
        made: dict[str, Any] = {"type": type_, "apiVersion": resource.get("apiVersion") or version(type_), **resource}
        if type_ in TAGGED:
            made.setdefault("location", _LOCATION)
            made["tags"] = dict(sorted({**self._tags, **resource.get("tags", {})}.items()))
        return made


def version(type_: str) -> str:
    return VERSIONS[type_.partition("/")[0]]


def _last(name: str) -> str:
    return name.rpartition("/")[2].strip("[]()'")


def merged(into: Mapping[str, Any], fragment: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(into)
    for key, value in fragment.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            result[key] = merged(known, value)
        elif isinstance(known, list) and isinstance(value, Iterable) and not isinstance(value, str):
            result[key] = [*known, *(each for each in value if each not in known)]
        else:
            result[key] = dict(value) if isinstance(value, Mapping) else value
    return result
