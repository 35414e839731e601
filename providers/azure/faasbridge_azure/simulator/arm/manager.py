"""Resource Manager's REST API: routes, asynchronous operations, errors in its form."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from .deployments import Deployment, Resources, what_if
from .errors import ArmError
from .kinds import PROVIDERS
from .templates import Scope, Template

log = logging.getLogger(__name__)
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
TENANT = "00000000-0000-4000-8000-000000000002"

Answer = tuple[int, Any, dict[str, str]]


class Manager:
    """`handle` answers a request; `act` is asked for what only a resource's own provider knows (`listKeys` ...)."""

    def __init__(self, resources: Resources, act: Any) -> None:
        self._resources, self._act = resources, act
        self.groups: dict[str, dict[str, Any]] = {}
        self.deployments: dict[str, Deployment] = {}
        self.stacks: dict[str, dict[str, Any]] = {}
        self.registered = set(PROVIDERS)
        self._templates: dict[str, Any] = {}
        self._operations: dict[str, tuple[asyncio.Task[Any], str]] = {}

    async def handle(self, method: str, path: str, query: dict[str, str], body: Any, base: str) -> Answer:
        try:
            if "api-version" not in query and not path.startswith("/operations/"):
                raise ArmError(
                    "MissingApiVersionParameter",
                    "The api-version query parameter (?api-version=) is required for all requests.",
                )
            return await self._route(method, path.rstrip("/"), query, body, base)
        except ArmError as error:
            return error.status, {"error": error.body()}, {}
        except Exception as error:
            log.exception("%s %s failed", method, path)
            return 500, {"error": {"code": "InternalServerError", "message": f"the simulator failed: {error!r}"}}, {}

    async def stop(self) -> None:
        tasks = [task for task, _ in self._operations.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _route(self, method: str, path: str, query: dict[str, str], body: Any, base: str) -> Answer:
        low = path.lower()
        if low.startswith("/operations/"):
            return self._operation(path.rpartition("/")[2])
        if low == "/subscriptions":
            return 200, {"value": [_subscription()]}, {}
        found = re.match(r"/subscriptions/([^/]+)(.*)", path, re.IGNORECASE)
        if found is None:
            raise ArmError("InvalidResource", f"there is no {path}", 404)
        subscription, rest = found[1], found[2]
        if subscription != SUBSCRIPTION:
            raise ArmError("SubscriptionNotFound", f"The subscription '{subscription}' could not be found.", 404)
        if not rest:
            return 200, _subscription(), {}
        if match := re.fullmatch(r"/providers/([^/]+)(/register)?", rest, re.IGNORECASE):
            return self._provider(match[1], bool(match[2]))
        if re.match(r"/providers/Microsoft\.KeyVault/(locations/[^/]+/)?deletedVaults", rest, re.IGNORECASE):
            return await self._deleted_vaults(method, rest)
        if re.fullmatch(r"/resourcegroups", rest, re.IGNORECASE):
            return 200, {"value": list(self.groups.values())}, {}
        match = re.match(r"/resourcegroups/([^/]+)(.*)", rest, re.IGNORECASE)
        if match is None:
            raise ArmError("InvalidResource", f"there is no {path}", 404)
        group, inner = match[1], match[2]
        if not inner:
            return await self._group(method, group, body, base)
        if group.lower() not in self.groups:
            raise ArmError("ResourceGroupNotFound", f"Resource group '{group}' could not be found.", 404)
        location = self.groups[group.lower()]["location"]
        scope = Scope(subscription, self.groups[group.lower()]["name"], location, TENANT)
        if match := re.match(
            r"/(?:providers/Microsoft\.Resources/)?(deploymentStacks|deployments)(?:/([^/]+))?(/.*)?",
            inner,
            re.IGNORECASE,
        ):
            kind = self._deployment if match[1].lower() == "deployments" else self._stack
            return await kind(method, match[2] or "", (match[3] or "").lower(), body, scope, query, base)
        if inner.lower() == "/resources":
            start = f"{scope.id}/".lower()
            return 200, {"value": [each for each in self._act.all() if each["id"].lower().startswith(start)]}, {}
        return await self._resource(method, path, body)

    def _operation(self, id: str) -> Answer:
        if id not in self._operations:
            raise ArmError("OperationNotFound", f"there is no operation {id}", 404)
        task, how = self._operations[id]
        if not task.done():
            return (202, None, {}) if how == "location" else (200, {"status": "Running"}, {})
        error = task.exception() if not task.cancelled() else None
        if isinstance(error, ArmError):
            return 200, {"status": "Failed", "error": error.body()}, {}
        if error is not None or task.cancelled():
            return 200, {"status": "Failed", "error": {"code": "InternalServerError", "message": repr(error)}}, {}
        result = task.result()
        return (200, result, {}) if how == "location" else (200, {"status": "Succeeded", **(result or {})}, {})

    def _begin(self, work: Any, how: str, base: str) -> dict[str, str]:
        id = str(uuid.uuid4())
        self._operations[id] = asyncio.ensure_future(work), how
        address = f"{base}/operations/{id}?api-version=2024-11-01"
        return {"Location" if how == "location" else "Azure-AsyncOperation": address}

    def _provider(self, name: str, register: bool) -> Answer:
        known = next((each for each in PROVIDERS if each.lower() == name.lower()), None)
        if known is None:
            raise ArmError("InvalidResourceNamespace", f"The resource namespace '{name}' is invalid.", 404)
        if register:
            self.registered.add(known)
        state = "Registered" if known in self.registered else "NotRegistered"
        return (
            200,
            {"id": f"/subscriptions/{SUBSCRIPTION}/providers/{known}", "namespace": known, "registrationState": state},
            {},
        )

    async def _deleted_vaults(self, method: str, path: str) -> Answer:
        found = re.search(r"/deletedVaults(?:/([^/]+))?(/purge)?$", path, re.IGNORECASE)
        name, purge = (found[1], found[2]) if found else (None, None)
        if name is None:
            return 200, {"value": self._act.deleted_vaults()}, {}
        there = next((each for each in self._act.deleted_vaults() if each["name"] == name), None)
        if there is None:
            raise ArmError("DeletedVaultNotFound", f"The specified deleted vault '{name}' does not exist.", 404)
        if method == "POST" and purge:
            await self._act.purge_vault(name)
            return 200, None, {}
        return 200, there, {}

    async def _group(self, method: str, name: str, body: Any, base: str) -> Answer:
        there = self.groups.get(name.lower())
        if method == "PUT":
            if not (body or {}).get("location"):
                raise ArmError("LocationRequired", "The location property is required for this definition.")
            id = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"
            made = {"id": id, "name": name, "type": "Microsoft.Resources/resourceGroups", "tags": {}, **body}
            made["properties"] = {"provisioningState": "Succeeded"}
            self.groups[name.lower()] = made
            return 200 if there else 201, made, {}
        if there is None:
            raise ArmError("ResourceGroupNotFound", f"Resource group '{name}' could not be found.", 404)
        if method == "HEAD":
            return 204, None, {}
        if method == "DELETE":
            return 202, None, self._begin(self._delete_group(name), "location", base)
        if method == "PATCH":
            there.update({key: value for key, value in (body or {}).items() if key in ("tags", "managedBy")})
        return 200, there, {}

    async def _delete_group(self, name: str) -> None:
        start = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{name}/".lower()
        for each in list(self._act.all()):
            if each["id"].lower().startswith(start):
                await self._resources.delete(each["id"])
        self.groups.pop(name.lower(), None)
        for kept in (self.deployments, self.stacks):
            for id in [each for each in kept if each.startswith(start)]:
                del kept[id]

    async def _deployment(
        self, method: str, name: str, more: str, body: Any, scope: Scope, query: dict[str, str], base: str
    ) -> Answer:
        id = f"{scope.id}/providers/Microsoft.Resources/deployments/{name}"
        if not name:
            start = id.lower()
            return 200, {"value": [each.body() for key, each in self.deployments.items() if key.startswith(start)]}, {}
        there = self.deployments.get(id.lower())
        if method == "POST" and more == "/validate":
            template = Deployment(id, body, scope)
            self._check_registered(template.template)
            return 200, template.body(), {}
        if method == "POST" and more == "/whatif":
            Template(body["properties"].get("template"), body["properties"].get("parameters"), scope)
            return 200, self._what_if(body, scope), {}
        if method == "PUT":
            return await self._deploy(id, body, scope, base, 200 if there else 201)
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
            del self.deployments[id.lower()]
            return 204, None, {}
        return 200, there.body(), {}

    def _what_if(self, body: Any, scope: Scope) -> dict[str, Any]:
        try:
            return {"status": "Succeeded", "properties": {"changes": what_if(body, scope, self._resources)}}
        except ArmError as error:
            return {"status": "Failed", "error": error.body()}

    async def _deploy(self, id: str, body: Any, scope: Scope, base: str, status: int) -> Answer:
        deployment = self._made(id, body, scope)
        headers = self._begin(self._finished(deployment), "async", base)
        return status, deployment.body(), headers

    def _made(self, id: str, body: Any, scope: Scope) -> Deployment:
        there = self.deployments.get(id.lower())
        if there is not None and there.state in ("Accepted", "Running"):
            raise ArmError("DeploymentActive", f"The deployment '{there.body()['name']}' is already active.", 409)
        deployment = Deployment(id, body, scope)
        self._check_registered(deployment.template)
        self.deployments[id.lower()] = deployment
        deployment.task = asyncio.create_task(deployment.run(self._resources))
        return deployment

    async def _finished(self, deployment: Deployment) -> None:
        assert deployment.task is not None
        await asyncio.wait([deployment.task])
        if deployment.error is not None:
            raise ArmError(
                deployment.error["code"], deployment.error["message"], details=deployment.error.get("details")
            )

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

    async def _stack(
        self, method: str, name: str, more: str, body: Any, scope: Scope, query: dict[str, str], base: str
    ) -> Answer:
        id = f"{scope.id}/providers/Microsoft.Resources/deploymentStacks/{name}"
        if not name:
            return 200, {"value": [each for key, each in self.stacks.items() if key.startswith(id.lower())]}, {}
        there = self.stacks.get(id.lower())
        if method in ("PUT", "DELETE") and there is not None and _runs(there):
            raise ArmError(
                "DeploymentStackInNonTerminalState",
                f"The deployment stack '{name}' is not in a terminal state and cannot be modified.",
                409,
            )
        if method == "PUT":
            deployment = self._made(
                f"{scope.id}/providers/Microsoft.Resources/deployments/{name}-{uuid.uuid4().hex[:8]}", body, scope
            )
            given = {key: value for key, value in body["properties"].items() if key != "template"}
            properties = {**given, "provisioningState": "deploying", "deploymentId": deployment.id}
            properties["resources"] = (there or {}).get("properties", {}).get("resources", [])
            stack = {"id": id, "name": name, "type": "Microsoft.Resources/deploymentStacks", "properties": properties}
            stack.update(tags=body.get("tags") or {}, location=scope.location)
            stack["systemData"] = {"lastModifiedAt": datetime.now(UTC).isoformat()}
            self.stacks[id.lower()], self._templates[id.lower()] = stack, body["properties"].get("template")
            return 200 if there else 201, stack, self._begin(self._stacked(stack, deployment), "async", base)
        if there is None:
            raise ArmError("DeploymentStackNotFound", f"The Deployment stack '{name}' could not be found.", 404)
        if method == "DELETE":
            delete = query.get("unmanageAction.Resources", "detach").lower() == "delete"
            groups = query.get("unmanageAction.ResourceGroups", "detach").lower() == "delete"
            there["properties"]["provisioningState"] = "deleting"
            return 202, None, self._begin(self._unstack(id, delete, groups, scope), "location", base)
        if method == "POST" and more == "/exporttemplate":
            return 200, {"template": self._templates.get(id.lower())}, {}
        return 200, there, {}

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
            resources=[{"id": each, "status": "managed", "denyStatus": "none"} for each in deployment.created],
            deletedResources=[{"id": each} for each in gone] if unmanaged == "delete" else [],
            detachedResources=[{"id": each} for each in gone] if unmanaged != "delete" else [],
        )

    async def _unstack(self, id: str, delete: bool, groups: bool, scope: Scope) -> None:
        stack = self.stacks[id.lower()]
        if delete:
            await self._delete([each["id"] for each in stack["properties"]["resources"]])
        self.stacks.pop(id.lower(), None)
        self._templates.pop(id.lower(), None)
        if groups:
            await self._delete_group(scope.group)

    async def _delete(self, ids: list[str]) -> None:
        for each in sorted(ids, key=lambda id: -id.count("/")):
            await self._resources.delete(each)

    async def _resource(self, method: str, path: str, body: Any) -> Answer:
        there = self._resources.find(path)
        if method in ("PUT", "PATCH"):
            kind, name = _kind_and_name(path)
            base = there or {} if method == "PATCH" else {}
            await self._resources.put({**base, **(body or {}), "id": path, "type": kind, "name": name})
            return 200, self._resources.find(path), {}
        if method == "DELETE":
            await self._resources.delete(path)
            return 200 if there else 204, None, {}
        if there is None or method == "POST":
            answer = await self._act(method, path, body)
            if answer is not None:
                return 200, answer, {}
            raise ArmError("ResourceNotFound", f"The Resource '{path}' was not found.", 404)
        return 200, there, {}


def _runs(stack: dict[str, Any]) -> bool:
    return stack["properties"]["provisioningState"] not in ("succeeded", "failed", "canceled")


def _merged(old: list[Any], created: list[str]) -> list[Any]:
    known = {each["id"].lower() for each in old}
    return old + [
        {"id": each, "status": "managed", "denyStatus": "none"} for each in created if each.lower() not in known
    ]


def _kind_and_name(id: str) -> tuple[str, str]:
    namespace, *rest = id.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *rest[::2]]), "/".join(rest[1::2])


def _subscription() -> dict[str, Any]:
    id = f"/subscriptions/{SUBSCRIPTION}"
    return {
        "id": id,
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": "simulator",
        "state": "Enabled",
    }


def parse(raw: bytes) -> Any:
    """Raises ArmError for what is no JSON."""
    try:
        return json.loads(raw) if raw else None
    except ValueError as error:
        raise ArmError("InvalidRequestContent", f"The request content was invalid: {error}") from error
