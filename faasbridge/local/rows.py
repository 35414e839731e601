"""Rows of tables in the database: reading, writing with their index entries and change events, expiry."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..codec import loads
from ..events import Change
from .inbox import new_id, utc

if TYPE_CHECKING:
    from .store import Store

Indexes = Mapping[str, Sequence[str]]
"""Name -> (key field, sort field)."""

EXPIRE_AT_ONCE = 200  # rows in one transaction, so that writers do not wait for long


class Stored:
    """A row as it stands: its text, and when it expires (seconds since 1970)."""

    __slots__ = ("expires_at", "text")

    def __init__(self, text: str, expires_at: float | None) -> None:
        self.text = text
        self.expires_at = expires_at


def fetch(db: sqlite3.Connection, table: str, key: str, sort: str) -> Stored | None:
    """The row, be it expired or not."""
    query = "SELECT item, expires_at FROM items WHERE name = ? AND key = ? AND sort = ?"
    row = db.execute(query, (table, key, sort)).fetchone()
    return None if row is None else Stored(*row)


def write(
    store: Store,
    db: sqlite3.Connection,
    table: str,
    key: str,
    sort: str,
    item: Mapping[str, Any],
    new: Stored,
    old: Stored | None,
    indexes: Indexes,
) -> None:
    """Stores the row `new`, which is `item` as text, over `old`. What is the same already is no change and no event."""
    if old is not None and old.text == new.text and old.expires_at == new.expires_at:
        return
    values = table, key, sort, new.text, new.expires_at
    db.execute("INSERT OR REPLACE INTO items (name, key, sort, item, expires_at) VALUES (?, ?, ?, ?, ?)", values)
    if indexes:
        if old is not None:
            _unindex(db, table, key, sort)
        _index(db, table, key, sort, item, indexes)
    _changed(store, db, table, key, old, new)


def remove(store: Store, db: sqlite3.Connection, table: str, key: str, sort: str, old: Stored) -> None:
    db.execute("DELETE FROM items WHERE name = ? AND key = ? AND sort = ?", (table, key, sort))
    _unindex(db, table, key, sort)
    _changed(store, db, table, key, old, None)


def expire(store: Store, now: float) -> int:
    """Removes up to `EXPIRE_AT_ONCE` rows that are past their time."""
    query = "SELECT name, key, sort, item, expires_at FROM items WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
    if store.read().execute(query, (now, 1)).fetchone() is None:
        return 0  # a look is free; a transaction would make every writer wait
    with store.transaction() as db:
        due = db.execute(query, (now, EXPIRE_AT_ONCE)).fetchall()
        for table, key, sort, text, expires_at in due:
            remove(store, db, table, key, sort, Stored(text, expires_at))
    return len(due)


def reindex(db: sqlite3.Connection, table: str, indexes: Indexes) -> None:
    """Makes the entries of indexes that were declared anew or otherwise since the last time."""
    name = f"indexes:{table}"
    wanted = json.dumps({index: list(fields) for index, fields in indexes.items()}, sort_keys=True)
    known = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    if known == (wanted,):
        return
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, wanted))
    db.execute("DELETE FROM indexed WHERE name = ?", (table,))
    if indexes:
        for key, sort, text in db.execute("SELECT key, sort, item FROM items WHERE name = ?", (table,)).fetchall():
            _index(db, table, key, sort, loads(text), indexes)


def timestamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _index(db: sqlite3.Connection, table: str, key: str, sort: str, item: Mapping[str, Any], indexes: Indexes) -> None:
    for index, (key_field, sort_field) in indexes.items():
        values = item.get(key_field), item.get(sort_field)
        if all(isinstance(value, str) and value for value in values):
            db.execute("INSERT INTO indexed VALUES (?, ?, ?, ?, ?, ?)", (table, index, *values, key, sort))


def _unindex(db: sqlite3.Connection, table: str, key: str, sort: str) -> None:
    db.execute("DELETE FROM indexed WHERE name = ? AND key = ? AND sort = ?", (table, key, sort))


def _changed(
    store: Store, db: sqlite3.Connection, table: str, key: str, old: Stored | None, new: Stored | None
) -> None:
    kind = "insert" if old is None else "delete" if new is None else "update"

    def change() -> Change[Any]:
        event_id = new_id()
        return Change(
            table,
            key,
            kind,  # type: ignore[arg-type]
            old=None if old is None else loads(old.text),
            new=None if new is None else loads(new.text),
            id=event_id,
            source=f"/table/{table}",
            type=f"faasbridge.change.{kind}",
            subject=key,
            time=utc(int(event_id[:14], 16) / 1e6),
        )

    store.emit(db, "table", table, "change", change)
