"""Topics: Event Grid's custom topics, each handler's inbox a subscription. Pure."""

from __future__ import annotations

from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from . import elsewhere, existing, grid, names, queues, roles


def topic(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    if resource.existing:
        existing.of(resource, stage)
        return {}
    made: dict[str, Any] = {
        "type": names.TOPICS,
        "name": names.topic(resource.name, stage),
        "properties": {
            "disableLocalAuth": True,
            "inputSchema": grid.SCHEMA,
            "minimumTlsVersionAllowed": "1.2",
            "publicNetworkAccess": "Enabled",
        },
    }
    return {"resources": [made]}


def grants(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    if "publish" not in rights:
        return []
    claims = queues.claims(stage, "write")
    if not resource.existing:
        return [roles.grant(names.TOPICS, names.topic(resource.name, stage), roles.EVENT_SENDER), claims]
    there = existing.of(resource, stage)
    place = {"id": there.id, "made": False, "group": there.group}
    return [roles.grant(names.TOPICS, there.segments[0], roles.EVENT_SENDER, **place), claims]


def address(resource: ResourceSpec, stage: Stage) -> str:
    """A topic's endpoint."""
    if resource.existing:
        return f"[{existing.of(resource, stage).reference(names.TOPICS, 1, 'endpoint')}]"
    return f"[{names.reference(names.TOPICS, names.topic(resource.name, stage), 'endpoint')}]"


def subscription(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """A topic that is there already delivers with the system-assigned identity that it has to have, since a storage
    account without keys takes nothing else."""
    type_ = f"{names.TOPICS}/eventSubscriptions"
    if resource.existing:
        there = existing.of(resource, stage)
        name = there.segments[0]
        made = grid.subscription(type_, name, function, stage, {}, as_itself=there.id, made=False)
        if there.group:
            *others, there_made = made["resources"]
            others.append(elsewhere.deployment(there.group, f"{function.name}-subscription", [there_made], stage))
            return {"resources": others}
        return made
    name = names.topic(resource.name, stage)
    identity_id = names.resource_id(names.IDENTITIES, names.grid_identity(stage))
    with_identity = {
        "type": names.TOPICS,
        "name": name,
        "identity": grid.identity(stage),
        "dependsOn": [f"[{identity_id}]"],
        "owner": ("topic", resource.name, ""),
    }
    return grid.subscription(type_, name, function, stage, {}, [with_identity])
