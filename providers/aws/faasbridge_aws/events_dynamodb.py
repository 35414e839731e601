"""A record of a DynamoDB stream, from the stream itself or through a Pipe: a changed row.

`key` is the first of the record's keys, as text; where a table has two the entry puts in the declared one. An image
that the stream's view type leaves out is None. A row over an expired one, which DynamoDB deletes some time later, is an
insert. Source: DynamoDB Streams API Reference, Record and StreamRecord.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent
from faasbridge.events import Change

from .attribute_value import EXPIRY_US, attributes_to_row
from .events_common import epoch_time

if TYPE_CHECKING:
    from typing import Any, Literal

_KINDS: dict[str, Literal["insert", "update", "delete"]] = {"INSERT": "insert", "MODIFY": "update", "REMOVE": "delete"}


def decode(record: dict[str, Any]) -> Change[dict[str, Any]]:
    kind = _KINDS.get(record["eventName"])
    if kind is None:
        raise InvalidEvent(f"a DynamoDB record has the eventName {', '.join(_KINDS)}, not {record['eventName']!r}")
    data = record["dynamodb"]
    old, new = data.get("OldImage"), data.get("NewImage")
    if kind == "update" and old is not None and _expired(old, data):
        kind = "insert"
    arn = record.get("eventSourceARN", "")
    key = next(iter(attributes_to_row(data["Keys"]).values()))
    return Change(
        record.get("tableName") or table_of(arn),
        key if isinstance(key, str) else str(key),
        kind,
        old=None if old is None or kind == "insert" else attributes_to_row(old),
        new=None if new is None or kind == "delete" else attributes_to_row(new),
        id=record["eventID"],
        source=arn,
        type=record["eventName"],
        time=epoch_time(data.get("ApproximateCreationDateTime")),
        provider="aws",
        native=record,
    )


def _expired(image: dict[str, Any], data: dict[str, Any]) -> bool:
    expiry, changed_at = image.get(EXPIRY_US), data.get("ApproximateCreationDateTime")
    return expiry is not None and changed_at is not None and int(expiry["N"]) / 1e6 <= float(changed_at)


def table_of(arn: str) -> str:
    """The table's name in a stream's ARN, `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/TIME`."""
    parts = arn.split("/")
    return parts[1] if len(parts) > 1 else ""
