"""Cloud Storage: a bucket's notification in a Pub/Sub message, or a CloudEvent.

An overwritten object is one `create`: the notification about the generation that it replaced brings no event. An object
that becomes noncurrent in a bucket with versions (archived) is deleted for whoever reads the bucket.
Sources: Cloud Storage documentation, "Pub/Sub notifications"; google/events/cloud/storage/v1/data.proto.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent

from .events_common import object_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from faasbridge.events import Event

PREFIX = "google.cloud.storage.object.v1."
_KINDS: Mapping[str, Literal["create", "delete"]] = {
    "finalized": "create",
    "deleted": "delete",
    "archived": "delete",
    "OBJECT_FINALIZE": "create",
    "OBJECT_DELETE": "delete",
    "OBJECT_ARCHIVE": "delete",
}
_TYPES = {"OBJECT_FINALIZE": "finalized", "OBJECT_DELETE": "deleted", "OBJECT_ARCHIVE": "archived"}


def decode(event: dict[str, Any]) -> list[Event]:
    """The CloudEvent's object; its own id, which stays on redelivery."""
    thing = object_in(event, "data")
    name = event["type"].removeprefix(PREFIX)
    bucket = thing.get("bucket") or event.get("bucket") or event["source"].rpartition("/buckets/")[2]
    key = thing.get("name") or str(event.get("subject") or "").removeprefix("objects/")
    found = _blob_event(name, bucket, key, thing, event["id"], event["type"], iso_time(event.get("time")), event)
    found.subject = f"objects/{key}"  # Eventarc's own; a notification has none
    return [found]


def decode_notification(envelope: dict[str, Any]) -> list[Event]:
    """A notification may be published twice under two message ids, so its id is made of what it tells."""
    from .events_pubsub import published_at

    message = envelope["message"]
    attributes = message["attributes"]
    name = attributes["eventType"]
    if "overwrittenByGeneration" in attributes:
        return []
    bucket, key = attributes["bucketId"], attributes.get("objectId") or ""
    kind = _KINDS.get(name, "")
    thing: dict[str, Any] = {}
    if attributes.get("payloadFormat") != "NONE" and message.get("data"):
        from .cloudevent import parsed
        from .events_common import from_base64

        payload = parsed(from_base64(message["data"], "the notification's data"))
        thing = payload if isinstance(payload, dict) else {}
    generation = attributes.get("objectGeneration") or thing.get("generation") or ""
    time = iso_time(attributes.get("eventTime")) or iso_time(published_at(envelope))
    type = PREFIX + _TYPES.get(name, name)
    thing["generation"] = generation
    return [_blob_event(name, bucket, key, thing, f"{bucket}/{key}#{generation}#{kind}", type, time, envelope)]


def _blob_event(
    name: str, bucket: str, key: str, thing: dict[str, Any], id: str, type: str, time: Any, native: Any
) -> BlobEvent:
    kind = _KINDS.get(name)
    if kind is None:
        raise InvalidEvent(
            f"Cloud Storage's {name} tells of no object created or deleted; subscribe to OBJECT_FINALIZE, "
            "OBJECT_DELETE and OBJECT_ARCHIVE"
        )
    if not bucket or not key:
        raise InvalidEvent(f"Cloud Storage's {name} names no {'bucket' if not bucket else 'object'}")
    deleted = kind == "delete"
    return BlobEvent(
        bucket,
        key,
        size=0 if deleted else int(thing.get("size") or 0),
        etag="" if deleted else str(thing.get("generation") or thing.get("etag") or ""),  # as `drivers.bucket` has it
        kind=kind,
        id=id,
        source=f"//storage.googleapis.com/projects/_/buckets/{bucket}",
        type=type,
        subject=key,
        time=time,
        provider="gcp",
        native=native,
    )
