"""A record of a Kinesis data stream: a message whose attributes are `partitionKey` and `sequenceNumber`.

Source: Lambda Developer Guide, "Using Lambda with Kinesis".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.events import Message

from .events_common import epoch_time, from_base64

if TYPE_CHECKING:
    from typing import Any


def decode(record: dict[str, Any]) -> Message:
    data = record["kinesis"]
    arrived = epoch_time(data.get("approximateArrivalTimestamp"))
    return Message(
        from_base64(data["data"], "a Kinesis record's data"),
        attributes={name: data[name] for name in ("partitionKey", "sequenceNumber") if name in data},
        enqueued_at=arrived,
        id=record["eventID"],
        source=record.get("eventSourceARN", ""),
        type=record.get("eventName", ""),
        subject=data.get("partitionKey", ""),
        time=arrived,
        provider="aws",
        native=record,
    )
