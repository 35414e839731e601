"""Dead letters: the messages in the poison queue beside an inbox, looked at without using them up.

Each is received, which hides it for a while, and shown again at the end.
Source: Azure Storage REST API, "Get Messages" (32 at most), "Update Message".
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from faasbridge import letters
from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent, Event, Message

from .. import dead_letters, events, wire
from ..drivers import claim_check, messages
from ..events_queue import message
from .connection import Cloud

_HIDDEN_S = 120
_BATCH = 32


class Inbox:
    """`url` and `dead_letters` are queues; `of_messages`: a queue's or a topic's, whose words are nobody else's."""

    def __init__(self, url: str, dead_letters: str, owner: str, attempts: int, *, of_messages: bool) -> None:
        self.url, self.dead_letters, self.owner = url, dead_letters, owner
        self.attempts, self.of_messages = attempts, of_messages


class Letters(letters.Letters[Any]):
    def __init__(self, cloud: Cloud, inbox: Inbox, function: str, rename: letters.Rename) -> None:
        super().__init__(inbox.owner, rename)
        self._clients = cloud.clients
        self._queue = cloud.clients.queue(inbox.dead_letters)
        self._inbox, self._function = inbox, function

    @contextmanager
    def _received(self) -> Iterator[list[Any]]:
        left: list[Any] = []
        try:
            while found := self._receive():
                left += found
            yield left
        finally:
            for each in left:
                with suppress(ResourceNotFoundError):
                    self._queue.update_message(each, visibility_timeout=0)

    def _receive(self) -> list[Any]:
        """A request's. Nothing where the queue is not there."""
        try:
            return list(
                self._queue.receive_messages(
                    messages_per_page=_BATCH, max_messages=_BATCH, visibility_timeout=_HIDDEN_S
                )
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


def _content(received: Any) -> bytes:
    try:
        return b64decode(received.content, validate=True)
    except ValueError:
        return str(received.content).encode()
