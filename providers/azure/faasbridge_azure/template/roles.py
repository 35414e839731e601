"""Role assignments, each at the narrowest scope that there is: a container, a queue, a topic, a secret. Pure.

Built-in roles for blobs allow more than one operation; a condition takes away what is not asked for. Custom roles would
do the same, but are a whole tenant's, and whoever deploys would have to be an owner.
Sources: Azure documentation, "Azure built-in roles"; "Azure role assignment condition format and syntax"; "Actions and
attributes for Azure role assignment conditions for Azure Blob Storage".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import names

BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
BLOB_DELEGATOR = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
QUEUE_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
QUEUE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
EVENT_SENDER = "d5a91429-5739-47e2-a06b-3470a27159e7"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_BLOB_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "delete": (f"{_BLOBS}/delete",),
    "move": (f"{_BLOBS}/move/action",),
    "read": (f"{_BLOBS}/read",),
    "write": (f"{_BLOBS}/write", f"{_BLOBS}/add/action"),
}
"""The data actions of Storage Blob Data Contributor."""
# No container has that name.
_NEVER = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals '-'"


def blobs(container: str, wanted: Iterable[str], **more: Any) -> dict[str, Any]:
    """A grant on a container. `wanted`: `read`, `write` and `delete`, one at least; `more`: as of `grant`."""
    return {"type": names.CONTAINERS, "name": container, "wanted": frozenset(wanted), **more}


def grant(type_: str, name: str, role: str, **more: Any) -> dict[str, Any]:
    """A role on a resource, which somebody has yet to get. `name` is that of `names`, with all its segments.

    `more`: `made=False` where the template does not make it; and where it is in another resource group, `group` and
    `id`, an expression, of both.
    """
    return {"type": type_, "name": name, "role": role, **more}


def assignment(grant: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """The resource that gives a grant to a user-assigned identity of the template.

    Its name is the same with each deployment, and no other's.
    """
    who = names.resource_id(names.IDENTITIES, identity)
    return _assignment(grant, identity, names.reference(names.IDENTITIES, identity, "principalId"), [who])


def assignment_of(grant: Mapping[str, Any], topic_id: str, topic: str) -> dict[str, Any]:
    """The same for the system-assigned identity of a topic that is there; `topic_id` without brackets."""
    version = names.VERSIONS["Microsoft.EventGrid"]
    return _assignment(grant, f"topic/{topic}", f"reference({topic_id}, '{version}', 'Full').identity.principalId", [])


def id_of(assignment: Mapping[str, Any]) -> str:
    """Its id, without brackets."""
    scope, name = (str(assignment[key])[1:-1] for key in ("scope", "name"))
    return f"extensionResourceId({scope}, '{ASSIGNMENTS}', {name})"


def joined(grants: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One grant a target and role: of containers and tables with all that is wanted; who may do everything in a queue
    may also send to it."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for each in grants:
        if "actions" in each:
            key: tuple[str, ...] = (each["account"], each["path"])
            found[key] = {**each, "actions": each["actions"] | found.get(key, each)["actions"]}
        elif "wanted" in each:
            key = (each["type"], each["name"])
            found[key] = {**each, "wanted": each["wanted"] | found.get(key, each)["wanted"]}
        else:
            found[each["type"], each["name"], each["role"]] = dict(each)
    for key in [key for key in found if key[2:] == (QUEUE_SENDER,) and (*key[:2], QUEUE_CONTRIBUTOR) in found]:
        del found[key]
    return list(found.values())


def _with_role(grant: Mapping[str, Any]) -> Mapping[str, Any]:
    """A grant on a container with the role that holds what is wanted, and what takes the rest away."""
    wanted = grant.get("wanted")
    if wanted is None:
        return grant
    if wanted == {"read"}:
        return {**grant, "role": BLOB_READER}
    denied = [action for name, each in _BLOB_ACTIONS.items() if name not in wanted for action in each]
    condition = " AND ".join(f"((!(ActionMatches{{'{each}'}})) OR ({_NEVER}))" for each in denied)
    return {**grant, "role": BLOB_CONTRIBUTOR, "condition": condition}


def _assignment(grant: Mapping[str, Any], who: str, principal: str, needs: list[str]) -> dict[str, Any]:
    grant = _with_role(grant)
    scope = grant.get("id") or names.resource_id(grant["type"], grant["name"])
    if grant.get("made", True):
        needs = [*needs, grant.get("needs") or scope]
    properties: dict[str, Any] = {
        "principalId": f"[{principal}]",
        "principalType": "ServicePrincipal",  # an identity that was just made is not in the directory everywhere yet
        "roleDefinitionId": f"[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{grant['role']}')]",
    }
    if grant.get("group"):
        subscription = "/".join(grant["group"].split("/")[:3])
        path = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{grant['role']}"
        properties["roleDefinitionId"] = path
    if "condition" in grant:
        properties.update(condition=grant["condition"], conditionVersion="2.0")
    return {
        "type": ASSIGNMENTS,
        "name": names.guid("/".join((who, grant["type"], grant["name"], grant["role"]))),
        "scope": f"[{scope}]",
        "dependsOn": [f"[{each}]" for each in needs],
        "properties": properties,
    }
