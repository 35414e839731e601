"""An SNS notification, handed to the function or wrapped in a queue's message.

An event of S3 or EventBridge in it is that event.
Source: Lambda Developer Guide, "Invoking Lambda functions with Amazon SNS notifications".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import Message

from . import wire

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.events import Event


def decode(notification: dict[str, Any]) -> list[Event]:
    attributes = {name: str(value["Value"]) for name, value in (notification.get("MessageAttributes") or {}).items()}
    text, id = notification["Message"], notification["MessageId"]
    body = text.encode()
    if wire.ATTRIBUTE in attributes:
        try:
            body, attributes, own_id = wire.unpack(text, attributes)
        except ValueError as error:
            raise InvalidEvent(f"notification {id} was not packed by FaaSBridge: {error}") from error
        id = own_id or id
    elif text[:1] == "{":
        from .events_sqs import inner_events

        events = inner_events(text, {})
        if events is not None:
            return events
    published = iso_time(notification.get("Timestamp"))
    message = Message(
        body,
        attributes=attributes,
        enqueued_at=published,
        id=id,
        source=notification["TopicArn"],
        type="aws.sns.notification",
        subject=notification.get("Subject") or "",
        time=published,
        provider="aws",
        native=notification,
    )
    return [message]
