"""Deployments and deployment stacks of resource groups, as Resource Manager's REST API has them."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

from .deployments import Deployment, Resources, ScopeOf, what_if
from .errors import ArmError
from .kinds import PROVIDERS
from .operations import Answer, Operations
from .templates import Scope, Template


class Stacks:
    """`scope_of` finds a resource group; `registered` are the namespaces that the subscription may use."""

    def __init__(self, resources: Resources, operations: Operations, scope_of: ScopeOf) -> None:
        self._resources, self._operations, self._scope_of = resources, operations, scope_of
        self._deployments: dict[str, Deployment] = {}
        self._stacks: dict[str, dict[str, Any]] = {}
        self._templates: dict[str, Any] = {}
        self.registered = set(PROVIDERS)

    def forget(self, start: str) -> None:
        """Those whose ids, in lower case, begin so."""
        for kept in (self._deployments, self._stacks, self._templates):
            for id in [each for each in kept if each.startswith(start)]:
                del kept[id]

    async def deployment(
        self, method: str, name: str, more: str, body: Any, scope: Scope, query: dict[str, str], base: str
    ) -> Answer:
        id = f"{scope.id}/providers/Microsoft.Resources/deployments/{name}"
        if not name:
            start = id.lower()
            found = [each.body() for key, each in self._deployments.items() if key.startswith(start)]
            return 200, {"value": found}, {}
        there = self._deployments.get(id.lower())
        if method == "POST" and more == "/validate":
            made = Deployment(id, body, scope)
            self._check_registered(made.template)
            return 200, made.body(), {}
        if method == "POST" and more == "/whatif":
            Template(body["properties"].get("template"), body["properties"].get("parameters"), scope)
            return 200, self._what_if(body, scope), {}
        if method == "PUT":
            made = self._begun(id, body, scope)
            headers = self._operations.begin(self._finished(made), "async", base)
            return 200 if there else 201, made.body(), headers
        if there is None:
            raise ArmError("DeploymentNotFound", f"Deployment '{name}' could not be found.", 404)
        if method == "HEAD":
            return 204, None, {}
        if more == "/operations":
            return 200, {"value": there.operations}, {}
        if more == "/cancel":
            if there.task is None or there.task.done():
                raise ArmError("DeploymentCannotBeCancelled", f"The deployment '{name}' is not running.", 409)
            there.task.cancel()
            return 204, None, {}
        if method == "DELETE":
            del self._deployments[id.lower()]
            return 204, None, {}
        return 200, there.body(), {}

    async def stack(
        self, method: str, name: str, more: str, body: Any, scope: Scope, query: dict[str, str], base: str
    ) -> Answer:
        id = f"{scope.id}/providers/Microsoft.Resources/deploymentStacks/{name}"
        if not name:
            return 200, {"value": [each for key, each in self._stacks.items() if key.startswith(id.lower())]}, {}
        there = self._stacks.get(id.lower())
        if method in ("PUT", "DELETE") and there is not None and _runs(there):
            raise ArmError(
                "DeploymentStackInNonTerminalState",
                f"The deployment stack '{name}' is not in a terminal state and cannot be modified.",
                409,
            )
        if method == "PUT":
            stack, deployment = self._made(id, name, body, scope, there)
            headers = self._operations.begin(self._stacked(stack, deployment), "async", base)
            return 200 if there else 201, stack, headers
        if there is None:
            raise ArmError("DeploymentStackNotFound", f"The Deployment stack '{name}' could not be found.", 404)
        if method == "DELETE":
            delete = query.get("unmanageAction.Resources", "detach").lower() == "delete"
            there["properties"]["provisioningState"] = "deleting"
            return 202, None, self._operations.begin(self._unstack(id, delete), "location", base)
        if method == "POST" and more == "/exporttemplate":
            return 200, {"template": self._templates.get(id.lower())}, {}
        return 200, there, {}

    def _what_if(self, body: Any, scope: Scope) -> dict[str, Any]:
        try:
            changes = what_if(body, scope, self._resources, self._scope_of)
            return {"status": "Succeeded", "properties": {"changes": changes}}
        except ArmError as error:
            return {"status": "Failed", "error": error.body()}

    def _begun(self, id: str, body: Any, scope: Scope) -> Deployment:
        there = self._deployments.get(id.lower())
        if there is not None and there.state in ("Accepted", "Running"):
            raise ArmError("DeploymentActive", f"The deployment '{there.body()['name']}' is already active.", 409)
        deployment = Deployment(id, body, scope)
        self._check_registered(deployment.template)
        self._deployments[id.lower()] = deployment
        deployment.task = asyncio.create_task(deployment.run(self._resources, self._scope_of))
        return deployment

    async def _finished(self, deployment: Deployment) -> None:
        assert deployment.task is not None
        await asyncio.wait([deployment.task])
        deployment.check()

    def _check_registered(self, template: Template) -> None:
        for each in template.resources.values():
            namespace = each.kind.partition("/")[0]
            if namespace.lower() not in {one.lower() for one in self.registered}:
                raise ArmError(
                    "MissingSubscriptionRegistration",
                    f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found "  # noqa: E501
                    "for how to register subscriptions.",
                    409,
                )

    def _made(
        self, id: str, name: str, body: Any, scope: Scope, there: dict[str, Any] | None
    ) -> tuple[dict[str, Any], Deployment]:
        deployment = self._begun(
            f"{scope.id}/providers/Microsoft.Resources/deployments/{name}-{uuid.uuid4().hex[:8]}", body, scope
        )
        given = {key: value for key, value in body["properties"].items() if key != "template"}
        properties = {**given, "provisioningState": "deploying", "deploymentId": deployment.id}
        properties["resources"] = (there or {}).get("properties", {}).get("resources", [])
        stack = {"id": id, "name": name, "type": "Microsoft.Resources/deploymentStacks", "properties": properties}
        stack.update(tags=body.get("tags") or {}, location=scope.location)
        stack["systemData"] = {"lastModifiedAt": datetime.now(UTC).isoformat()}
        self._stacks[id.lower()], self._templates[id.lower()] = stack, body["properties"].get("template")
        return stack, deployment

    async def _stacked(self, stack: dict[str, Any], deployment: Deployment) -> None:
        properties = stack["properties"]
        try:
            await self._finished(deployment)
        except ArmError as error:
            properties.update(provisioningState="failed", error=error.body())
            properties["resources"] = _merged(properties["resources"], deployment.created)
            raise
        unmanaged = properties.get("actionOnUnmanage", {}).get("resources", "detach").lower()
        now = {each.lower() for each in deployment.created}
        gone = [each["id"] for each in properties["resources"] if each["id"].lower() not in now]
        if unmanaged == "delete":
            await self._delete(gone)
        properties.update(
            provisioningState="succeeded",
            outputs=deployment.outputs,
            resources=_merged([], deployment.created),
            deletedResources=[{"id": each} for each in gone] if unmanaged == "delete" else [],
            detachedResources=[{"id": each} for each in gone] if unmanaged != "delete" else [],
        )

    async def _unstack(self, id: str, delete: bool) -> None:
        stack = self._stacks[id.lower()]
        if delete:
            await self._delete([each["id"] for each in stack["properties"]["resources"]])
        self._stacks.pop(id.lower(), None)
        self._templates.pop(id.lower(), None)

    async def _delete(self, ids: list[str]) -> None:
        for each in sorted(ids, key=lambda id: -id.count("/")):
            await self._resources.delete(each)


def _runs(stack: dict[str, Any]) -> bool:
    return stack["properties"]["provisioningState"] not in ("succeeded", "failed", "canceled")


def _merged(old: list[Any], created: list[str]) -> list[Any]:
    known = {each["id"].lower() for each in old}
    new = dict.fromkeys(each for each in created if each.lower() not in known)
    return old + [{"id": each, "status": "managed", "denyStatus": "none"} for each in new]
