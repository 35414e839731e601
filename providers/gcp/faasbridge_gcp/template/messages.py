"""Pub/Sub: topics, and the push subscriptions that are inboxes, each with a topic for its dead letters. Pure.

A source's topic may have several inboxes. A message that is for one of them only, a replayed one, says so in the
attribute `faasbridge-for`, which every inbox's filter looks at.
Sources: Pub/Sub documentation, "Push subscriptions" (authentication, acknowledgement deadline of 10 to 600 seconds),
"Dead-letter topics" (5 to 100 attempts, the rights of Pub/Sub's service agent), "Subscription properties", "Filter
messages from a subscription" (256 bytes, cannot be changed), "Message ordering".
"""

from __future__ import annotations

from math import ceil
from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from ..wire import FOR
from . import names
from .document import Owner

KEEP = "2678400s"  # 31 days, the longest
_FILTER_BYTES = 256
_LEAST_ATTEMPTS, _MOST_ATTEMPTS = 5, 100
_MARGIN_S = 10
_LEAST_DEADLINE_S, _MOST_DEADLINE_S = 10, 600


def topic(id: str, name: str, stage: Stage, owner: Owner | None = None) -> dict[str, Any]:
    """`name` is without app and stage."""
    made: dict[str, Any] = {"type": "pubsub.topic", "name": names.topic_name(name, stage), "body": {}}
    return {"resources": {id: {**made, "owner": owner} if owner else made}}


def kept(id: str, name: str, stage: Stage, owner: Owner, *, ordered: bool = False) -> dict[str, Any]:
    """A subscription of the topic of that name, of which nobody reads yet: messages wait for as long as Pub/Sub keeps
    any."""
    body = {"topic": names.topic_name(name, stage), **_waiting(ordered=ordered)}
    made = {"type": "pubsub.subscription", "name": names.subscription_name(name, stage, body), "body": body}
    return {"resources": {id: {**made, "owner": owner}}}


def inbox(function: FunctionSpec, stage: Stage, source: dict[str, Any], owner: Owner) -> dict[str, Any]:
    """The function's push subscription to `source["topic"]`, with `source["filter"]` where there is one."""
    id, dead, target = names.inbox_id(function), names.dead_letters_id(function), names.function_id(function)
    dead_name = names.topic_name(f"{names.inbox_name(function)}-dead", stage)
    body = {
        **source,
        **_waiting(ordered=bool(source.get("enableMessageOrdering"))),
        "ackDeadlineSeconds": min(max(ceil(function.timeout_s) + _MARGIN_S, _LEAST_DEADLINE_S), _MOST_DEADLINE_S),
        "pushConfig": {
            # The topic at the end is what the function learns the source from.
            "pushEndpoint": f"${{url:{target}}}/{source['topic']}",
            "oidcToken": {
                "serviceAccountEmail": names.account(names.PUSHER_NAME, stage),
                "audience": f"${{url:{target}}}",
            },
        },
        "deadLetterPolicy": {
            "deadLetterTopic": dead_name,
            "maxDeliveryAttempts": min(max(function.max_attempts, _LEAST_ATTEMPTS), _MOST_ATTEMPTS),
        },
        "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"},
    }
    name = names.subscription_name(names.inbox_name(function), stage, body)
    return {
        "resources": {id: {"type": "pubsub.subscription", "name": name, "body": body, "owner": owner}},
        "bindings": [
            {"on": dead, "role": "roles/pubsub.publisher", "member": names.PUBSUB_AGENT},
            {"on": id, "role": "roles/pubsub.subscriber", "member": names.PUBSUB_AGENT},
        ],
    }


def dead_letters(topic_id: str, name: str, stage: Stage, owner: Owner) -> dict[str, Any]:
    """The topic, and the subscription without which a dead letter would be lost. `name` is the inbox's.

    It has no order, also where the inbox has one: with it Pub/Sub would hand out no other message of a key before those
    that it handed out are acknowledged, and send these again with one before them, so none could be picked out."""
    made = topic(topic_id, f"{name}-dead", stage, owner)["resources"]
    waiting = kept(f"{topic_id}:subscription", f"{name}-dead", stage, owner)
    return {"resources": {**made, **waiting["resources"]}}


def only_for(function: FunctionSpec, condition: str = "") -> str:
    """The filter of one inbox of several; without the condition, which the entry knows too, where it is too long."""
    replayed = f'(NOT attributes:{FOR} OR attributes.{FOR} = "{function.name}")'
    whole = f"{condition} AND {replayed}" if condition else replayed
    return whole if len(whole.encode()) <= _FILTER_BYTES else replayed


def existing_or_own_topic(resource: ResourceSpec, stage: Stage) -> str:
    if resource.existing:
        return names.existing(resource, stage, "topics")
    return names.topic_name(resource.name, stage)


def _waiting(*, ordered: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"messageRetentionDuration": KEEP, "expirationPolicy": {}}
    return {**found, "enableMessageOrdering": True} if ordered else found
