"""A Pub/Sub message, pushed or in a CloudEvent: one of ours, or another source's event that came through an inbox.

A message of ours carries the attribute that `wire` describes, and its body is never looked into. Otherwise one with a
storage notification's attributes is that notification, and a body that is a payload of `events_own` is that event.

The JSON of a push has each field twice, as `messageId` and as `message_id`; emulators have one of them.
`deliveryAttempt` is there where the subscription has a dead-letter topic.
Source: Pub/Sub documentation, "Push subscriptions".
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import Message

from . import wire
from .events_common import from_base64, object_in

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.events import Event

TYPE = "google.cloud.pubsub.topic.v1.messagePublished"


def is_envelope(native: Any) -> bool:
    """Whether JSON is a push. A message without data has attributes, one without those has data."""
    if not isinstance(native, dict) or not isinstance(native.get("message"), dict):
        return False
    message = native["message"]
    return "subscription" in native and any(
        name in message for name in ("messageId", "message_id", "data", "attributes")
    )


def decode(
    envelope: dict[str, Any], cloudevent: dict[str, Any] | None = None, as_messages: bool = False, *, topic: str = ""
) -> list[Event]:
    """The events of a push. `cloudevent`: the one that it came in; `as_messages`: whatever is in it, it is a Message;
    `topic`: `projects/P/topics/T`, where it is known."""
    if as_messages:
        return [message(envelope, cloudevent, topic=topic)]
    content = object_in(envelope, "message")
    attributes = object_in(content, "attributes")
    if wire.ATTRIBUTE not in attributes:
        if "eventType" in attributes and "bucketId" in attributes:
            from .events_storage import decode_notification

            return decode_notification(envelope)
        data = content.get("data") or ""
        if len(data) > 8:
            inner = _own_event(from_base64(data, "data"), envelope)
            if inner is not None:
                return [inner]
    return [message(envelope, cloudevent, topic=topic)]


def message(envelope: dict[str, Any], cloudevent: dict[str, Any] | None = None, *, topic: str = "") -> Message:
    """The message as such, whatever it looks like. Raises InvalidEvent."""
    outer = cloudevent or {}
    content = object_in(envelope, "message")
    attributes: dict[str, str] = {
        name: value
        for name, value in object_in(content, "attributes").items()
        if name not in (wire.MARK, wire.FOR) and not name.startswith(wire.DEAD_LETTER_PREFIX)
    }
    id = outer.get("id") or content.get("messageId") or content.get("message_id") or ""
    body = from_base64(content.get("data") or "", f"the data of message {id}")
    if wire.ATTRIBUTE in attributes:
        try:
            body, attributes, own_id = wire.unpack(body, attributes)
        except (ValueError, TypeError) as error:
            raise InvalidEvent(f"message {id} was not packed by FaaSBridge: {error}") from error
        id = own_id or id
    where = topic or str(envelope.get("subscription") or "")
    published = iso_time(published_at(envelope)) or iso_time(outer.get("time"))
    return Message(
        body,
        attributes=attributes,
        attempt=attempt_of(envelope) or 1,
        enqueued_at=published,
        id=str(id),
        source=outer.get("source") or f"//pubsub.googleapis.com/{where}",
        type=outer.get("type") or TYPE,
        subject=outer.get("subject") or content.get("orderingKey") or content.get("ordering_key") or "",
        time=published,
        provider="gcp",
        native=cloudevent or envelope,
    )


def attempt_of(envelope: dict[str, Any]) -> int | None:
    """Which delivery this is, from 1; None where the subscription does not count them."""
    attempt = envelope.get("deliveryAttempt") or envelope.get("delivery_attempt")
    try:
        return int(attempt) if attempt else None
    except (TypeError, ValueError):
        raise InvalidEvent(f"deliveryAttempt should be a number, not {attempt!r}") from None


def published_at(envelope: dict[str, Any]) -> str:
    """When the message was first published, also where it is a dead letter by now."""
    content = object_in(envelope, "message")
    first = object_in(content, "attributes").get(f"{wire.DEAD_LETTER_PREFIX}TopicPublishTime")
    return first or content.get("publishTime") or content.get("publish_time") or ""


def _own_event(data: bytes, envelope: dict[str, Any]) -> Event | None:
    if data[:1] != b"{" or b'"faasbridge"' not in data:
        return None
    from faasbridge.adapter.own_events import is_own

    from .events_own import own

    try:
        native = json.loads(data)
    except ValueError:
        return None
    return own.decode(native, iso_time(published_at(envelope))) if is_own(native) else None
