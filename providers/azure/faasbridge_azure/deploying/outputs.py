"""The outputs of a stack, which say where things are.

After a deployment that failed a stack has none, and what it made is there all the same, maybe lacking what only these
commands can give it, such as the value of a secret. Then they are evaluated here: the template's expressions against
what the resources say. What leads to a resource that is not there is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from ..expressions import PURE, ExpressionError, Function, evaluate
from .connection import Cloud
from .stack import Stack


def outputs(cloud: Cloud, stack: Stack, found: Any) -> Mapping[str, Any]:
    """Output -> value. `found` is the stack as it was described."""
    given = found.properties.outputs if found is not None else {}
    if given or found is None:
        return {name: each.get("value") for name, each in given.items()}
    template = stack.template()
    functions = _functions(cloud, template)
    return {name: _there(each.get("value"), functions) for name, each in (template.get("outputs") or {}).items()}


def _there(value: Any, functions: Mapping[str, Function]) -> dict[str, Any]:
    found = {}
    for name, each in (value or {}).items():
        try:
            found[name] = evaluate(each, functions)
        except (ExpressionError, ResourceNotFoundError):
            continue
    return found


def _functions(cloud: Cloud, template: Mapping[str, Any]) -> Mapping[str, Function]:
    parameters = cloud.parameters(template)
    known: dict[str, Mapping[str, Any]] = {}

    def resource_id(*parts: str) -> str:
        at = next(index for index, part in enumerate(parts) if "/" in part)
        group = parts[at - 1] if at else cloud.group
        namespace, *kinds = parts[at].split("/")
        path = "/".join(part for pair in zip(kinds, parts[at + 1 :], strict=True) for part in pair)
        return f"/subscriptions/{cloud.subscription}/resourceGroups/{group}/providers/{namespace}/{path}"

    def reference(id: str, version: str = "", *more: str) -> Any:
        if id not in known:
            known[id] = cloud.properties(id, version)
        return {"properties": known[id]} if more else known[id]

    return {
        **PURE,
        "parameters": lambda name: parameters[name]["value"],
        "subscription": lambda: {"subscriptionId": cloud.subscription},
        "resourcegroup": lambda: {"id": cloud.scope, "name": cloud.group},
        "resourceid": resource_id,
        "reference": reference,
    }
