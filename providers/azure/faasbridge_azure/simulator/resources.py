"""The resources that there are, by their ids; those with a life of their own are their services' matter."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from .arm.errors import ArmError
from .arm.kinds import check_name
from .arm.manager import TENANT

STORAGE = "microsoft.storage/storageaccounts"
DOCUMENTS = "microsoft.documentdb/databaseaccounts"
SITES = "microsoft.web/sites"
VAULTS = "microsoft.keyvault/vaults"
ASSIGNMENTS = "microsoft.authorization/roleassignments"


class Service(Protocol):
    """What makes and deletes the resources of some types; `put` completes `made`, and raises ArmError."""

    async def put(self, made: dict[str, Any], before: Mapping[str, Any] | None) -> None: ...

    async def delete(self, there: Mapping[str, Any]) -> None: ...

    def keys(self, there: Mapping[str, Any]) -> Any:
        """What `listKeys` gives."""


class Resources:
    """Implements `arm.deployments.Resources`. `services` are by the beginning of their types."""

    def __init__(self, services: Mapping[str, Service], topics: str) -> None:
        self.services, self._topics = services, topics
        self._known: dict[str, dict[str, Any]] = {}

    def all(self) -> list[dict[str, Any]]:
        return list(self._known.values())

    def of_type(self, type_: str) -> list[dict[str, Any]]:
        return [each for each in self.all() if each["type"].lower() == type_]

    def find(self, id: str) -> dict[str, Any] | None:
        return self._known.get(id.lower())

    def properties(self, id: str, what: str) -> Any:
        there = self.find(id)
        if there is None:
            raise ArmError("ResourceNotFound", f"The Resource '{id}' was not found.", 404)
        if what == "listKeys":
            return self.keys(there)
        return there if what == "Full" else there.get("properties", {})

    def keys(self, there: Mapping[str, Any]) -> Any:
        service = self._service(there["type"].lower())
        return service.keys(there) if service is not None else {"key1": "simulator", "key2": "simulator"}

    def assignments(self) -> list[dict[str, Any]]:
        return self.of_type(ASSIGNMENTS)

    async def put(self, body: dict[str, Any]) -> None:
        id, kind = body["id"], body["type"].lower()
        check_name(body["type"], body["name"])
        before = self.find(id)
        if kind.count("/") > 1:
            parent = id.rsplit("/", 2)[0]
            if not parent.lower().endswith("/default") and self.find(parent) is None:
                raise ArmError(
                    "ParentResourceNotFound",
                    f"Can not perform requested operation on nested resource. Parent resource '{parent}' not found.",
                    404,
                )
        made = {**body, "properties": {**(body.get("properties") or {}), "provisioningState": "Succeeded"}}
        made.pop("apiVersion", None)
        service = self._service(kind)
        if service is not None:
            await service.put(made, before)
        else:
            self._complete(kind, made, (before or {}).get("properties", {}))
        self._known[id.lower()] = made

    async def delete(self, id: str) -> None:
        """With everything under it."""
        there = self._known.get(id.lower())
        start = f"{id.lower()}/"
        for each in [key for key in self._known if key.startswith(start)]:
            self._known.pop(each, None)
        if there is None:
            return
        service = self._service(there["type"].lower())
        if service is not None:
            await service.delete(there)
        self._known.pop(id.lower(), None)

    def _service(self, kind: str) -> Service | None:
        return next((each for start, each in self.services.items() if f"{kind}/".startswith(f"{start}/")), None)

    def _complete(self, kind: str, made: dict[str, Any], old: Mapping[str, Any]) -> None:
        """What a provider adds to a resource that does nothing here."""
        properties = made["properties"]

        def once(*names: str) -> None:
            for name in names:
                properties[name] = old.get(name) or str(uuid.uuid4())

        if kind == "microsoft.eventgrid/topics":
            properties["endpoint"] = f"{self._topics}{made['id']}/api/events"
            _identify(made, self.find(made["id"]))
        elif kind == "microsoft.eventgrid/systemtopics":
            _identify(made, self.find(made["id"]))
        elif kind.endswith("/eventsubscriptions"):
            self._check_subscription(properties)
        elif kind == "microsoft.managedidentity/userassignedidentities":
            once("principalId", "clientId")
            properties["tenantId"] = TENANT
        elif kind == "microsoft.operationalinsights/workspaces":
            once("customerId")
        elif kind == "microsoft.insights/components":
            once("InstrumentationKey", "AppId")
            properties["ConnectionString"] = f"InstrumentationKey={properties['InstrumentationKey']}"
        elif kind == ASSIGNMENTS:
            self._check_assignment(made)

    def _check_assignment(self, made: Mapping[str, Any]) -> None:
        properties = made["properties"]
        if not properties.get("principalId"):
            raise ArmError("PrincipalNotFound", "The role assignment has no principalId.")
        there = self.find(made["id"])
        fixed = ("principalId", "roleDefinitionId")
        if there is not None and any(there["properties"].get(each) != properties.get(each) for each in fixed):
            raise ArmError(
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )

    def _check_subscription(self, properties: Mapping[str, Any]) -> None:
        delivery = properties.get("deliveryWithResourceIdentity") or {}
        destination = delivery.get("destination") or properties.get("destination") or {}
        if destination.get("endpointType") != "StorageQueue":
            raise ArmError("InvalidRequest", "The simulator's Event Grid delivers to Storage Queues only.")
        account = destination["properties"]["resourceId"]
        if self.find(account) is None:
            raise ArmError("ResourceNotFound", f"The destination {account} of the event subscription was not found.")
        name = destination["properties"]["queueName"]
        if self.find(f"{account}/queueServices/default/queues/{name}") is None:
            raise ArmError("InvalidRequest", f"The queue {name} of the event subscription does not exist.")


def _identify(made: dict[str, Any], before: Mapping[str, Any] | None) -> None:
    """A system-assigned identity."""
    identity = made.get("identity") or {}
    if "systemassigned" in str(identity.get("type", "")).lower():
        principal = ((before or {}).get("identity") or {}).get("principalId") or str(uuid.uuid4())
        made["identity"] = {**identity, "principalId": principal, "tenantId": TENANT}
