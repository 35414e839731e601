"""A message of a Storage Queue, which every inbox is: one of ours, or another source's event that came through it.

A message of ours has the head that `wire` describes, and its body is never looked into. Otherwise a body that is an
event of Event Grid (or a list of them), a tick or an event of ours is that event; whatever else is in the queue is the
message itself.
Source: Azure Functions documentation, "Azure Queue storage trigger".
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import Message

from . import wire

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.events import Event

_MARKS = (b'"eventType"', b'"specversion"', b'"faasbridge"')


def is_message(native: object) -> bool:
    return hasattr(native, "get_body") and hasattr(native, "dequeue_count")


def decode(native: Any, as_messages: bool = False) -> list[Event]:
    """`as_messages`: only an event that is itself a message is unwrapped. Raises InvalidEvent."""
    body = native.get_body()
    events: list[Event] | None = None
    if not wire.is_packed(body) and body[:64].lstrip()[:1] in (b"{", b"[") and any(mark in body for mark in _MARKS):
        try:
            events = _inner(body, native)
        except InvalidEvent:
            if not as_messages:
                raise
        if as_messages and not (events and all(isinstance(event, Message) for event in events)):
            events = None  # it looks like another source's event and is what somebody sent
    if events is None:
        return [message(native)]
    for event in events:
        if isinstance(event, Message):
            event.attempt = attempt_of(native)
    return events


def message(native: Any) -> Message:
    """The message as such, whatever its body looks like. Raises InvalidEvent."""
    body = native.get_body()
    id = native.id or ""
    attributes: dict[str, str] = {}
    if wire.is_packed(body):
        try:
            body, attributes, own_id = wire.unpack(body)
        except ValueError as error:
            raise InvalidEvent(f"message {id} was not packed by FaaSBridge: {error}") from error
        id = own_id or id
    time = iso_time(native.insertion_time)
    return Message(
        body,
        attributes=attributes,
        attempt=attempt_of(native),
        enqueued_at=time,
        id=id,
        type="azure.storagequeue.message",
        time=time,
        provider="azure",
        native=native,
    )


def attempt_of(native: Any) -> int:
    return max(1, int(native.dequeue_count or 1))


def _inner(body: bytes, native: Any) -> list[Event] | None:
    """The events of a body that is another source's; None where it is just a message."""
    from . import events_grid, events_own

    try:
        inner = json.loads(body)
    except ValueError:
        return None
    if events_own.is_own(inner):
        return events_own.decode(inner, native.insertion_time)
    many = inner if isinstance(inner, list) else [inner]
    if many and all(events_grid.is_event(each) for each in many):
        return [events_grid.decode(each) for each in many]
    return None
