"""Queues: an inbox each."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence

from ...drivers import Binding
from ..inbox import insert, message_text, new_id
from ..store import shared


class QueueDriver:
    def __init__(self, binding: Binding) -> None:
        self._store = shared(binding.address)
        self._inboxes = (f"queue:{binding.name}",)
        self._source = f"/queue/{binding.name}"

    @property
    def client(self) -> sqlite3.Connection:
        """The database's connection of this thread."""
        return self._store.read()

    def send(self, body: bytes, attributes: Mapping[str, str], delay_s: int) -> str:
        event_id, now = new_id(), time.time()
        text = message_text(event_id, self._source, now, body, attributes)
        with self._store.transaction() as db:
            insert(db, self._inboxes, event_id, text, now, delay_s)
        return event_id

    def send_many(self, bodies: Sequence[bytes]) -> None:
        """All or none."""
        now = time.time()
        messages = [(event_id := new_id(), message_text(event_id, self._source, now, body, {})) for body in bodies]
        with self._store.transaction() as db:
            for event_id, text in messages:
                insert(db, self._inboxes, event_id, text, now)
