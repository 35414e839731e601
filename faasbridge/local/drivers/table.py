"""Tables: rows as codec text; conditions and increments in Python, atomic since one writer runs at a time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ...adapter.matching import matches
from ...codec import dumps, loads
from ...drivers import Binding
from ...errors import Conflict, NotFound, PayloadTooLarge
from ...resources import Page
from .. import cursors, rows
from ..rows import Stored
from ..store import shared


class TableDriver:
    def __init__(self, binding: Binding) -> None:
        self._store = shared(binding.address)
        self._name = binding.name
        self._key: str = binding.options["key"]
        self._sort: str | None = binding.options.get("sort_key")
        self._indexes: rows.Indexes = binding.options.get("indexes") or {}
        self._max_bytes: int | None = binding.options.get("max_item_bytes")

    @property
    def client(self) -> sqlite3.Connection:
        """The database's connection of this thread."""
        return self._store.read()

    def get(self, key: str, sort: str | None) -> dict[str, Any] | None:
        row = self._live(self._store.read(), key, sort or "")
        return None if row is None else loads(row.text)

    def put(
        self,
        item: dict[str, Any],
        if_absent: bool,
        if_match: Mapping[str, object] | None,
        expires_at: datetime | None,
    ) -> None:
        key, sort = item[self._key], item[self._sort] if self._sort else ""
        new = Stored(self._text(item), rows.timestamp(expires_at))
        expected = _stored(if_match)
        with self._store.transaction() as db:
            old = rows.fetch(db, self._name, key, sort)
            if old is not None and _expired(old):
                rows.remove(self._store, db, self._name, key, sort, old)
                old = None
            if if_absent and old is not None:
                raise Conflict(f"table {self._name!r} has a row {self._label(key, sort)} already")
            self._check(old, expected, key, sort)
            rows.write(self._store, db, self._name, key, sort, item, new, old, self._indexes)

    def update(
        self,
        key: str,
        sort: str | None,
        set: Mapping[str, object],
        increment: Mapping[str, int | float],
        remove: Sequence[str],
        if_match: Mapping[str, object] | None,
    ) -> dict[str, Any]:
        sort = sort or ""
        expected = _stored(if_match)
        with self._store.transaction() as db:
            old = self._live(db, key, sort)
            self._check(old, expected, key, sort)
            if old is None:
                raise NotFound(f"table {self._name!r} has no row {self._label(key, sort)}")
            item: dict[str, Any] = loads(old.text)
            item.update(set)
            for name, by in increment.items():
                number = item.get(name, 0)
                if isinstance(number, bool) or not isinstance(number, (int, float)):
                    raise Conflict(f"{name!r} of row {self._label(key, sort)} is {number!r}, no number to increment")
                item[name] = number + by
            for name in remove:
                item.pop(name, None)
            text = self._text(item)
            rows.write(self._store, db, self._name, key, sort, item, Stored(text, old.expires_at), old, self._indexes)
        return loads(text)  # type: ignore[no-any-return]

    def delete(self, key: str, sort: str | None, if_match: Mapping[str, object] | None) -> None:
        sort = sort or ""
        expected = _stored(if_match)
        with self._store.transaction() as db:
            old = self._live(db, key, sort)
            self._check(old, expected, key, sort)
            if old is not None:
                rows.remove(self._store, db, self._name, key, sort, old)

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
        if index is None:
            order: tuple[str, ...] = ("t.sort",)
            source, sort = "items AS t", "t.sort"
            where, values = ["t.name = ?", "t.key = ?"], [self._name, key]
        else:
            source = "indexed AS x JOIN items AS t ON t.name = x.name AND t.key = x.key AND t.sort = x.sort"
            sort, order = "x.index_sort", ("x.index_sort", "x.key", "x.sort")
            where, values = ["x.name = ?", "x.field_index = ?", "x.index_key = ?"], [self._name, index, key]
        low, high = between or (begins_with, None)
        if low is not None:
            where, values = [*where, f"{sort} >= ?"], [*values, low]
        if high is not None:
            where, values = [*where, f"{sort} <= ?"], [*values, high]
        end = cursors.after_prefix(begins_with) if begins_with else None
        if end is not None:
            where, values = [*where, f"{sort} < ?"], [*values, end]
        listing = ["query", self._name, key, index, begins_with, between, reverse]
        return self._page(source, where, values, order, listing, reverse, size, cursor)

    def scan(self, size: int, cursor: str | None) -> Page[dict[str, Any]]:
        listing = ["scan", self._name]
        return self._page("items AS t", ["t.name = ?"], [self._name], ("t.key", "t.sort"), listing, False, size, cursor)

    def _page(
        self,
        source: str,
        where: list[str],
        values: list[str],
        order: Sequence[str],
        listing: object,
        reverse: bool,
        size: int,
        cursor: str | None,
    ) -> Page[dict[str, Any]]:
        columns = ", ".join(order)
        if cursor is not None:
            marks = ", ".join("?" * len(order))
            where = [*where, f"({columns}) {'<' if reverse else '>'} ({marks})"]
            values = [*values, *cursors.decode(listing, cursor, len(order))]
        found = self._store.read().execute(
            f"SELECT t.item, {columns} FROM {source} WHERE {' AND '.join(where)}"  # noqa: S608 - columns of this module
            f" AND (t.expires_at IS NULL OR t.expires_at > ?)"
            f" ORDER BY {', '.join(f'{column} DESC' for column in order) if reverse else columns} LIMIT ?",
            (*values, time.time(), size + 1),
        )
        page = found.fetchall()
        items = [loads(row[0]) for row in page[:size]]
        return Page(items, cursors.encode(listing, list(page[size - 1][1:])) if len(page) > size else None)

    def _live(self, db: sqlite3.Connection, key: str, sort: str) -> Stored | None:
        row = rows.fetch(db, self._name, key, sort)
        return None if row is None or _expired(row) else row

    def _check(self, row: Stored | None, expected: Mapping[str, Any] | None, key: str, sort: str) -> None:
        if expected is None:
            return
        if row is None:
            raise Conflict(f"table {self._name!r} has no row {self._label(key, sort)} to compare with if_match")
        item = loads(row.text)
        for name, value in expected.items():
            if not matches(item.get(name), value):
                raise Conflict(f"{name!r} of row {self._label(key, sort)} of table {self._name!r} is not {value!r}")

    def _text(self, item: Mapping[str, Any]) -> str:
        text = dumps(item)
        if self._max_bytes is not None and len(text) * 4 > self._max_bytes:
            size = len(text.encode())
            if size > self._max_bytes:
                raise PayloadTooLarge(
                    f"table {self._name!r}: a row of {size:,} bytes; the app's targets take {self._max_bytes:,}. "
                    "Put the data into a bucket and keep its key in the row"
                )
        return text

    def _label(self, key: str, sort: str) -> str:
        return f"{key!r}, {sort!r}" if self._sort else repr(key)


def _expired(row: Stored) -> bool:
    return row.expires_at is not None and row.expires_at <= time.time()


def _stored(if_match: Mapping[str, object] | None) -> Mapping[str, Any] | None:
    """As the values would come back from a row: a tuple as a list, say."""
    return None if if_match is None else loads(dumps(if_match))
