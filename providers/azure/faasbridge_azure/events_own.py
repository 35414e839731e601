"""Payloads that our own drivers, forwarders and templates put on the wire, told by their member `faasbridge`.

- `tick` and `event` are those of `faasbridge.adapter.own_events`.
- `change`: a document that a table's driver writes beside a row, in the same transactional batch; see
  `change_document`. Its other members are Cosmos DB's, or the driver's.
- `row`: a document that is such a row. It is no event: the change beside it is.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.own_events import OwnEvents
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import Change

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from faasbridge.events import Event

own = OwnEvents("azure", "azure.timer.tick")
_KINDS = ("tick", "event", "change", "row")
_CHANGES: Mapping[str, Literal["insert", "update", "delete"]] = {
    "insert": "insert",
    "update": "update",
    "delete": "delete",
}


def is_own(native: Any) -> bool:
    return isinstance(native, dict) and native.get("faasbridge") in _KINDS


def decode(native: dict[str, Any], queued_at: object = None) -> list[Event]:
    """One event, or none of a row. `queued_at`: when it was put into the queue. Raises InvalidEvent."""
    kind = native["faasbridge"]
    if kind == "row":
        return []
    if kind != "change":
        return [own.decode(native, iso_time(queued_at))]
    try:
        return [_change(native)]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidEvent(f"the change was not written by FaaSBridge: {error!r}") from error


def change_document(change: Change[Any]) -> dict[str, Any]:
    """The members of a document that stands for the change; the document's own `id` and partition key are the driver's.

    Rows stand there in terms of `codec.encode`. Raises what that raises.
    """
    from faasbridge.codec import encode

    document: dict[str, Any] = {
        "faasbridge": "change",
        "event_id": change.id,
        "table": change.table,
        "key": change.key,
        "kind": change.kind,
    }
    for name, row in (("old", change.old), ("new", change.new)):
        if row is not None:
            document[name] = encode(dict(row))
    return document


def _change(document: dict[str, Any]) -> Change[Any]:
    from faasbridge.codec import decode as decode_row

    from .events_cosmos import changed_at

    kind = _CHANGES[document["kind"]]
    old, new = document.get("old"), document.get("new")
    return Change(
        document["table"],
        document["key"],
        kind,
        old=None if old is None else decode_row(old),
        new=None if new is None else decode_row(new),
        id=document.get("event_id") or document["id"],
        source=document["table"],
        type=f"azure.cosmosdb.{kind}",
        time=changed_at(document),
        provider="azure",
        native=document,
    )
