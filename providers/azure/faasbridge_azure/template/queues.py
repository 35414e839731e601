"""Queues: those of the app's storage account, each the inbox of its handler, with its poison queue. Pure.

Source: Azure Storage documentation, "Permissions for Queue service operations".
"""

from __future__ import annotations

from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from . import existing, names, roles, storage

NAME = "azure_queue"
"""The option of a queue that says its name in the account, where it holds another's dead letters."""


def queue(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    """With its poison queue, which is a part of it unless it is declared by itself."""
    if resource.existing:
        existing.of(resource, stage)
        return {}
    name = name_of(resource, stage)
    dead = {**storage.queue(names.within(name + names.POISON, resource), stage)}
    return {
        "resources": [storage.queue(name, stage), {**dead, "owner": ("queue", resource.name, "dead-letters")}],
    }


def inbox(function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """Of a function that no queue of the app feeds."""
    name = inbox_name(function, stage)
    return {
        "resources": [
            {**storage.queue(name, stage), "owner": ("function", function.name, "inbox")},
            {**storage.queue(name + names.POISON, stage), "owner": ("function", function.name, "dead-letters")},
        ]
    }


def inbox_name(function: FunctionSpec, stage: Stage) -> str:
    return names.queue(f"{function.name}-inbox", stage)


def own_inbox(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """A queue of the app's account is its handler's inbox already. Raises ConfigError for another account's."""
    if resource.existing:
        raise ConfigError(
            f"{function.location + ': ' if function.location else ''}queue {resource.name!r} is declared with "
            "existing=True: on Azure such a queue can be sent to, but its handler's inbox has to be in the app's own "
            "storage account"
        )
    return {}


def grants(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    if "send" not in rights:
        return []
    if not resource.existing:
        name = storage.queue_name(name_of(resource, stage), stage)
        return [roles.grant(names.QUEUES, name, roles.QUEUE_SENDER), claims(stage, "write")]
    there = existing.of(resource, stage)
    place = {"id": there.id, "made": False, "group": there.group}
    return [roles.grant(names.QUEUES, "/".join(there.segments), roles.QUEUE_SENDER, **place), claims(stage, "write")]


def inbox_grants(inbox: str, stage: Stage, *, fed_by_itself: bool) -> list[dict[str, Any]]:
    """What the host and the entry need of an inbox and its poison queue.

    The host also writes: it hides a message that failed for a while. `fed_by_itself`: changes or ticks come from the
    same function app.
    """
    name, dead = (storage.queue_name(each, stage) for each in (inbox, inbox + names.POISON))
    found = [
        roles.grant(names.QUEUES, name, roles.QUEUE_CONTRIBUTOR),
        roles.grant(names.QUEUES, dead, roles.QUEUE_SENDER),
        claims(stage, "read", "write", "delete"),
    ]
    if fed_by_itself:
        found.append(roles.grant(names.QUEUES, name, roles.QUEUE_SENDER))
    return found


def claims(stage: Stage, *wanted: str) -> dict[str, Any]:
    return roles.blobs(storage.container_name(storage.CLAIMS, stage), wanted)


def name_of(resource: ResourceSpec, stage: Stage) -> str:
    return str(resource.options.get(NAME) or names.queue(resource.name, stage))


def address(resource: ResourceSpec, stage: Stage) -> str:
    if not resource.existing:
        return storage.queue_url(name_of(resource, stage), stage)
    there = existing.of(resource, stage)
    endpoint = there.reference(names.STORAGE, 1, "primaryEndpoints.queue")
    return f"[uri({endpoint}, {names.quoted(there.segments[-1])})]"


def physical(resource: ResourceSpec, stage: Stage, every: dict[str, ResourceSpec]) -> str:
    """A queue of dead letters is called after the one whose they are. Raises ConfigError for one too far down."""
    top, tail = resource, ""
    while (parent := top.options.get("dead_letters_of")) is not None:
        top, tail = every[parent], tail + names.POISON
    if top.existing:
        raise ConfigError(
            f"{resource.location + ': ' if resource.location else ''}queue {top.name!r} is declared with "
            "existing=True: on Azure its dead letters are not the app's"
        )
    return names.within(names.queue(top.name, stage) + tail, resource)
