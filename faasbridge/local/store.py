"""The state of one app and stage: inboxes, dead letters, subscriptions, schedules; the drivers' data beside them."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..codec import loads
from ..events import Event, Tick
from . import blobs, rows
from .database import Database
from .inbox import DEAD, Delivery, event_text, insert, utc

if TYPE_CHECKING:
    from ..deploy import DeadLetter
    from ..spec import AppSpec

__all__ = ["Delivery", "Store", "shared"]

_READY = (
    "SELECT id, inbox, event_id, event, attempts, enqueued_at FROM inbox WHERE inbox = ? AND visible_at <= ?"
    " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY visible_at, id LIMIT ?"
)
_FRONT = (
    "SELECT id, inbox, event_id, event, attempts, enqueued_at, visible_at FROM inbox"
    " WHERE inbox = ? ORDER BY id LIMIT ?"
)


class Store(Database):
    """One SQLite database and a folder of blobs. Thread-safe: a connection a thread.

    Every method that changes something is one transaction, but for `enqueue` and `emit`, which join the caller's.
    """

    # Who gets what

    def subscribe(self, spec: AppSpec) -> None:
        """From now on the handlers of `spec`, and only these, get events. What waits in inboxes stays there."""
        ordered = {(r.kind, r.name) for r in spec.resources if r.options.get("ordered")}
        with self.transaction() as db:
            db.execute("DELETE FROM handlers")
            db.execute("DELETE FROM subscriptions")
            for function in spec.functions:
                inbox, trigger = function.inbox, function.trigger
                if inbox is None:
                    continue
                in_order = (trigger.resource_kind, trigger.resource) in ordered
                db.execute("INSERT OR REPLACE INTO handlers VALUES (?, ?)", (inbox, in_order))
                if trigger.resource_kind and inbox != f"queue:{trigger.resource}":
                    limits = trigger.settings.get("prefix") or "", trigger.settings.get("suffix") or ""
                    values = trigger.resource_kind, trigger.resource, trigger.kind, inbox, *limits
                    db.execute("INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?)", values)
            for resource in spec.resources:
                if resource.kind == "table":
                    rows.reindex(db, resource.name, resource.options.get("indexes") or {})

    def handled(self) -> set[str]:
        """The inboxes that have a handler."""
        return {inbox for (inbox,) in self.read().execute("SELECT inbox FROM handlers")}

    def ordered(self) -> set[str]:
        """Those of them whose events come one after the other: hand out one at a time."""
        return {inbox for (inbox,) in self.read().execute("SELECT inbox FROM handlers WHERE ordered")}

    def subscribers(
        self, db: sqlite3.Connection, resource_kind: str, resource: str, trigger: str, key: str = ""
    ) -> list[str]:
        found = db.execute(
            "SELECT inbox, prefix, suffix FROM subscriptions WHERE resource_kind = ? AND resource = ? AND trigger = ?",
            (resource_kind, resource, trigger),
        )
        return [inbox for inbox, prefix, suffix in found if key.startswith(prefix) and key.endswith(suffix)]

    def emit(
        self,
        db: sqlite3.Connection,
        resource_kind: str,
        resource: str,
        trigger: str,
        make: Callable[[], Event],
        key: str = "",
    ) -> None:
        """Puts an event into the inbox of each subscriber, in the transaction of `db`; made only where there is one."""
        inboxes = self.subscribers(db, resource_kind, resource, trigger, key)
        if inboxes:
            event = make()
            insert(db, inboxes, event.id, event_text(event), time.time())

    # Inboxes

    def enqueue(self, db: sqlite3.Connection, inbox: str, event: Event, *, delay_s: float = 0) -> None:
        insert(db, (inbox,), event.id, event_text(event), time.time(), delay_s)

    def ready(self, inbox: str, limit: int, now: float, skip: Collection[int] = ()) -> list[Delivery]:
        """What can be delivered, oldest first, without the rows `skip`.

        Of an ordered inbox: the front of the line, as long as none of it waits or is in `skip`.
        """
        db = self.read()
        ordered = db.execute("SELECT ordered FROM handlers WHERE inbox = ?", (inbox,)).fetchone()
        if ordered is not None and ordered[0]:
            return self._front(db, inbox, limit, now, skip)
        found = db.execute(_READY, (inbox, now, json.dumps(list(skip)), limit))
        return [Delivery._make(row) for row in found]

    def next_ready_at(self, inboxes: Iterable[str]) -> float | None:
        """The earliest time in the future at which something becomes ready, or None."""
        db, now = self.read(), time.time()
        query = "SELECT visible_at FROM inbox WHERE inbox = ? AND visible_at > ? ORDER BY visible_at LIMIT 1"
        times = [row[0] for inbox in inboxes if (row := db.execute(query, (inbox, now)).fetchone())]
        return min(times, default=None)

    def handled_ok(self, rowids: Sequence[int]) -> None:
        """Removes what was handled; rows that are gone already are ignored, here and below."""
        with self.transaction() as db:
            db.executemany("DELETE FROM inbox WHERE id = ?", [(rowid,) for rowid in rowids])

    def failed(self, rowid: int, reason: str, *, visible_at: float) -> None:
        """Counts an attempt; the event is ready again at `visible_at`."""
        with self.transaction() as db:
            values = reason, visible_at, rowid
            db.execute("UPDATE inbox SET attempts = attempts + 1, reason = ?, visible_at = ? WHERE id = ?", values)

    def dead(self, rowid: int, reason: str) -> None:
        """Counts the last attempt and moves the event to the dead letters."""
        now = time.time()
        with self.transaction() as db:
            db.execute(
                "INSERT INTO inbox (inbox, event_id, event, visible_at, enqueued_at, reason, died_at, origin_attempts)"
                " SELECT inbox || ?, event_id, event, ?, enqueued_at, ?, ?, attempts + 1 FROM inbox WHERE id = ?",
                (DEAD, now, reason, now, rowid),
            )
            db.execute("DELETE FROM inbox WHERE id = ?", (rowid,))

    def pending(self, inboxes: Collection[str]) -> dict[str, int]:
        """The number of events in each, delayed ones and those in work included."""
        db = self.read()
        query = "SELECT count(*) FROM inbox WHERE inbox = ?"
        return {inbox: db.execute(query, (inbox,)).fetchone()[0] for inbox in inboxes}

    # Dead letters: `inbox` is the handler's

    def dead_letters(self, inbox: str) -> list[DeadLetter]:
        """Oldest first."""
        from ..deploy import DeadLetter  # dataclasses are slow to import, and workers do not need them

        found = self.read().execute(
            "SELECT event_id, event, reason, origin_attempts, coalesce(died_at, enqueued_at) FROM inbox"
            " WHERE inbox = ? ORDER BY id",
            (inbox + DEAD,),
        )
        return [
            DeadLetter(event_id, inbox, loads(event), reason, attempts, utc(died_at).isoformat())
            for event_id, event, reason, attempts, died_at in found
        ]

    def replay(self, inbox: str, ids: Iterable[str] | None = None) -> int:
        """Gives dead letters (all, or of these event ids) to the handler again, attempts from 0. Returns how many."""
        now = time.time()
        with self.transaction() as db:
            rowids = _dead_rows(db, inbox, ids)
            for rowid in rowids:
                db.execute(
                    "INSERT INTO inbox (inbox, event_id, event, visible_at, enqueued_at)"
                    " SELECT ?, event_id, event, ?, enqueued_at FROM inbox WHERE id = ?",
                    (inbox, now, *rowid),
                )
            db.executemany("DELETE FROM inbox WHERE id = ?", rowids)
        return len(rowids)

    def purge(self, inbox: str, ids: Iterable[str] | None = None) -> int:
        """Throws dead letters away. Returns how many."""
        with self.transaction() as db:
            rowids = _dead_rows(db, inbox, ids)
            db.executemany("DELETE FROM inbox WHERE id = ?", rowids)
        return len(rowids)

    # Schedules

    def schedule_last(self, name: str) -> float | None:
        """When the function of that name was last due."""
        row = self.read().execute("SELECT fired_at FROM schedules WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def schedule_fired(self, name: str, at: float, event: Tick | None) -> None:
        """Remembers the time and puts the event into the function's inbox; ignores a time not later than the last."""
        with self.transaction() as db:
            row = db.execute("SELECT fired_at FROM schedules WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] >= at:
                return
            db.execute("INSERT OR REPLACE INTO schedules VALUES (?, ?)", (name, at))
            if event is not None:
                self.enqueue(db, f"function:{name}", event)

    # The whole

    def expire_rows(self, now: float) -> int:
        """Removes some rows that are past their time, each with a change event. Returns how many; call again if any."""
        return rows.expire(self, now)

    def sweep_orphans(self, min_age_s: float = 3600.0) -> int:
        """Removes files of writers that died before their commit. Returns how many."""
        return blobs.sweep(self, min_age_s)

    def reset(self) -> None:
        """Empties data, inboxes, dead letters and the schedules' memory. Subscriptions and secrets stay."""
        with self.transaction() as db:
            versions = [version for (version,) in db.execute("SELECT version FROM objects")]
            for table in ("objects", "items", "indexed", "inbox", "schedules"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
        for version in versions:
            blobs.remove(self, version)

    def is_empty(self) -> bool:
        """Whether there is no object, row or message."""
        query = "SELECT EXISTS (SELECT 1 FROM objects) OR EXISTS (SELECT 1 FROM items) OR EXISTS (SELECT 1 FROM inbox)"
        return not self.read().execute(query).fetchone()[0]

    def _front(
        self, db: sqlite3.Connection, inbox: str, limit: int, now: float, skip: Collection[int]
    ) -> list[Delivery]:
        front: list[Delivery] = []
        for *row, visible_at in db.execute(_FRONT, (inbox, limit)):
            if visible_at > now or row[0] in skip:
                break
            front.append(Delivery._make(row))
        return front


def _dead_rows(db: sqlite3.Connection, inbox: str, ids: Iterable[str] | None) -> list[tuple[int]]:
    found = db.execute("SELECT id, event_id FROM inbox WHERE inbox = ? ORDER BY id", (inbox + DEAD,)).fetchall()
    wanted = None if ids is None else set(ids)
    return [(rowid,) for rowid, event_id in found if wanted is None or event_id in wanted]


_shared: dict[Path, Store] = {}
_shared_lock = threading.Lock()


def shared(folder: str | Path) -> Store:
    """The one Store of this process for a folder; made where there is none."""
    path = Path(folder).absolute()
    with _shared_lock:
        store = _shared.get(path)
        if store is None or store.closed:
            store = _shared[path] = Store(path)
        return store


def forget(folder: str | Path) -> None:
    """Closes this process's Store of a folder that is about to be removed."""
    with _shared_lock:
        store = _shared.pop(Path(folder).absolute(), None)
    if store is not None:
        store.close()
