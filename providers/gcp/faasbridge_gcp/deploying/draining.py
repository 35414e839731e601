"""A subscription that another takes over from: what waits in it is published again, of an inbox for its function only.

A filter and an order cannot be changed, so a handler with another filter has another subscription, and so has a queue
that gets an order, and its dead letters. The new one is there already when the old one goes. Where nobody takes over,
function or queue is gone, and what waited with it.
Source: Pub/Sub documentation, "Filter messages from a subscription" and, of the API's reference, "RetryPolicy".
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core import exceptions
from google.api_core.grpc_helpers import wrap_errors
from google.pubsub_v1.types import PullRequest

from .. import wire
from ..template.document import NAME_LABEL, Template, owner_labels
from .connection import Cloud
from .kinds import Found

_BATCH = 100
_WAIT_S = 5.0
_LEAST_DEADLINE_S = 10  # which a subscription has that says nothing
_CLOCKS = timedelta(minutes=1)  # by which ours may differ from Google's
_BUSY_S = 60.0  # how long a topic may have news in each pull before that is taken for all there is


def heir_of(found: Found, template: Template) -> str | None:
    """Whose messages those of a subscription are from now on: a function's name, or nothing where the subscription is
    the only one of its topic, a queue's or its dead letters'. None where nobody takes over."""
    part = found.owner.get("part")
    for each in template["resources"].values():
        if each["type"] == "pubsub.subscription" and each["body"]["topic"] == found.body["topic"]:
            owner = each["owner"]
            if part == owner.get("part"):
                if owner_labels(owner)[NAME_LABEL] == found.owner["name"]:
                    return owner["name"] if part == "inbox" else ""
            elif "inbox" not in (part, owner.get("part")):  # dead letters that are a declared queue now, or no more
                return ""
    return None


def settling_s(found: Found) -> float:
    """How long a message may be out of sight and come back: with whoever has it, or until it is tried again.

    The pause doubles with each attempt, from the least to the longest that the subscription says.
    """
    deadline_s = float(found.body.get("ackDeadlineSeconds", _LEAST_DEADLINE_S))
    pauses = found.body.get("retryPolicy")
    if not pauses:
        return deadline_s
    least_s, longest_s = (float(pauses[name].removesuffix("s")) for name in ("minimumBackoff", "maximumBackoff"))
    attempts = found.body.get("deadLetterPolicy", {}).get("maxDeliveryAttempts")
    before_last_s = longest_s if attempts is None else least_s * 2.0 ** (attempts - 2)
    return max(deadline_s, min(before_last_s, longest_s))


def drain(cloud: Cloud, inbox: Found, heir: str, wait_s: float) -> None:
    """`heir` is as `heir_of` says. Nobody can tell what is with a handler now and comes back where that fails, so it
    ends once nothing has come for `wait_s`. What is published from now on the new subscription has itself."""
    api = cloud.get("subscriber")
    until = datetime.now(UTC) + _CLOCKS
    try:
        api.modify_push_config(request={"subscription": inbox.name, "push_config": {}})
        again_ids: set[str] = set()  # this inbox gets them as well
        ends = time.monotonic() + wait_s
        while True:
            received = pulled(api, inbox.name, _BATCH)
            left = [each for each in received if each.message.message_id not in again_ids]
            left = [each for each in left if each.message.publish_time <= until]
            for each in left:
                again: dict[str, Any] = {
                    "data": each.message.data,
                    "attributes": {**each.message.attributes, **({wire.FOR: heir} if heir else {})},
                    "ordering_key": each.message.ordering_key,
                }
                published = cloud.get("publisher").publish(topic=inbox.body["topic"], messages=[again])
                again_ids.update(published.message_ids)
            if received:
                api.acknowledge(subscription=inbox.name, ack_ids=[each.ack_id for each in received])
            now = time.monotonic()
            if left:
                ends = now + wait_s
            elif now >= ends and (not received or now >= ends + _BUSY_S):
                return
    except exceptions.NotFound:
        return


def pulled(api: Any, subscription: str, most: int, *, at_once: bool = False) -> list[Any]:
    """What is there now; empty where nothing is within some seconds. `at_once` asks one server, which may know of
    nothing while another does: the client warns of it, so it is asked past the client."""
    try:
        if at_once:
            request = PullRequest(subscription=subscription, max_messages=most, return_immediately=True)
            ask: Any = wrap_errors
            return list(ask(api.transport.pull)(request, timeout=_WAIT_S).received_messages)
        return list(api.pull(subscription=subscription, max_messages=most, timeout=_WAIT_S).received_messages)
    except exceptions.DeadlineExceeded:
        return []
