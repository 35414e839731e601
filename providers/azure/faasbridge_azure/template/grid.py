"""Event Grid: what brings events of accounts and topics into inboxes, with an identity that may write there. Pure.

It tries for a day; what it cannot put into the queue goes to a container of the app's account.
Sources: Event Grid documentation, "Event delivery with a managed identity", "Set dead-letter location and retry
policy", "Storage queue as an event handler"; Azure Resource Manager reference, Microsoft.EventGrid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec

from . import names, roles, storage

SCHEMA = "CloudEventSchemaV1_0"
_FOR_EVER = -1
_DAY_MINUTES, _MOST_ATTEMPTS = 1440, 30


def identity(stage: Stage) -> dict[str, Any]:
    """Of a topic: the one of all topics of the app."""
    id = f"[{names.resource_id(names.IDENTITIES, names.grid_identity(stage))}]"
    return {"type": "UserAssigned", "userAssignedIdentities": {id: {}}}


def basics(stage: Stage) -> dict[str, Any]:
    """What all subscriptions need: the identity, and where events go that no queue takes."""
    undelivered = storage.container(storage.UNDELIVERED, stage)
    right = roles.blobs(storage.container_name(storage.UNDELIVERED, stage), ("write",))
    name = names.grid_identity(stage)
    return {
        "resources": [
            {"type": names.IDENTITIES, "name": name},
            undelivered,
            roles.assignment(right, name),
        ]
    }


def system_topic(name: str, source: str, stage: Stage, *, made: bool) -> list[dict[str, Any]]:
    """`source`: the account's id, without brackets; `made`: whether the template makes it."""
    needs = [names.resource_id(names.IDENTITIES, names.grid_identity(stage)), *([source] if made else [])]
    return [
        {
            "type": names.SYSTEM_TOPICS,
            "name": name,
            "identity": identity(stage),
            "dependsOn": [f"[{each}]" for each in needs],
            "properties": {"source": f"[{source}]", "topicType": "Microsoft.Storage.StorageAccounts"},
            "owner": ("app", stage.app, "events"),
        }
    ]


def subscription(
    type_: str,
    topic: str,
    function: FunctionSpec,
    stage: Stage,
    chosen: Mapping[str, Any],
    more: Iterable[Mapping[str, Any]] = (),
    *,
    as_itself: str = "",
    made: bool = True,
) -> dict[str, Any]:
    """From the topic into the function's inbox. `chosen`: its filter.

    `as_itself`: the id of the topic that delivers with the identity of its own, without brackets.
    """
    account = names.resource_id(names.STORAGE, names.storage_account(stage))
    inbox = names.queue(f"{function.name}-inbox", stage)
    right = roles.grant(names.QUEUES, storage.queue_name(inbox, stage), roles.QUEUE_SENDER)
    undelivered = roles.blobs(storage.container_name(storage.UNDELIVERED, stage), ("write",))
    if as_itself:
        who: dict[str, Any] = {"type": "SystemAssigned"}
        assignments = [roles.assignment_of(each, as_itself, topic) for each in (right, undelivered)]
    else:
        name = names.grid_identity(stage)
        who = {"type": "UserAssigned", "userAssignedIdentity": f"[{names.resource_id(names.IDENTITIES, name)}]"}
        assignments = [roles.assignment(each, name) for each in (right, undelivered)]
    needs = [roles.id_of(each) for each in assignments]
    if made:
        needs.append(names.resource_id(type_.rpartition("/")[0], topic))
    return {
        "resources": [
            *more,
            *(each | ({"owner": ("app", stage.app, "events")} if i else {}) for i, each in enumerate(assignments)),
            {
                "type": type_,
                "name": f"{topic}/{names.subscription(function.name, stage)}",
                "dependsOn": [f"[{each}]" for each in needs],
                "properties": {
                    "deadLetterWithResourceIdentity": {
                        "identity": who,
                        "deadLetterDestination": {
                            "endpointType": "StorageBlob",
                            "properties": {"resourceId": f"[{account}]", "blobContainerName": storage.UNDELIVERED},
                        },
                    },
                    "deliveryWithResourceIdentity": {
                        "identity": who,
                        "destination": {
                            "endpointType": "StorageQueue",
                            "properties": {
                                "resourceId": f"[{account}]",
                                "queueName": inbox,
                                "queueMessageTimeToLiveInSeconds": _FOR_EVER,
                            },
                        },
                    },
                    "eventDeliverySchema": SCHEMA,
                    "filter": dict(chosen),
                    "retryPolicy": {"eventTimeToLiveInMinutes": _DAY_MINUTES, "maxDeliveryAttempts": _MOST_ATTEMPTS},
                },
            },
        ]
    }
