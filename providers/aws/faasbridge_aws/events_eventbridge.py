"""EventBridge: S3's object events are blob events, schedules ticks, everything else a message whose body is the detail.

A message's attributes are `detail-type` and `source`. Sources: EventBridge User Guide, "Events"; S3 User Guide,
"EventBridge event message structure".
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import Message, Tick

from .events_s3 import blob_event

if TYPE_CHECKING:
    from typing import Any, Literal

    from faasbridge.events import Event

_KINDS: dict[str, Literal["create", "delete"]] = {"Object Created": "create", "Object Deleted": "delete"}


def decode(native: dict[str, Any]) -> Event:
    source, type = native["source"], native["detail-type"]
    if source == "aws.s3" and type in _KINDS:
        detail = native["detail"]
        thing = detail["object"]
        return blob_event(detail["bucket"]["name"], thing["key"], _KINDS[type], thing, type, native.get("time"), native)
    resource = next(iter(native.get("resources") or ()), "")
    time = iso_time(native.get("time"))
    if type == "Scheduled Event" and source in ("aws.events", "aws.scheduler"):
        if time is None:
            raise InvalidEvent(f"the scheduled event {native.get('id')} has no time")
        id = f"{resource}@{native['time']}"
        return Tick(time, id=id, source=resource, type=type, time=time, provider="aws", native=native)
    detail = native["detail"]
    return Message(
        detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False, separators=(",", ":")),
        attributes={"detail-type": type, "source": source},
        enqueued_at=time,
        id=native["id"],
        source=source,
        type=type,
        subject=resource,
        time=time,
        provider="aws",
        native=native,
    )
