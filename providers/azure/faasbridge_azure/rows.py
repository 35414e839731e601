"""A row of a table as a document of Cosmos DB, and the container that holds such documents. Pure.

    {"id": ID, "pk": KEY, "faasbridge": "row", "row": {...}, "place": PLACE, "places": {INDEX: PLACE},
     "indexes": MARK, "expires_at": SECONDS, "ttl": SECONDS}

`pk`, the partition key, is the row's key; the id is made of its sort key. `row` is what `codec.encode` gives. A place
is where the row stands in a listing: keys with `!` behind each, written in characters that every order of texts orders
by code points. An index with other fields has other places, and the mark is that of all indexes the row was written
with, so that rows are found which have yet to be written again (`deploying.reindexing`). The last two are there only
where the row expires; Cosmos DB deletes such documents later, and tells no change feed.

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
DEFAULT_TTL = -1
"""On, and documents live for ever where they do not say otherwise."""
CHANGE_LIFE_S = 14 * 86_400
EVERYWHERE = "", "\x7f"
"""The bounds of all places."""
_MOST_TTL = 2**31 - 1
_ID_CHARS = 250
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:=@+ ")
_END, _AFTER_END, _LAST = "!", '"', "\x7f"


class Indexes:
    """Those that a table declares: name -> key field, sort field.

    `ids`: name -> what the places are under; `fields`: the same -> its fields; `mark`: empty where there are none.
    """

    __slots__ = ("fields", "ids", "mark")

    def __init__(self, declared: Mapping[str, Sequence[str]]) -> None:
        self.ids = {name: f"{name}-{_digest(fields)}" for name, fields in declared.items()}
        self.fields = {self.ids[name]: tuple(fields) for name, fields in declared.items()}
        self.mark = _digest(sorted(self.fields)) if declared else ""


NO_INDEXES = Indexes({})


def indexing(indexes: Indexes) -> dict[str, Any]:
    """The container's policy. It names each index, although `/places/*` has them all, so that a change of them is one
    of the template, which a plan shows."""
    paths = ["/place/?", "/places/*", "/indexes/?", *(f'/places/"{id}"/?' for id in sorted(indexes.fields))]
    return {
        "indexingMode": "consistent",
        "automatic": True,
        "includedPaths": [{"path": path} for path in paths],
        "excludedPaths": [{"path": "/*"}],
    }


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
    indexes: Indexes,
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
        id: place((row[fields[0]], row[fields[1]])) + own
        for id, fields in indexes.fields.items()
        if all(isinstance(row.get(field), str) and row[field] for field in fields)
    }
    if places:
        made["places"] = places
    if indexes.mark:
        made["indexes"] = indexes.mark
    if expires_at is not None:
        made["expires_at"] = expires_at
        made["ttl"] = min(max(1, math.ceil(expires_at - now)), _MOST_TTL)
    return made


def reindexed(there: Mapping[str, Any], sort_key: str | None, indexes: Indexes, now: float) -> dict[str, Any]:
    """The document of a row with its places in `indexes`. It keeps those that it had: code of before the deployment
    still looks for them."""
    row = there["row"]
    made = document(row, there["pk"], row[sort_key] if sort_key else None, indexes, there.get("expires_at"), now)
    return {**made, "places": {**there.get("places", {}), **made.get("places", {})}}


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


def _digest(value: Sequence[str]) -> str:
    from hashlib import sha256

    return sha256("\0".join(value).encode()).hexdigest()[:6]


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
