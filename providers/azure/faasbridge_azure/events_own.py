"""Payloads that our own drivers, forwarders and templates put on the wire, told by their member `faasbridge`.

- `tick`: a schedule was due. `{"faasbridge": "tick", "schedule": NAME, "scheduled_for": TIME, "timezone": ZONE}`; the
  id is name and time. Without the time, the minute in which the message was put into the queue stands for it: cron
  knows no smaller unit.
- `event`: any event, `{"faasbridge": "event", "event": codec.dumps(event_json.to_dict(event))}`.
- `change`: a document that a table's driver writes beside a row, in the same transactional batch; see
  `change_document`. Its other members are Cosmos DB's, or the driver's.
- `row`: a document that is such a row. It is no event: the change beside it is.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.events import Change, Tick

from .events_common import iso_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any, Literal

    from faasbridge.events import Event

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
    try:
        if kind == "tick":
            return [_scheduled(native, queued_at)]
        if kind == "change":
            return [_change(native)]
        from faasbridge import codec, event_json

        event = event_json.from_dict(codec.loads(native["event"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidEvent(f"the {kind} was not written by FaaSBridge: {error!r}") from error
    event.provider = "azure"
    event.native = native
    return [event]


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


def tick(name: str, moment: datetime, native: Any, zone: str = "UTC") -> Tick:
    """The schedule `name` was due at `moment`."""
    from datetime import UTC

    moment = moment.astimezone(UTC)
    return Tick(
        in_zone(moment, zone),
        id=f"{name}@{moment.isoformat()}",
        source=name,
        type="azure.timer.tick",
        time=moment,
        provider="azure",
        native=native,
    )


def in_zone(moment: datetime, zone: str) -> datetime:
    if zone == "UTC":
        return moment
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return moment.astimezone(ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        raise ConfigError(f"the time zone {zone!r} is not known here; add tzdata to the app's dependencies") from None


def _scheduled(native: dict[str, Any], queued_at: object) -> Tick:
    name = native["schedule"]
    moment = iso_time(native.get("scheduled_for"))
    if moment is None:
        queued = iso_time(queued_at)
        if queued is None:
            raise InvalidEvent(f"schedule {name!r} does not say when it was due, nor when it was queued")
        moment = queued.replace(second=0, microsecond=0)
    return tick(name, moment, native, native.get("timezone", "UTC"))


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
