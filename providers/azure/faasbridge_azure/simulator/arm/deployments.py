"""Deployments: validated, compared, run as operations, with the deployments within them."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from .errors import ArmError
from .templates import Declared, Scope, Template

ScopeOf = Callable[[str, str], Scope]
"""Of a subscription and the name of a resource group. Raises ArmError for one that is not there."""
_READ_ONLY = {"id", "provisioningState", "systemData", "etag"}


class Resources(Protocol):
    """The resources that there are, and what gives them life."""

    def find(self, id: str) -> dict[str, Any] | None: ...

    def properties(self, id: str, what: str) -> Any:
        """What `reference` and `listKeys` give. Raises ArmError for a resource that is not there."""

    async def put(self, body: dict[str, Any]) -> None:
        """Raises ArmError, as the resource's provider would."""

    async def delete(self, id: str) -> None: ...


class Deployment:
    """`template`: of one within another deployment, whose expressions that one evaluates."""

    def __init__(self, id: str, body: dict[str, Any], scope: Scope, template: Template | None = None) -> None:
        self.id, self.scope = id, scope
        given = body.get("properties") or {}
        self.mode = given.get("mode", "Incremental")
        self.tags = body.get("tags") or {}
        self.parameters = given.get("parameters") or {}
        self.template = template or Template(given.get("template"), self.parameters, scope)
        self.state = "Accepted"
        self.started = time.time()
        self.took_s = 0.0
        self.error: dict[str, Any] | None = None
        self.outputs: dict[str, Any] = {}
        self.operations: list[dict[str, Any]] = []
        self.created: list[str] = []
        self.correlation = str(uuid.uuid4())
        self.task: asyncio.Task[None] | None = None

    async def run(self, resources: Resources, scope_of: ScopeOf) -> None:
        self.state = "Running"
        try:
            for wave in self.template.in_order():
                await asyncio.gather(*(self._create(each, resources, scope_of) for each in wave))
                failed = [
                    each["properties"]
                    for each in self.operations
                    if each["properties"]["provisioningState"] == "Failed"
                ]
                if failed:
                    raise ArmError(
                        "DeploymentFailed",
                        "At least one resource deployment operation failed. Please list deployment operations for details. "  # noqa: E501
                        "Please see https://aka.ms/arm-deployment-operations for usage details.",
                        details=[each["statusMessage"]["error"] for each in failed],
                    )
            self.outputs = self.template.outputs(self._reference(resources))
            self.state = "Succeeded"
        except asyncio.CancelledError:
            self.state = "Canceled"
            self.error = {"code": "DeploymentCanceled", "message": "The deployment was canceled."}
        except ArmError as error:
            self.state, self.error = "Failed", error.body()
        except Exception as error:  # noqa: BLE001
            self.state, self.error = (
                "Failed",
                {"code": "InternalServerError", "message": f"the simulator failed: {error!r}"},
            )
        self.took_s = time.time() - self.started

    def check(self) -> None:
        """Raises ArmError where it failed."""
        if self.error is not None:
            raise ArmError(self.error["code"], self.error["message"], details=self.error.get("details"))

    def _reference(self, resources: Resources) -> Any:
        def reference(name: str, *rest: Any) -> Any:
            id = name
            if not name.startswith("/"):
                id = next(
                    (each.id for each in self.template.resources.values() if each.name.lower() == name.lower()), name
                )
            what = "listKeys" if "listKeys" in rest else "Full" if "Full" in rest else ""
            return resources.properties(id, what)

        return reference

    async def _create(self, declared: Declared, resources: Resources, scope_of: ScopeOf) -> None:
        operation: dict[str, Any] = {
            "provisioningOperation": "Create",
            "provisioningState": "Running",
            "timestamp": datetime.now(UTC).isoformat(),
            "targetResource": {"id": declared.id, "resourceType": declared.kind, "resourceName": declared.name},
        }
        id = uuid.uuid4().hex[:16].upper()
        self.operations.append({"id": f"{self.id}/operations/{id}", "operationId": id, "properties": operation})
        try:
            if declared.nested:
                await self._nest(declared, resources, scope_of)
            else:
                await resources.put(self.template.body(declared, self._reference(resources)))
                self.created.append(declared.id)
            operation.update(provisioningState="Succeeded", statusCode="Created")
        except ArmError as error:
            operation.update(provisioningState="Failed", statusCode="Conflict", statusMessage={"error": error.body()})
        except asyncio.CancelledError:
            operation.update(provisioningState="Canceled")
            raise
        except Exception as error:  # noqa: BLE001
            body = {"code": "InternalServerError", "message": f"the simulator failed: {error!r}"}
            operation.update(
                provisioningState="Failed", statusCode="InternalServerError", statusMessage={"error": body}
            )

    async def _nest(self, declared: Declared, resources: Resources, scope_of: ScopeOf) -> None:
        template = self.template.within(declared, scope_of)
        inner = Deployment(declared.id, {}, template.scope, template)
        await inner.run(resources, scope_of)
        self.created += inner.created
        inner.check()

    def body(self) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "provisioningState": self.state,
            "correlationId": self.correlation,
            "timestamp": datetime.fromtimestamp(self.started, UTC).isoformat(),
            "duration": f"PT{self.took_s:.3f}S",
            "mode": self.mode,
            "parameters": self.parameters,
            "outputs": self.outputs,
            "outputResources": [{"id": each} for each in self.created],
        }
        if self.error is not None:
            properties["error"] = self.error
        name = self.id.rpartition("/")[2]
        return {
            "id": self.id,
            "name": name,
            "type": "Microsoft.Resources/deployments",
            "tags": self.tags,
            "properties": properties,
        }


