"""Resource Manager's REST API: routes, resource groups, resources, errors in its form."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from .deployments import Resources
from .errors import ArmError
from .kinds import PROVIDERS
from .operations import Answer, Operations
from .stacks import Stacks
from .templates import Scope

log = logging.getLogger(__name__)
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
TENANT = "00000000-0000-4000-8000-000000000002"
_LOCKS = "/providers/microsoft.authorization/locks/"


class Manager:
    """`handle` answers a request; `act` is asked for what only a resource's own provider knows (`listKeys` ...)."""

    def __init__(self, resources: Resources, act: Any) -> None:
        self._resources, self._act = resources, act
        self.groups: dict[str, dict[str, Any]] = {}
        self._operations = Operations()
        self._stacks = Stacks(resources, self._operations, self._scope)

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
        await self._operations.stop()

    async def _route(self, method: str, path: str, query: dict[str, str], body: Any, base: str) -> Answer:
        low = path.lower()
        if low.startswith("/operations/"):
            return self._operations.answer(path.rpartition("/")[2])
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
        if method == "DELETE":
            self._check_unlocked(path)
        if match := re.fullmatch(r"/providers/([^/]+)(?:/((?:un)?register))?", rest, re.IGNORECASE):
            return self._provider(match[1], (match[2] or "").lower())
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
        scope = self._scope(subscription, group)
        if match := re.match(
            r"/(?:providers/Microsoft\.Resources/)?(deploymentStacks|deployments)(?:/([^/]+))?(/.*)?",
            inner,
            re.IGNORECASE,
        ):
            kind = self._stacks.deployment if match[1].lower() == "deployments" else self._stacks.stack
            return await kind(method, match[2] or "", (match[3] or "").lower(), body, scope, query, base)
        if inner.lower() == "/resources":
            start = f"{scope.id}/".lower()
            return 200, {"value": [each for each in self._act.all() if each["id"].lower().startswith(start)]}, {}
        return await self._resource(method, path, body)

    def _scope(self, subscription: str, group: str) -> Scope:
        """Raises ArmError for a resource group that is not there."""
        there = self.groups.get(group.lower())
        if subscription != SUBSCRIPTION:
            raise ArmError("SubscriptionNotFound", f"The subscription '{subscription}' could not be found.", 404)
        if there is None:
            raise ArmError("ResourceGroupNotFound", f"Resource group '{group}' could not be found.", 404)
        return Scope(subscription, there["name"], there["location"], TENANT)

    def _check_unlocked(self, path: str) -> None:
        """Source: Azure Resource Manager documentation, "Lock your Azure resources to protect your infrastructure"."""
        locks = (each["id"].lower().partition(_LOCKS) for each in self._act.all())
        scopes = [scope for scope, lock, _ in locks if lock and f"{path.lower()}/".startswith(f"{scope}/")]
        if scopes and _LOCKS not in path.lower():
            raise ArmError(
                "ScopeLocked",
                f"The scope '{path}' cannot perform delete operation because following scope(s) are locked: "
                f"'{scopes[0]}'. Please remove the lock and try again.",
                409,
            )

    def _provider(self, name: str, action: str) -> Answer:
        known = next((each for each in PROVIDERS if each.lower() == name.lower()), None)
        if known is None:
            raise ArmError("InvalidResourceNamespace", f"The resource namespace '{name}' is invalid.", 404)
        registered = self._stacks.registered
        if action:
            (registered.add if action == "register" else registered.discard)(known)
        state = "Registered" if known in registered else "NotRegistered"
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
            return 202, None, self._operations.begin(self._delete_group(name), "location", base)
        if method == "PATCH":
            there.update({key: value for key, value in (body or {}).items() if key in ("tags", "managedBy")})
        return 200, there, {}

    async def _delete_group(self, name: str) -> None:
        start = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{name}/".lower()
        for each in list(self._act.all()):
            if each["id"].lower().startswith(start):
                await self._resources.delete(each["id"])
        self.groups.pop(name.lower(), None)
        self._stacks.forget(start)

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
