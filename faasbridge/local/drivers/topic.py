"""Topics: a copy of each message into the inbox of every handler."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence

from ...drivers import Binding
from ..inbox import insert, message_text, new_id
from ..store import shared


class TopicDriver:
    """A topic without handlers takes messages and forgets them, as the vendors' topics do."""

    def __init__(self, binding: Binding) -> None:
        self._store = shared(binding.address)
        self._name = binding.name
        self._source = f"/topic/{binding.name}"

    @property
    def client(self) -> sqlite3.Connection:
        """The database's connection of this thread."""
        return self._store.read()

    def publish(self, body: bytes, attributes: Mapping[str, str]) -> str:
        event_id, now = new_id(), time.time()
        text = message_text(event_id, self._source, now, body, attributes)
        with self._store.transaction() as db:
            insert(db, self._store.subscribers(db, "topic", self._name, "message"), event_id, text, now)
        return event_id

    def publish_many(self, bodies: Sequence[bytes]) -> None:
        """All or none."""
        now = time.time()
        messages = [(event_id := new_id(), message_text(event_id, self._source, now, body, {})) for body in bodies]
        with self._store.transaction() as db:
            inboxes = self._store.subscribers(db, "topic", self._name, "message")
            for event_id, text in messages:
                insert(db, inboxes, event_id, text, now)
