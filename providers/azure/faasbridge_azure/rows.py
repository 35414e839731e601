"""A row of a table as a document of Cosmos DB, and the container that holds such documents. Pure.

    {"id": ID, "pk": KEY, "faasbridge": "row", "row": {...}, "place": PLACE, "places": {INDEX: PLACE},
     "expires_at": SECONDS, "ttl": SECONDS}

`pk`, the partition key, is the row's key; the id is made of its sort key. `row` is what `codec.encode` gives. A place
is where the row stands in a listing: keys with `!` behind each, written in characters that every order of texts orders
by code points. The last two are there only where the row expires; Cosmos DB deletes such documents later, and tells no
change feed.

In the same partition are the documents of changes, see `events_own.change_document`; they expire after `CHANGE_LIFE_S`.
Sources: Azure Cosmos DB documentation, "Service quotas" (an id: 1,023 bytes, none of `/ \\ ? #`), "Time to Live".
"""

from __future__ import annotations

import math

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

PARTITION_KEY = "/pk"
INDEXING: Mapping[str, Any] = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/place/?"}, {"path": "/places/*"}],
    "excludedPaths": [{"path": "/*"}],
}
DEFAULT_TTL = -1
"""On, and documents live for ever where they do not say otherwise."""
CHANGE_LIFE_S = 14 * 86_400
EVERYWHERE = "", "\x7f"
"""The bounds of all places."""
_MOST_TTL = 2**31 - 1
_ID_CHARS = 250
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:=@+ ")
_END, _AFTER_END, _LAST = "!", '"', "\x7f"


def id_of(sort: str | None) -> str:
    """The document's id; rows of one partition differ in it as they do in their sort keys."""
    if sort is None:
        return "row"
    if len(sort) <= _ID_CHARS and _SAFE.issuperset(sort) and sort == sort.strip():
        return f"row={sort}"
    from hashlib import sha256

    return f"row~{sha256(sort.encode()).hexdigest()}"


def document(
    row: Mapping[str, Any],
    key: str,
    sort: str | None,
    indexes: Mapping[str, Sequence[str]],
    expires_at: float | None,
    now: float,
) -> dict[str, Any]:
    """`row` is encoded already; times are seconds since 1970."""
    made: dict[str, Any] = {
        "id": id_of(sort),
        "pk": key,
        "faasbridge": "row",
        "row": dict(row),
        "place": place((key, sort or "")),
    }
    own = place((key, sort or ""))
    places = {
        name: place((row[fields[0]], row[fields[1]])) + own
        for name, fields in indexes.items()
        if all(isinstance(row.get(field), str) and row[field] for field in fields)
    }
    if places:
        made["places"] = places
    if expires_at is not None:
        made["expires_at"] = expires_at
        made["ttl"] = min(max(1, math.ceil(expires_at - now)), _MOST_TTL)
    return made


def is_expired(document: Mapping[str, Any], now: float) -> bool:
    expires_at = document.get("expires_at")
    return expires_at is not None and expires_at <= now


def is_same(document: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both hold the same row with the same expiry, to the letter: 1 and 1.0 differ."""
    from faasbridge.codec import dumps

    return document.get("expires_at") == other.get("expires_at") and dumps(document["row"]) == dumps(other["row"])


def place(parts: Iterable[str]) -> str:
    return "".join(f"{_ordered(part)}{_END}" for part in parts)


def bounds(key: str, begins_with: str | None, between: tuple[str, str] | None) -> tuple[str, str]:
    """The places of a query: from the first, up to and without the second."""
    start = place((key,))
    if between is not None:
        return start + _ordered(between[0]), start + _ordered(between[1]) + _AFTER_END
    return start + _ordered(begins_with or ""), start + _ordered(begins_with or "") + _LAST


def _ordered(text: str) -> str:
    """Characters from `#` to `}` are themselves, those below begin with a quote, those above with a tilde."""
    if all("#" <= character <= "}" for character in text):
        return text
    return "".join(
        character
        if "#" <= character <= "}"
        else f'"{ord(character):02x}'
        if character < "#"
        else f"~{ord(character):06x}"
        for character in text
    )
