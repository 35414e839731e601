"""An SQS message: one of ours, or another source's event that came through the queue.

Our own messages carry the attribute that `wire` describes, and their body is never looked into. Otherwise a body that
is an SNS notification, an S3 or EventBridge event, a Pipe's DynamoDB record or one of our schedules is that event.
Source: Lambda Developer Guide, "Using Lambda with Amazon SQS".
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent
from faasbridge.events import Message

from . import wire
from .events_common import epoch_time

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.events import Event

_MARKS = ('"Records"', '"detail-type"', '"TopicArn"', '"aws:dynamodb"', '"faasbridge"', '"s3:TestEvent"')


def decode(record: dict[str, Any]) -> list[Event]:
    body = record["body"]
    if (
        body[:1] == "{"
        and wire.ATTRIBUTE not in (record.get("messageAttributes") or {})
        and any(m in body for m in _MARKS)
    ):
        events = inner_events(body, record)
        if events is not None:
            for event in events:
                if isinstance(event, Message):
                    event.attempt = attempt_of(record)
            return events
    return [message(record)]


def message(record: dict[str, Any]) -> Message:
    """The message as such, whatever its body looks like."""
    body: str = record["body"]
    attributes = _attributes(record)
    id = record["messageId"]
    content = body.encode()
    note = attributes.pop(wire.MARK, None)
    if note is not None:
        id = _original_id(note) or id
    if wire.ATTRIBUTE in attributes:
        try:
            content, attributes, own_id = wire.unpack(body, attributes)
        except ValueError as error:
            raise InvalidEvent(f"message {id} was not packed by FaaSBridge: {error}") from error
        id = own_id or id
    system = record.get("attributes") or {}
    sent = epoch_time(system.get("SentTimestamp"))
    return Message(
        content,
        attributes=attributes,
        attempt=attempt_of(record),
        enqueued_at=sent,
        id=id,
        source=record.get("eventSourceARN", ""),
        type="aws.sqs.message",
        time=sent,
        provider="aws",
        native=record,
    )


def attempt_of(record: dict[str, Any]) -> int:
    return int((record.get("attributes") or {}).get("ApproximateReceiveCount") or 1)


def inner_events(body: str, record: dict[str, Any]) -> list[Event] | None:
    """The events of a body that is another source's event; None where it is just a message."""
    from .events import decode_one, is_event

    try:
        inner = json.loads(body)
    except ValueError:
        return None
    if isinstance(inner, dict) and inner.get("Type") == "Notification" and {"TopicArn", "Message"} <= inner.keys():
        from .events_sns import decode as decode_sns

        return decode_sns(inner)
    if is_event(inner):
        return decode_one(inner, (record.get("attributes") or {}).get("SentTimestamp"))
    return None


def _original_id(note: str) -> str:
    """The id that a dead letter had before it died."""
    try:
        return str(json.loads(note)["id"])
    except (KeyError, TypeError, ValueError):
        return ""


def _attributes(record: dict[str, Any]) -> dict[str, str]:
    """Strings and numbers as text; binary ones as the base64 that they arrive in."""
    attributes = {}
    for name, value in (record.get("messageAttributes") or {}).items():
        text = value.get("stringValue")
        attributes[name] = text if text is not None else value.get("binaryValue") or ""
    return attributes
