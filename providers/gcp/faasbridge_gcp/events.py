"""Native event -> neutral events: which form it is, and who reads that form. Pure.

`decode` takes what functions-framework hands a function: a Flask request with a Pub/Sub push, a CloudEvent (binary,
structured or batch), a background event or Cloud Scheduler's plain call; a `cloudevents` object; `(data, context)`. The
JSON of each, read already, is taken as well.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.http import Headers

from . import cloudevent, events_pubsub
from .events_common import found_in

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.events import Event


def decode(native: Any, *, as_messages: bool = False) -> list[Event]:
    """The events of one delivery, in its order; a notification of an overwritten generation holds none.

    `as_messages`: whatever a Pub/Sub message holds, it is a Message. Raises InvalidEvent that names what was found
    where the shape is unknown or broken.
    """
    if is_cloudevent(native):
        return decode_cloudevent(cloudevent.from_object(native), as_messages)
    if hasattr(native, "get_data"):
        return _decode_request(native, as_messages)
    if isinstance(native, tuple) and len(native) == 2:
        from . import legacy

        return decode_cloudevent(legacy.from_pair(*native), as_messages)
    return decode_json(native, as_messages)


def is_cloudevent(native: Any) -> bool:
    """Whether it is an object of the `cloudevents` package."""
    return hasattr(native, "get_attributes")


def envelope_of(request: Any) -> dict[str, Any] | None:
    """The Pub/Sub push in a request, None where it holds something else."""
    headers = Headers(list(request.headers.items()))
    if "ce-id" in headers or (headers.get("content-type") or "").startswith("application/cloudevents"):
        return None
    try:
        native = json.loads(request.get_data())
    except ValueError:
        return None
    return native if events_pubsub.is_envelope(native) else None


def _decode_request(request: Any, as_messages: bool) -> list[Event]:
    headers, body = Headers(list(request.headers.items())), request.get_data()
    events = cloudevent.from_request(headers, body)
    if events is not None:
        raw = body if "ce-id" in headers else None
        return [event for each in events for event in decode_cloudevent(each, as_messages, raw)]
    due = headers.get("x-cloudscheduler-scheduletime")
    if due:
        moment = iso_time(due)
        if moment is None:
            raise InvalidEvent(f"X-CloudScheduler-ScheduleTime is no time: {due!r}")
        from .events_own import own

        job = headers.get("x-cloudscheduler-jobname") or ""
        return [own.tick(job, moment, dict(headers))]
    return decode_json(cloudevent.parsed(body), as_messages, topic=topic_of(request.path))


def decode_json(native: Any, as_messages: bool = False, *, topic: str = "") -> list[Event]:
    """The events of JSON that is no request: a push, a structured CloudEvent, a background event, a payload of ours."""
    from faasbridge.adapter.own_events import is_own

    from . import legacy

    if events_pubsub.is_envelope(native):
        return _guarded(events_pubsub.decode, native, None, as_messages, topic=topic)
    if isinstance(native, dict):
        if "specversion" in native:
            return decode_cloudevent(cloudevent.from_dict(native), as_messages)
        if legacy.is_background(native):
            return decode_cloudevent(legacy.from_dict(native), as_messages)
        if is_own(native):
            from .events_own import own

            return [own.decode(native)]
    raise InvalidEvent(f"this is no event that FaaSBridge knows; {found_in(native)}")


def decode_cloudevent(event: dict[str, Any], as_messages: bool = False, raw: bytes | None = None) -> list[Event]:
    """The events of a CloudEvent as `cloudevent` gives it; `raw`: its data as it was sent, where that is known.

    One of no kind listed here is a Message: its data is the body, and the attributes beyond CloudEvents' own four,
    subject and time are the message's.
    """
    type = event["type"]
    if type == events_pubsub.TYPE and isinstance(event.get("data"), dict):
        return _guarded(events_pubsub.decode, event["data"], event, as_messages)
    if type.startswith("google.cloud.storage.object.v1."):
        from .events_storage import decode as decode_storage

        return _guarded(decode_storage, event)
    if type.startswith("google.cloud.firestore.document.v1."):
        from .events_firestore import decode as decode_firestore

        return _guarded(decode_firestore, event)
    if type == "google.cloud.scheduler.job.v1.executed":
        from .events_own import own

        moment = iso_time(event.get("time"))
        if moment is None:
            raise InvalidEvent(f"the scheduler's event {event['id']} has no time; {found_in(event)}")
        return [own.tick(event["source"].rpartition("/jobs/")[2], moment, event)]
    return [_as_message(event, raw)]


def topic_of(path: str) -> str:
    """`projects/P/topics/T` where the push's URL ends in it, else empty."""
    parts = path.strip("/").split("/")
    return "/".join(parts[-4:]) if len(parts) >= 4 and (parts[-4], parts[-2]) == ("projects", "topics") else ""


def _guarded(read: Any, event: Any, *args: Any, **options: Any) -> list[Event]:
    try:
        return read(event, *args, **options)  # type: ignore[no-any-return]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidEvent(f"the event is broken ({error!r}); {found_in(event)}") from error


def _as_message(event: dict[str, Any], raw: bytes | None) -> Event:
    from faasbridge.events import Message
    from faasbridge.http import to_json

    data = event.get("data") if raw is None else raw
    time = iso_time(event.get("time"))
    return Message(
        data if isinstance(data, (bytes, str)) else b"" if data is None else to_json(data),
        attributes={name: str(value) for name, value in event.items() if name not in _OWN and value is not None},
        enqueued_at=time,
        id=event["id"],
        source=event["source"],
        type=event["type"],
        subject=event.get("subject") or "",
        time=time,
        provider="gcp",
        native=event,
    )


_OWN = ("specversion", "id", "source", "type", "subject", "time", "data")
