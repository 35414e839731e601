"""Documents of a Cosmos DB change feed.

The feed of latest versions brings whole documents and neither the one before nor whether there was one: such a change
is an `update` without `old`, and deletes are not in it. The feed of all versions and deletes brings `current`,
`previous` (where the retention still has it) and `metadata`. Our own tables' documents are told apart in `events_own`.

The id is the document's with the version that it tells of (`_lsn`, or `_etag`), so it is the same on redelivery.
Source: Azure Cosmos DB documentation, "Change feed modes in Azure Cosmos DB".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent
from faasbridge.events import Change

from .events_common import found_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any, Literal

    from faasbridge.events import Event

_SYSTEM = frozenset(("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn"))
_KINDS: Mapping[str, Literal["insert", "update", "delete"]] = {
    "create": "insert",
    "replace": "update",
    "delete": "delete",
}


def documents_of(native: Any) -> list[Any] | None:
    """The documents where it is a Document or a DocumentList of the SDK's; else None."""
    if _is_object(native):
        return [native]
    if hasattr(native, "data") and hasattr(native, "append"):
        documents = list(native)
        return documents if all(map(_is_object, documents)) else None
    return None


def _is_object(native: object) -> bool:
    return hasattr(native, "to_json") and hasattr(native, "keys")


def is_document(native: object) -> bool:
    """Whether JSON looks like one: Cosmos DB adds members of its own to each."""
    if not isinstance(native, dict):
        return False
    return is_versions(native) or ("id" in native and not _SYSTEM.isdisjoint(native))


def is_versions(native: Mapping[str, Any]) -> bool:
    metadata = native.get("metadata")
    return isinstance(metadata, dict) and "operationType" in metadata


def decode(documents: Iterable[Any]) -> list[Event]:
    """The change of each, in the feed's order; our own tables' rows are none. Raises InvalidEvent."""
    from . import events_own

    events: list[Event] = []
    for each in documents:
        document = dict(each) if hasattr(each, "keys") else each
        if not isinstance(document, dict):
            raise InvalidEvent(f"a change feed brings documents; {found_in(document)}")
        if events_own.is_own(document):
            events += events_own.decode(document)
        else:
            events.append(_versions(document) if is_versions(document) else _latest(document))
    return events


def changed_at(document: Mapping[str, Any]) -> datetime | None:
    """`_ts`, or `crts` of a feed's metadata: seconds since 1970."""
    seconds = document.get("_ts", document.get("crts"))
    if not isinstance(seconds, (int, float)):
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def _latest(document: dict[str, Any]) -> Change[dict[str, Any]]:
    id = document.get("id")
    if not isinstance(id, str):
        raise InvalidEvent(f"a document of a change feed has an id; {found_in(document)}")
    version = document.get("_lsn") or str(document.get("_etag") or "").strip('"')
    return _change(document, id, "update", None, _row(document), version, changed_at(document))


def _versions(item: dict[str, Any]) -> Change[dict[str, Any]]:
    metadata = item["metadata"]
    kind = _KINDS.get(metadata["operationType"])
    if kind is None:
        raise InvalidEvent(f"a change's operationType is {', '.join(_KINDS)}, not {metadata['operationType']!r}")
    current, previous = item.get("current") or None, item.get("previous") or None
    id = (current or previous or {}).get("id") or metadata.get("id")
    if not isinstance(id, str):
        raise InvalidEvent(f"the {kind} names no document; {found_in(item)}")
    old = None if previous is None or kind == "insert" else _row(previous)
    new = None if current is None or kind == "delete" else _row(current)
    return _change(item, id, kind, old, new, metadata.get("lsn", ""), changed_at(metadata))


def _change(
    native: Any,
    id: str,
    kind: Literal["insert", "update", "delete"],
    old: dict[str, Any] | None,
    new: dict[str, Any] | None,
    version: object,
    time: datetime | None,
) -> Change[dict[str, Any]]:
    return Change(
        "",
        id,
        kind,
        old=old,
        new=new,
        id=f"{id}#{version}" if version != "" else id,
        type=f"azure.cosmosdb.{kind}",
        subject=id,
        time=time,
        provider="azure",
        native=native,
    )


def _row(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in _SYSTEM}
