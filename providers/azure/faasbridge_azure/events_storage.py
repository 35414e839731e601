"""Blob Storage: an event of Event Grid about a blob, or the stream that a blob trigger binds.

An event's subject has container and key as they are, its URL percent-encoded. The URL is read where both mean the same
blob, since the subject has lost the characters beyond Unicode's first plane; else the subject is the word.
Sources: Event Grid documentation, "Azure Blob Storage as an Event Grid source"; azure-event-grid-viewer, issue 9.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent
from faasbridge.http import unquote

from .blob_names import to_key
from .events_common import found_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

PREFIX = "Microsoft.Storage."
_KINDS: Mapping[str, Literal["create", "delete"]] = {"BlobCreated": "create", "BlobDeleted": "delete"}
_CONTAINERS, _BLOBS = "/blobServices/default/containers/", "/blobs/"


def decode(event: dict[str, Any]) -> BlobEvent:
    """The blob of an event as `events_grid` gives it, with Event Grid's id, which is the same on redelivery."""
    kind = _KINDS.get(event["type"].removeprefix(PREFIX))
    if kind is None:
        raise InvalidEvent(
            f"{event['type']} tells of no blob created or deleted; subscribe to {PREFIX}BlobCreated and "
            f"{PREFIX}BlobDeleted"
        )
    data = event["data"] if isinstance(event["data"], dict) else {}
    container, key = place(event["subject"], data.get("url") or data.get("blobUrl") or "")
    if not container or not key:
        raise InvalidEvent(f"the subject {event['subject']!r} of event {event['id']} names no blob")
    deleted = kind == "delete"
    return BlobEvent(
        container,
        to_key(key),
        size=0 if deleted else int(data.get("contentLength") or 0),
        etag="" if deleted else str(data.get("eTag") or "").strip('"'),
        kind=kind,
        id=event["id"],
        source=event["source"],
        type=event["type"],
        subject=event["subject"],
        time=event["time"],
        provider="azure",
        native=event["native"],
    )


def place(subject: str, url: str) -> tuple[str, str]:
    """Container and the blob's name; empty where neither says them."""
    _, _, rest = subject.partition(_CONTAINERS)
    container, found, key = rest.partition(_BLOBS)
    path = url.partition("://")[2].partition("?")[0].partition("#")[0].partition("/")[2]
    if not found:
        container, _, key = path.partition("/")
        return unquote(container), unquote(key)
    path = path if path.startswith(f"{container}/") else path.partition("/")[2]  # an emulator's begins with the account
    in_url, _, encoded = path.partition("/")
    decoded = unquote(encoded)
    if in_url == container and (decoded in (key, unquote(key)) or "\ufffd" in key):
        return container, decoded
    return container, key


def is_stream(native: object) -> bool:
    """Whether it is what a blob trigger binds."""
    return hasattr(native, "read") and hasattr(native, "uri")


def decode_stream(stream: Any) -> BlobEvent:
    """The blob that a trigger read; its id is place and ETag. A trigger fires for no delete."""
    container, _, key = (stream.name or "").partition("/")
    if not container or not key:
        raise InvalidEvent(f"the blob trigger names no container and blob: {stream.name!r}; {found_in(stream)}")
    properties = getattr(stream, "blob_properties", None) or {}
    etag = str(properties.get("ETag") or "").strip('"')
    time = iso_time(properties.get("LastModified"))
    return BlobEvent(
        container,
        to_key(key),
        size=int(stream.length or 0),
        etag=etag,
        id=f"{stream.name}#{etag or (time.isoformat() if time else '')}",
        source=stream.uri or "",
        type="azure.storage.blob",
        subject=stream.name,
        time=time,
        provider="azure",
        native=stream,
    )
