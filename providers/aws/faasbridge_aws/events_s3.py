"""S3's own notifications. Keys are encoded as in a form: `+` is a blank. Through EventBridge they are not.

The id is made of what S3 itself repeats for one change: bucket, key, sequencer and type. So the same change has the
same id however it came. Source: S3 User Guide, "Event message structure".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent

if TYPE_CHECKING:
    from typing import Any, Literal

    from faasbridge.events import Event


def decode(record: dict[str, Any]) -> list[Event]:
    from urllib.parse import unquote_plus

    name = record.get("eventName", "ObjectCreated:")
    kind: Literal["create", "delete"]
    if "ObjectCreated:" in name:
        kind = "create"
    elif "ObjectRemoved:" in name or name.startswith("LifecycleExpiration:"):
        kind = "delete"
    else:
        raise InvalidEvent(
            f"S3's {name} tells of no object created or deleted; subscribe to s3:ObjectCreated:* and s3:ObjectRemoved:*"
        )
    bucket, thing = record["s3"]["bucket"]["name"], record["s3"]["object"]
    return [blob_event(bucket, unquote_plus(thing["key"]), kind, thing, name, record.get("eventTime"), record)]


def blob_event(
    bucket: str,
    key: str,
    kind: Literal["create", "delete"],
    thing: dict[str, Any],
    type: str,
    time: str | None,
    native: Any,
) -> BlobEvent:
    deleted = kind == "delete"
    return BlobEvent(
        bucket,
        key,
        size=0 if deleted else int(thing.get("size") or 0),
        etag="" if deleted else str(thing.get("eTag") or thing.get("etag") or ""),
        kind=kind,
        id=f"{bucket}/{key}#{thing.get('sequencer', '')}#{kind}",
        source=f"arn:aws:s3:::{bucket}",
        type=type,
        subject=key,
        time=iso_time(time),
        provider="aws",
        native=native,
    )
