"""The template against the typed models of Azure's own SDKs, before every deployment: what Resource Manager would
refuse halfway through, or take and ignore, found in a second or two.

Of each resource the keys, the kinds of values and the words that an enumeration has; what only Azure sets may not be
there. Expressions are taken for whatever is wanted. The models are those of the newest API versions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from faasbridge.errors import DeployError

from . import models

MOST_RESOURCES, MOST_OUTPUTS, MOST_PARAMETERS, MOST_BYTES = 800, 64, 256, 4_000_000
"""Source: Azure Resource Manager documentation, "Azure subscription and service limits", template limits."""
_KEYS = frozenset({"$schema", "contentVersion", "languageVersion", "metadata", "outputs", "parameters", "resources"})
_COMMON = frozenset({"apiVersion", "comments", "condition", "dependsOn", "name", "scope", "type"})
_DEPLOYMENTS, _OF_DEPLOYMENTS = "Microsoft.Resources/deployments", frozenset({"resourceGroup", "subscriptionId"})
_OF_EXTENSIONS = frozenset({"Microsoft.Authorization/roleAssignments"})


def check(template: Mapping[str, Any]) -> None:
    """Raises DeployError with the first findings."""
    found = findings(template)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise DeployError(f"the template is not valid: {'; '.join(found[:3])}{more}")


def findings(template: Mapping[str, Any]) -> list[str]:
    """Sentences, each with its place: `Microsoft.Web/sites/shop-dev-work-...: properties/httpOnly: there is no ...`."""
    found = [f"the template has no member {key!r}" for key in template if key not in _KEYS]
    found += _sizes(template)
    seen: set[tuple[str, str, str]] = set()
    for resource in template.get("resources", ()):
        place = f"{resource.get('type')}/{resource.get('name')}"
        found += [f"{place}: {text}" for text in _resource(resource)]
        key = (str(resource.get("type")).lower(), str(resource.get("name")).lower(), str(resource.get("scope")).lower())
        if key in seen:
            found.append(f"{place}: it is there twice")
        seen.add(key)
    return found


def _resource(resource: Mapping[str, Any]) -> Iterator[str]:
    for key in ("type", "apiVersion", "name"):
        if not isinstance(resource.get(key), str):
            yield f"it has no {key}"
            return
    type_ = resource["type"]
    model = models.of_type(type_)
    if model is None:
        yield f"there is no model of {type_}"
        return
    if ("scope" in resource) != (type_ in _OF_EXTENSIONS):
        yield "scope belongs to what is an extension of another resource, and only there"
    own = _OF_DEPLOYMENTS if type_ == _DEPLOYMENTS else ()
    yield from models.mistakes(
        model, {key: value for key, value in resource.items() if key not in _COMMON and key not in own}
    )
    if type_ == _DEPLOYMENTS:
        yield from findings(resource.get("properties", {}).get("template", {}))


def _sizes(template: Mapping[str, Any]) -> Iterator[str]:
    resources, size = len(template.get("resources", ())), len(json.dumps(template).encode())
    if resources > MOST_RESOURCES:
        yield (
            f"the app needs {resources:,} resources, and a deployment of Azure has {MOST_RESOURCES}: divide it into "
            "several apps, which may share resources by existing=True, or let functions share an app by "
            "azure={'app': ...}"
        )
    for part, most in (("outputs", MOST_OUTPUTS), ("parameters", MOST_PARAMETERS)):
        if len(template.get(part, ())) > most:
            yield f"the template has {len(template[part])} {part}, and Azure takes {most}"
    if size > MOST_BYTES:
        yield f"the template has {size:,} bytes, and Azure takes {MOST_BYTES:,}: divide the app"
