"""Native event -> neutral events: which form it is, and who reads that form. Pure.

`decode` takes what the Python worker binds to a trigger: a QueueMessage, EventGridEvent or CloudEvent, TimerRequest,
Document or DocumentList, ServiceBusMessage, EventHubEvent or KafkaEvent (or a list of them), InputStream, and the
HttpRequest in which Event Grid calls a webhook. They are told by what they have, so `azure-functions` is not imported.
The JSON of an Event Grid event, a timer, a document and a payload of ours, read already, is taken as well.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import ConfigError, InvalidEvent

from . import events_queue
from .events_common import found_in, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from faasbridge.events import Event


def decode(native: Any, *, as_messages: bool = False) -> list[Event]:
    """The events of one delivery, in its order; rows of our own tables in a change feed hold none.

    `as_messages`: whatever a queue's message holds, it is a Message. Raises InvalidEvent that names what was found
    where the shape is unknown or broken.
    """
    try:
        if events_queue.is_message(native):
            return events_queue.decode(native, as_messages)
        if is_request(native):
            return _decode_json(parsed(native.get_body()))
        if isinstance(native, (dict, list)):
            return _decode_json(native)
        return _decode_object(native)
    except (InvalidEvent, ConfigError):
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidEvent(f"the event is broken ({error!r}); {found_in(native)}") from error


def is_request(native: object) -> bool:
    """Whether it is an HttpRequest."""
    return hasattr(native, "route_params") and hasattr(native, "get_body")


def is_batch(native: object) -> bool:
    """Whether it is a list of messages, each of which stands for itself."""
    from . import events_bus

    return isinstance(native, list) and bool(native) and all(events_bus.is_message(each) for each in native)


def decode_at(native: list[Any], index: int) -> Event:
    """The event of one member of a batch."""
    from . import events_bus

    return events_bus.decode(native[index], index)


def _decode_object(native: Any) -> list[Event]:
    from . import events_bus, events_cosmos, events_grid, events_storage

    if events_grid.is_object(native):
        return [events_grid.decode(native)]
    if events_bus.is_message(native):
        return [events_bus.decode(native)]
    if hasattr(native, "past_due"):
        return [_timer(getattr(native, "schedule_status", None) or {}, native)]
    documents = events_cosmos.documents_of(native)
    if documents is not None:
        return events_cosmos.decode(documents)
    if events_storage.is_stream(native):
        return [events_storage.decode_stream(native)]
    raise InvalidEvent(f"this is no event that FaaSBridge knows; {found_in(native)}")


def _decode_json(native: Any) -> list[Event]:
    from . import events_cosmos, events_grid, events_own

    if is_batch(native):
        return [decode_at(native, i) for i in range(len(native))]
    if events_own.is_own(native):
        return events_own.decode(native)
    if isinstance(native, dict) and "IsPastDue" in native:
        return [_timer(native.get("ScheduleStatus") or {}, native)]
    many = native if isinstance(native, list) else [native]
    if many and all(events_grid.is_event(each) for each in many):
        return [events_grid.decode(each) for each in many]
    if many and all(events_own.is_own(each) or events_cosmos.is_document(each) for each in many):
        return events_cosmos.decode(many)
    strange = next((each for each in many if not events_grid.is_event(each)), native)
    raise InvalidEvent(f"this is no event that FaaSBridge knows; {found_in(strange)}")


def _timer(status: Mapping[str, Any], native: Any) -> Event:
    """While a timer's function runs, `Next` of its status still is the time that it was due at. Without a status (the
    host keeps none for short intervals) the running minute stands for it."""
    from datetime import UTC, datetime

    from .events_own import own

    due = iso_time(status.get("Next"))
    return own.tick("", due or datetime.now(UTC).replace(second=0, microsecond=0), native)