def what_if(body: dict[str, Any], scope: Scope, resources: Resources, scope_of: ScopeOf) -> list[dict[str, Any]]:
    """The changes that a deployment would make. What depends on a resource that is not there yet stays an expression."""  # noqa: E501
    given = body.get("properties") or {}
    return _changes(Template(given.get("template"), given.get("parameters"), scope), resources, scope_of)


def _changes(template: Template, resources: Resources, scope_of: ScopeOf) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = []

    def reference(name: str, *rest: Any) -> Any:
        id = name
        if not name.startswith("/"):
            id = next((each.id for each in template.resources.values() if each.name.lower() == name.lower()), name)
        return resources.properties(id, "listKeys" if "listKeys" in rest else "Full" if "Full" in rest else "")

    for declared in template.resources.values():
        if declared.nested:
            changes += _changes(template.within(declared, scope_of), resources, scope_of)
            continue
        before = resources.find(declared.id)
        try:
            after = template.body(declared, reference)
        except ArmError:
            raw = {key: value for key, value in declared.raw.items() if key not in ("dependsOn", "copy", "condition")}
            after = {**raw, "id": declared.id, "name": declared.name}
        change: dict[str, Any] = {"resourceId": declared.id, "after": after}
        if before is None:
            change["changeType"] = "Create"
        else:
            delta = compare(before, after)
            change.update(before=before, changeType="Modify" if delta else "NoChange", delta=delta)
        changes.append(change)
    return changes


def compare(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """Property changes of what `after` names; what only the resource has are its defaults."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key, value in after.items():
            if not path and key in (*_READ_ONLY, "apiVersion", "name", "type"):
                continue
            inner = f"{path}.{key}" if path else key
            if key not in before:
                found.append({"path": inner, "propertyChangeType": "Create", "after": value})
            else:
                found += compare(before[key], value, inner)
        if path.endswith(("tags", "siteConfig.appSettings")):
            found += [
                {"path": f"{path}.{key}", "propertyChangeType": "Delete", "before": value}
                for key, value in before.items()
                if key not in after
            ]
        return found
    if json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True):
        return []
    return [{"path": path, "propertyChangeType": "Modify", "before": before, "after": after}]
