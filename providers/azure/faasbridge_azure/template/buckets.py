"""Buckets: containers of the app's storage account, and their events through Event Grid into inboxes. Pure.

Sources: Azure Storage documentation, "Permissions for Blob service operations", "Create a user delegation SAS";
Event Grid documentation, "Azure Blob Storage as an Event Grid source", "Event filtering", "System topics in Azure Event
Grid" (one a source, in its subscription and location).
"""

from __future__ import annotations

from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from ..blob_names import to_name, to_prefix
from . import existing, grid, names, roles, storage

_RIGHTS = {
    "get": ("read",),
    "head": ("read",),
    "put": ("write",),
    "delete": ("delete",),
    "list": ("read",),
    "copy": ("read", "write"),
    "sign_get": ("read",),
    "sign_put": ("write",),
}
_KINDS = {"create": "Microsoft.Storage.BlobCreated", "delete": "Microsoft.Storage.BlobDeleted"}


def bucket(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    if resource.existing:
        existing.of(resource, stage)
        return {}
    return {"resources": [storage.container(names.container(resource.name, stage), stage)]}


def grants(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    """To sign is a right on the whole account, but a signature holds only for what its signer may do."""
    wanted = {action for right in rights for action in _RIGHTS.get(right, ())}
    if not wanted:
        return []
    found = [roles.blobs(_name(resource, stage), wanted, **_place(resource, stage))]
    if rights & {"sign_get", "sign_put"}:
        account = _name(resource, stage).partition("/")[0]
        place = {}
        if resource.existing:
            there = existing.of(resource, stage)
            place = {"id": there.id_of(names.STORAGE, 1), "made": False, "group": there.group}
        found.append(roles.grant(names.STORAGE, account, roles.BLOB_DELEGATOR, **place))
    return found


def address(resource: ResourceSpec, stage: Stage) -> str:
    if not resource.existing:
        return storage.blob_url(names.container(resource.name, stage), stage)
    there = existing.of(resource, stage)
    endpoint = there.reference(names.STORAGE, 1, "primaryEndpoints.blob")
    return f"[uri({endpoint}, {names.quoted(there.segments[-1])})]"


def subscription(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """A system topic tells of everything in an account; the subscription's filter says which of it."""
    settings = function.trigger.settings
    container = _name(resource, stage).rpartition("/")[2]
    blobs = f"/blobServices/default/containers/{container}/blobs/"
    chosen: dict[str, Any] = {
        "includedEventTypes": [_KINDS[function.trigger.kind]],
        "isSubjectCaseSensitive": True,
        "subjectBeginsWith": blobs + to_prefix(settings.get("prefix") or ""),
    }
    suffix = settings.get("suffix") or ""
    if suffix and "/" not in suffix and to_name(f"a{suffix}") == f"a{suffix}":  # the entry looks at it in any case
        chosen["subjectEndsWith"] = suffix
    if resource.existing:
        there = existing.of(resource, stage)
        own = str(stage.settings.get("subscription") or "").lower()
        if there.group and own not in ("", there.group.split("/")[2].lower()):
            raise ConfigError(
                f"{function.location + ': ' if function.location else ''}bucket {resource.name!r} is in another "
                "subscription, and Event Grid tells of an account only within its own: handle its events in an app "
                "that is deployed there"
            )
        source, topic = there.id_of(names.STORAGE, 1), names.system_topic(there.segments[0], stage)
    else:
        source, topic = names.resource_id(names.STORAGE, names.storage_account(stage)), names.system_topic("", stage)
    made = grid.system_topic(topic, source, stage, made=not resource.existing)
    return grid.subscription(f"{names.SYSTEM_TOPICS}/eventSubscriptions", topic, function, stage, chosen, made)


def _name(resource: ResourceSpec, stage: Stage) -> str:
    if resource.existing:
        return "/".join(existing.of(resource, stage).segments)
    return storage.container_name(names.container(resource.name, stage), stage)


def _place(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    if not resource.existing:
        return {}
    there = existing.of(resource, stage)
    return {"id": there.id, "made": False, "group": there.group}
