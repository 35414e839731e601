"""Tables: Firestore. The binding's address is a collection, `projects/P/databases/D/documents/C`; `firestore_value` and
`document_id` say how rows are kept.

A condition is checked here and the write then bound to the version that was read (a precondition on its update time);
where another writer was first, both are done again. No transaction is needed for one document, and none holds locks.

Firestore orders texts by their UTF-8, which is the order of code points; a write that changes nothing is no event.
Sources: Firestore documentation, "Transactions and batched writes", "Supported data types", "Order and limit data";
REST reference, Precondition.
"""

from __future__ import annotations

import random
import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import cursors
from faasbridge.adapter.matching import matches
from faasbridge.codec import decode, encode
from faasbridge.errors import Conflict, NotFound, Throttled
from faasbridge.resources import Page

from .. import firestore_value
from ..document_id import document_id
from .clients import of
from .errors import call, name_of, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from faasbridge.drivers import Binding

    Fields = dict[str, Any]

_TURNS = 100  # of a write that others keep getting ahead of
_LAST = "\U0010ffff"


class TableDriver:
    def __init__(self, binding: Binding) -> None:
        root, _, self._collection = binding.address.partition("/documents/")
        _, project, _, database = root.split("/")
        self._what = f"table {binding.name!r}"
        self._listing = binding.address
        self._key: str = binding.options["key"]
        self._sort: str | None = binding.options.get("sort_key")
        self._indexes: Mapping[str, Sequence[str]] = binding.options.get("indexes") or {}
        self.client: Any = of(binding.options).firestore(project, database)
        self._rows: Any = self.client.collection(self._collection)

    def get(self, key: str, sort: str | None) -> dict[str, Any] | None:
        fields = _live(self._read(key, sort))
        return None if fields is None else firestore_value.fields_to_row(fields)

    def put(
        self,
        item: dict[str, Any],
        if_absent: bool,
        if_match: Mapping[str, object] | None,
        expires_at: datetime | None,
    ) -> None:
        key, sort = item[self._key], item[self._sort] if self._sort else None
        new = _fields(item, expires_at)
        if not if_absent and if_match is None:
            call(self._what, self._document(key, sort).set, new)
            return

        def change(old: Fields | None) -> Fields:
            if if_absent and old is not None:
                raise Conflict(f"{self._what} has a row {self._label(key, sort)} already")
            self._check(old, if_match, key, sort)
            return new

        self._write(key, sort, change)

    def update(
        self,
        key: str,
        sort: str | None,
        set: Mapping[str, object],
        increment: Mapping[str, int | float],
        remove: Sequence[str],
        if_match: Mapping[str, object] | None,
    ) -> dict[str, Any]:
        row: dict[str, Any] = {}

        def change(old: Fields | None) -> Fields:
            nonlocal row
            self._check(old, if_match, key, sort)
            if old is None:
                raise NotFound(f"{self._what} has no row {self._label(key, sort)}")
            row = firestore_value.fields_to_row(old)
            row.update(set)
            for name, by in increment.items():
                number = row.get(name, 0)
                if isinstance(number, bool) or not isinstance(number, (int, float)):
                    raise Conflict(f"{name!r} of row {self._label(key, sort)} is {number!r}, no number to increment")
                row[name] = number + by
            for name in remove:
                row.pop(name, None)
            return _fields(row, old.get(firestore_value.EXPIRY))

        self._write(key, sort, change)
        return decode(encode(row))  # type: ignore[no-any-return]

    def delete(self, key: str, sort: str | None, if_match: Mapping[str, object] | None) -> None:
        if if_match is None:
            call(self._what, self._document(key, sort).delete)
            return
        self._write(key, sort, lambda old: self._check(old, if_match, key, sort))

    def query(
        self,
        key: str,
        index: str | None,
        begins_with: str | None,
        between: tuple[str, str] | None,
        reverse: bool,
        size: int,
        cursor: str | None,
    ) -> Page[dict[str, Any]]:
        listing = ["query", self._listing, key, index, begins_with, between, reverse]
        if index is None and self._sort is None:
            row = self.get(key, None)
            return Page([] if row is None else [row], None)
        key_field, sort_field = (self._key, self._sort) if index is None else self._indexes[index]
        assert sort_field is not None
        query = self._rows.where(filter=_filter(key_field, "==", key))
        low, high = ("", None) if begins_with is None else (begins_with, _after(begins_with))
        if between is not None:
            low = between[0]
            query = query.where(filter=_filter(sort_field, "<=", between[1]))
        # A range holds texts only, as an index does; without one it would have every other value as well.
        query = query.where(filter=_filter(sort_field, ">=", low))
        if high is not None:
            query = query.where(filter=_filter(sort_field, "<", high))
        direction = "DESCENDING" if reverse else "ASCENDING"
        query = query.order_by(_path(sort_field), direction).order_by("__name__", direction)
        return self._page(query, [sort_field], listing, size, cursor)

    def scan(self, size: int, cursor: str | None) -> Page[dict[str, Any]]:
        return self._page(self._rows.order_by("__name__"), [], ["scan", self._listing], size, cursor)

    def _page(
        self, query: Any, ordered: Sequence[str], listing: object, size: int, cursor: str | None
    ) -> Page[dict[str, Any]]:
        """Rows of a query that is ordered by those fields and the document's name."""
        names = [firestore_value.field_name(field) for field in ordered]
        start = None if cursor is None else cursors.decode(listing, cursor, len(names) + 1)
        found: list[tuple[list[str], Fields]] = []
        while True:
            page = query if start is None else query.start_after([*start[:-1], self._rows.document(start[-1])])
            wanted = size + 1 - len(found)  # one more tells whether there is another page
            documents = call(self._what, page.limit(wanted).get)
            for document in documents:
                fields = document.to_dict()
                start = [*(fields[name] for name in names), document.id]
                if _is_live(fields):
                    found.append((start, fields))
            if len(documents) < wanted or len(found) > size:
                break
        rows = [firestore_value.fields_to_row(fields) for _, fields in found[:size]]
        return Page(rows, cursors.encode(listing, found[size - 1][0]) if len(found) > size else None)

    def _write(self, key: str, sort: str | None, change: Callable[[Fields | None], Fields | None]) -> None:
        """Replaces the row by what `change(the live row or None)` gives; None deletes it."""
        for turn in range(_TURNS):
            found = self._read(key, sort)
            new = change(_live(found))
            try:
                self._replace(self._document(key, sort), found, new)
            except Exception as error:
                if name_of(error) not in ("AlreadyExists", "FailedPrecondition", "Aborted", "NotFound"):
                    raise translated(error, self._what) from error
            else:
                return
            time.sleep(random.uniform(0, min(0.002 * 2**turn, 0.1)))  # noqa: S311 - jitter
        raise Throttled(f"{self._what}: others write row {self._label(key, sort)} all the time")

    def _replace(self, document: Any, found: Any, new: Fields | None) -> None:
        """`found`: the document over which it goes, as it was read."""
        if new is not None and not found.exists:
            document.create(new)
            return
        if not found.exists:
            return
        same = self.client.write_option(last_update_time=found.update_time)
        if new is None:
            document.delete(option=same)
            return
        from google.cloud.firestore import DELETE_FIELD

        gone = dict.fromkeys(_paths(found.to_dict().keys() - new.keys()), DELETE_FIELD)
        document.update({**dict(zip(_paths(new), new.values(), strict=True)), **gone}, option=same)

    def _read(self, key: str, sort: str | None) -> Any:
        return call(self._what, self._document(key, sort).get)

    def _document(self, key: str, sort: str | None) -> Any:
        return self._rows.document(document_id(key, sort))

    def _check(self, old: Fields | None, if_match: Mapping[str, object] | None, key: str, sort: str | None) -> None:
        if if_match is None:
            return
        if old is None:
            raise Conflict(f"{self._what} has no row {self._label(key, sort)} to compare with if_match")
        row = firestore_value.fields_to_row(old)
        for name, value in if_match.items():
            if not matches(row.get(name), decode(encode(value))):
                raise Conflict(f"{name!r} of row {self._label(key, sort)} of {self._what} is not {value!r}")

    def _label(self, key: str, sort: str | None) -> str:
        return f"{key!r}, {sort!r}" if self._sort else repr(key)


