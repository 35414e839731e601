"""Looking after dead letters that lie in a vendor's queue: listed, replayed and purged without using the others up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Set
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from .deploy import DeadLetter
from .event_json import to_dict
from .events import BlobEvent, Change, Event

Received = TypeVar("Received")
Rename = Callable[[str], str]  # a physical name -> the name that the app knows it by


class Letters(ABC, Generic[Received]):
    """Those of one inbox, whose `owner` each names. A vendor says how its messages are received, read and sent."""

    def __init__(self, owner: str, rename: Rename) -> None:
        self._owner = owner
        self._rename = rename

    def listed(self) -> list[DeadLetter]:
        """All of them, or the first page, the oldest first."""
        with self._received() as found:
            return sorted((self._letter(each) for each in found), key=lambda letter: letter.died_at)

    def replay(self, ids: Set[str] | None) -> int:
        """Sends them to the inbox as they first came, then deletes them: interrupted, one may come twice, none is
        lost."""
        return self._each(ids, self._send)

    def purge(self, ids: Set[str] | None) -> int:
        return self._each(ids, lambda received: None)

    def _each(self, ids: Set[str] | None, act: Callable[[Received], None]) -> int:
        count = 0
        for _ in range(self._pages()):
            with self._received() as found:
                for each in list(found):
                    if ids is None or self._event(each).id in ids:
                        act(each)
                        self._delete(each)
                        found.remove(each)
                        count += 1
        return count

    def _pages(self) -> int:
        """How many times there is something to receive, where messages come only once those before them are gone."""
        return 1

    def _letter(self, received: Received) -> DeadLetter:
        reason, attempts, died_at = self._end(received)
        event = self._event(received)
        return DeadLetter(event.id, self._owner, to_dict(event), reason, attempts, died_at)

    def _named(self, event: Event) -> Event:
        """With the app's names for what it is about."""
        if isinstance(event, BlobEvent):
            event.bucket = self._rename(event.bucket)
        elif isinstance(event, Change):
            event.table = self._rename(event.table)
        return event

    @abstractmethod
    def _received(self) -> AbstractContextManager[list[Received]]:
        """Every message, hidden from others meanwhile. What is in the list at the end is shown again."""

    @abstractmethod
    def _event(self, received: Received) -> Event:
        """As its handler would be given it; the message itself where it is nothing that is known."""

    @abstractmethod
    def _end(self, received: Received) -> tuple[str, int, str]:
        """Its reason, its attempts, and when it died: ISO 8601, UTC."""

    @abstractmethod
    def _send(self, received: Received) -> None: ...

    @abstractmethod
    def _delete(self, received: Received) -> None: ...
