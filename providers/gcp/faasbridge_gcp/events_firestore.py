"""A Firestore trigger's CloudEvent -> Change. The table is the collection's path, the key what the document's id says.

Sources: Firestore documentation, "Extend with Cloud Functions"; google/events/cloud/firestore/v1/data.proto;
firebase-functions#1370, for events without their data.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent
from faasbridge.events import Change

from .document_id import key_of
from .events_common import found_in, object_in
from .firestore_value import EXPIRY, fields_from_json, fields_to_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from faasbridge.events import Event

PREFIX = "google.cloud.firestore.document.v1."
_KINDS: Mapping[str, Literal["insert", "update", "delete"]] = {
    "created": "insert",
    "updated": "update",
    "deleted": "delete",
}


def decode(event: dict[str, Any]) -> list[Event]:
    data = event.get("data")
    if isinstance(data, (bytes, bytearray)):
        from .firestore_proto import document_event

        data = document_event(bytes(data))
        event = {**event, "data": data}
    elif data is not None and not isinstance(data, dict):
        raise InvalidEvent(f"a Firestore event's data is protobuf or an object; {found_in(data)}")
    data = data or {}
    new, old = object_in(data, "value"), object_in(data, "oldValue")
    name = event["type"].removeprefix(PREFIX).removesuffix(".withAuthContext")
    kind = _KINDS.get(name)
    if name == "written":
        # With neither, Eventarc left out what was too large: all that is known is that the row changed.
        kind = ("update" if old else "insert") if new else "delete" if old else "update"
    if kind == "update" and _expired(old, event.get("time")):
        kind, old = "insert", {}
    if kind is None:
        raise InvalidEvent(f"there is no Firestore event {event['type']!r}")
    path = (new or old).get("name") or event.get("document") or event.get("subject") or ""
    path = path.partition("/documents/")[2] or path.removeprefix("documents/")
    table, _, id = path.rpartition("/")
    if not table or not id:
        raise InvalidEvent(f"the Firestore event {event['id']} names no document; {found_in(event)}")
    change: Change[dict[str, Any]] = Change(
        table,
        key_of(id)[0],
        kind,
        old=_row(old) if old and kind != "insert" else None,
        new=_row(new) if new and kind != "delete" else None,
        id=event["id"],
        source=event["source"],
        type=event["type"],
        subject=event.get("subject") or f"documents/{path}",
        time=iso_time(event.get("time")),
        provider="gcp",
        native=event,
    )
    return [change]


def _expired(document: dict[str, Any], time: str | None) -> bool:
    """Whether it was a row that had ended already, though Firestore still kept it."""
    expiry = object_in(document, "fields").get(EXPIRY)
    ended = iso_time(expiry.get("timestampValue")) if isinstance(expiry, dict) else None
    moment = iso_time(time)
    return ended is not None and moment is not None and ended <= moment


def _row(document: dict[str, Any]) -> dict[str, Any]:
    return fields_to_row(fields_from_json(object_in(document, "fields")))