def _fields(row: Mapping[str, object], expires_at: datetime | None) -> Fields:
    fields = firestore_value.row_to_fields(row)
    if expires_at is not None:
        fields[firestore_value.EXPIRY] = expires_at
    return fields


def _live(document: Any) -> Fields | None:
    fields: Fields | None = document.to_dict()
    return fields if fields is not None and _is_live(fields) else None


def _is_live(fields: Fields) -> bool:
    expiry = fields.get(firestore_value.EXPIRY)
    return expiry is None or expiry.timestamp() > time.time()


def _paths(fields: Iterable[str]) -> list[str]:
    """Firestore's own names as paths of the client, which reads dots in them."""
    from google.cloud.firestore_v1.field_path import FieldPath

    return [FieldPath(field).to_api_repr() for field in fields]


def _path(field: str) -> str:
    return _paths([firestore_value.field_name(field)])[0]


def _filter(field: str, operator: str, value: str) -> Any:
    from google.cloud.firestore_v1.base_query import FieldFilter

    return FieldFilter(_path(field), operator, value)


def _after(prefix: str) -> str | None:
    """The first text, in the order of code points, after all that begin with the prefix; None where there is none."""
    rest = prefix.rstrip(_LAST)
    if not rest:
        return None
    following = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if following == 0xD800 else following)  # no text holds surrogates
