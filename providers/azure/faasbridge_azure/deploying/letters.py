"""Dead letters: the messages in the poison queue beside an inbox, looked at without using them up.

A listing peeks at them, which counts as no attempt. Azure shows 32 so; where there are more and no handler's attempts
are lost, each is received, which hides it for a while, and shown again at the end. To replay or purge them, they are
received page by page, so that none has to stay hidden until the last has come.
Source: Azure Storage REST API, "Peek Messages" and "Get Messages" (32 at most), "Update Message", "Get Queue Metadata"
(its count is not lower than the number of messages).
"""

from __future__ import annotations

import logging
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from faasbridge import letters
from faasbridge.deploy import DeadLetter
from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent, Event, Message

from .. import dead_letters, events, wire
from ..drivers import claim_check, messages
from ..events_queue import message
from .connection import Cloud

log = logging.getLogger("faasbridge")
_HIDDEN_S = 120
_BATCH = 32
_AT_ONCE = 16


class Inbox:
    """`url` and `dead_letters` are queues; `of_messages`: a queue's or a topic's, whose words are nobody else's;
    `handled`: the dead letters have a handler, to which each time that one is received is an attempt."""

    def __init__(
        self, url: str, dead_letters: str, owner: str, attempts: int, *, of_messages: bool, handled: bool = False
    ) -> None:
        self.url, self.dead_letters, self.owner = url, dead_letters, owner
        self.attempts, self.of_messages, self.handled = attempts, of_messages, handled


class Letters(letters.Letters[Any]):
    def __init__(self, cloud: Cloud, inbox: Inbox, function: str, rename: letters.Rename) -> None:
        super().__init__(inbox.owner, rename)
        self._clients = cloud.clients
        self._queue = cloud.clients.queue(inbox.dead_letters)
        self._inbox, self._function = inbox, function

    def listed(self) -> list[DeadLetter]:
        found = self._peek()
        if len(found) == _BATCH and not self._inbox.handled:
            return super().listed()
        if len(found) == _BATCH < (number := self._number()):
            _say_that_there_are_more(len(found), number)
        return sorted((self._letter(each) for each in found), key=lambda letter: letter.died_at)

    def _each(self, ids: Set[str] | None, act: Callable[[Any], None]) -> int:
        """As many as there are now: what is replayed may come back before the last of them was received."""
        count, left, wanted = 0, self._number(), set(ids or ())
        hidden: dict[str, tuple[Any, float]] = {}
        try:
            while left > 0 and (ids is None or wanted) and (found := self._receive(min(left, _BATCH))):
                fresh = [each for each in found if each.id not in hidden]
                hidden.update((each.id, (each, time.monotonic())) for each in found)
                for each in fresh:
                    id = "" if ids is None else self._event(each).id
                    if ids is None or id in ids:
                        act(each)
                        self._delete(each)
                        del hidden[each.id]
                        wanted.discard(id)
                        count += 1
                left -= len(fresh)
                if not fresh:  # those that were passed over are shown already
                    break
        finally:
            self._show(hidden.values())
        return count

    @contextmanager
    def _received(self) -> Iterator[list[Any]]:
        """All that can be received before the first are shown by themselves."""
        hidden: dict[str, tuple[Any, float]] = {}
        began = time.monotonic()
        try:
            while found := self._receive():
                fresh = [each for each in found if each.id not in hidden]
                hidden.update((each.id, (each, time.monotonic())) for each in found)
                if not fresh:
                    break
                if time.monotonic() - began > _HIDDEN_S / 2:
                    if len(hidden) < (number := self._number()):
                        _say_that_there_are_more(len(hidden), number)
                    break
            yield [each for each, _ in hidden.values()]
        finally:
            self._show(hidden.values())

    def _show(self, hidden: Iterable[tuple[Any, float]]) -> None:
        """Those that are not shown by themselves yet."""

        def show(received: Any, since: float) -> None:
            if time.monotonic() - since >= _HIDDEN_S:
                return
            try:
                self._queue.update_message(received, visibility_timeout=0)
            except HttpResponseError as error:
                if error.status_code not in (400, 404):  # somebody else has received or deleted it
                    raise

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda each: show(*each), list(hidden)):
                pass

    def _number(self) -> int:
        """How many there are, or some more; 0 where the queue is not there."""
        try:
            return int(self._queue.get_queue_properties().approximate_message_count or 0)
        except ResourceNotFoundError:
            return 0

    def _peek(self) -> list[Any]:
        try:
            return list(self._queue.peek_messages(max_messages=_BATCH))
        except ResourceNotFoundError:
            return []

    def _receive(self, most: int = _BATCH) -> list[Any]:
        """A request's. Nothing where the queue is not there."""
        try:
            return list(
                self._queue.receive_messages(messages_per_page=most, max_messages=most, visibility_timeout=_HIDDEN_S)
            )
        except ResourceNotFoundError:
            return []

    def _end(self, received: Any) -> tuple[str, int, str]:
        _, reason, attempts, died_at = dead_letters.read(_content(received), self._inbox.attempts, received.inserted_on)
        return reason, attempts, died_at

    def _event(self, received: Any) -> Event:
        native = _Native(received, self._plain(received))
        try:
            found = events.decode(native, as_messages=self._inbox.of_messages)
        except InvalidEvent:
            found = []
        event = found[0] if len(found) == 1 else message(native)
        if isinstance(event, BlobEvent):
            event.subject = event.key  # what a person looks for; Event Grid's names the account's services
        elif isinstance(event, Message):
            event.native = None
        return self._named(event)

    def _delete(self, received: Any) -> None:
        with suppress(ResourceNotFoundError):
            self._queue.delete_message(received)

    def _plain(self, received: Any) -> bytes:
        """What was sent: without the mark, and what it claims where that is there."""
        plain, _ = wire.unmarked(_content(received))
        if self._clients.claims is not None:
            with suppress(InvalidEvent):
                return claim_check.redeemed(self._clients, plain)[0]
        return plain

    def _send(self, received: Any) -> None:
        plain, _ = wire.unmarked(_content(received))
        messages.put(self._clients, self._inbox.url, f"the inbox of {self._function!r}", plain)


class _Native:
    """A message of the SDK's, as the trigger would bind it."""

    def __init__(self, received: Any, body: bytes) -> None:
        _, note = wire.unmarked(_content(received))
        self.id = str(note.get("id") or received.id)
        self.dequeue_count = received.dequeue_count
        self.insertion_time = received.inserted_on
        self.expiration_time = received.expires_on
        self.time_next_visible = received.next_visible_on
        self.pop_receipt = received.pop_receipt
        self._body = body

    def get_body(self) -> bytes:
        return self._body


def _say_that_there_are_more(shown: int, number: int) -> None:
    log.warning("Azure shows %d of about %d dead letters", shown, number)


def _content(received: Any) -> bytes:
    try:
        return b64decode(received.content, validate=True)
    except ValueError:
        return str(received.content).encode()
