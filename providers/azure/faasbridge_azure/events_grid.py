"""Events of Event Grid in both schemas, its own and CloudEvents', as JSON or as the object that a trigger binds.

Those of Blob Storage are BlobEvents, those of `wire.MESSAGE_TYPE` our own messages; any other is a Message whose body
is the event's data and whose attributes are what the schema has besides. The id is Event Grid's, which is the same on
redelivery.
Source: Event Grid documentation, "Azure Event Grid event schema" and "CloudEvents v1.0 schema with Azure Event Grid".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import Message

from . import wire
from .events_common import found_in, parsed, texts

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.events import Event

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_CLOUD = ("specversion", "id", "source", "type", "subject", "time", "data", "data_base64")


def is_object(native: object) -> bool:
    """Whether it is an EventGridEvent or CloudEvent of `azure-functions`."""
    return hasattr(native, "get_json") and (hasattr(native, "event_type") or hasattr(native, "specversion"))


def is_event(native: object) -> bool:
    """Whether JSON is an event of either schema."""
    if not isinstance(native, dict) or "id" not in native:
        return False
    return "eventType" in native or ("specversion" in native and "type" in native)


def decode(native: Any) -> Event:
    """The event of JSON or an object. Raises InvalidEvent."""
    event = _common(native) if isinstance(native, dict) else _of_object(native)
    for name in ("id", "type"):
        if not isinstance(event[name], str) or not event[name]:
            raise InvalidEvent(f"an event of Event Grid has {name}; {found_in(native)}")
    if event["type"].startswith("Microsoft.Storage."):
        from .events_storage import decode as decode_blob

        try:
            return decode_blob(event)
        except (TypeError, ValueError) as error:
            raise InvalidEvent(f"event {event['id']} is broken: {error}") from error
    if event["type"] == VALIDATION:
        raise InvalidEvent("the validation of a subscription is no event; the endpoint answers it")
    return _message(event)


def _common(native: dict[str, Any]) -> dict[str, Any]:
    """Both schemas' names -> CloudEvents'."""
    if "specversion" in native:
        if native["specversion"] != "1.0":
            raise InvalidEvent(f"a CloudEvent's specversion is 1.0, not {native['specversion']!r}")
        data = native.get("data")
        if "data_base64" in native:
            from binascii import Error, a2b_base64

            try:
                data = a2b_base64(native["data_base64"])
            except (Error, TypeError, ValueError) as error:
                raise InvalidEvent(f"data_base64 of event {native.get('id')} should be base64: {error}") from None
        source, kind, time = native.get("source"), native["type"], native.get("time")
        attributes = texts({name: value for name, value in native.items() if name not in _CLOUD})
    else:
        source, kind, time = native.get("topic"), native["eventType"], native.get("eventTime")
        data, version = native.get("data"), native.get("dataVersion")
        attributes = {"dataVersion": version} if isinstance(version, str) and version else {}
    return {
        "id": native.get("id"),
        "source": source or "",
        "type": kind,
        "subject": native.get("subject") or "",
        "time": iso_time(time),
        "data": data,
        "attributes": attributes,
        "native": native,
    }


def _of_object(native: Any) -> dict[str, Any]:
    data = native.get_json()
    if hasattr(native, "event_type"):
        event = _common(
            {
                "id": native.id,
                "topic": native.topic,
                "subject": native.subject,
                "eventType": native.event_type,
                "eventTime": native.event_time,
                "data": data,
                "dataVersion": native.data_version,
            }
        )
    else:
        more = {name: getattr(native, name, None) for name in ("datacontenttype", "dataschema")}
        event = _common(
            {
                "specversion": native.specversion,
                "id": native.id,
                "source": native.source,
                "type": native.type,
                "subject": native.subject,
                "time": native.time,
                "data": data,
                **(getattr(native, "extension_attrs", None) or {}),
                **more,
            }
        )
    event["native"] = native
    return event


def _message(event: dict[str, Any]) -> Message:
    data, id, attributes = event["data"], event["id"], event["attributes"]
    if event["type"] == wire.MESSAGE_TYPE:
        try:
            body, attributes, id = wire.unpack_data(parsed(data) if isinstance(data, (str, bytes)) else data)
        except ValueError as error:
            raise InvalidEvent(f"event {event['id']} was not packed by FaaSBridge: {error}") from error
    elif isinstance(data, (bytes, str)):
        body = data if isinstance(data, bytes) else data.encode()
    else:
        from faasbridge.http import to_json

        body = b"" if data is None else to_json(data).encode()
    return Message(
        body,
        attributes=attributes,
        enqueued_at=event["time"],
        id=id,
        source=event["source"],
        type=event["type"],
        subject=event["subject"],
        time=event["time"],
        provider="azure",
        native=event["native"],
    )
