"""Dead letters: the messages in the subscription of an inbox's dead-letter topic, looked at without using them up.

Each is pulled, which hides it for a while, and shown again at the end.
Sources: Pub/Sub documentation, "Dead-letter topics", "Lease management", "Quotas and limits" (524,288 bytes a request).
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from faasbridge import letters
from faasbridge.errors import InvalidEvent
from faasbridge.events import Event, Message

from .. import dead_letters, events, wire
from ..events_pubsub import message
from .connection import Cloud
from .draining import pulled

_HIDDEN_S = 120
_BATCH = 100
_MOST_IDS = 1000  # a request: an id has about 180 bytes


@dataclass(frozen=True)
class Inbox:
    """`dead_letters` is the subscription of its dead letters, None where a handler takes them. `shared`: others
    subscribe to its topic as well."""

    name: str
    owner: str
    topic: str
    dead_letters: str | None
    of_messages: bool
    shared: bool


class Letters(letters.Letters[Any]):
    """Those of one function. `tries`: how often an empty answer is asked again, for Pub/Sub has many servers."""

    def __init__(self, cloud: Cloud, inbox: Inbox, function: str, rename: letters.Rename, tries: int) -> None:
        super().__init__(inbox.owner, rename)
        self._cloud = cloud
        self._api = cloud.get("subscriber")
        self._inbox = inbox
        self._function = function
        self._tries = tries
        self._left: list[Any] = []
        self._hidden_at = 0.0

    @contextmanager
    def _received(self) -> Iterator[list[Any]]:
        left = self._left = []
        name = self._inbox.dead_letters
        if name is None:
            yield left
            return
        known: set[str] = set()
        empty = 0
        self._hidden_at = time.monotonic()
        try:
            while empty <= self._tries:
                found = pulled(self._api, name, _BATCH, at_once=not self._tries)
                fresh = [each for each in found if each.message.message_id not in known]
                known.update(each.message.message_id for each in fresh)
                left += fresh
                if fresh:
                    self._hide(name, fresh, _HIDDEN_S)
                    self._stay_hidden(name)
                    empty = 0
                else:
                    empty += 1
                    time.sleep(0.3 if empty <= self._tries else 0)
            left.sort(key=lambda each: each.message.publish_time)
            yield left
        finally:
            self._hide(name, left, 0)

    def _stay_hidden(self, name: str) -> None:
        """However long it takes until the last is looked after: one that is shown meanwhile would come twice."""
        if time.monotonic() - self._hidden_at > _HIDDEN_S / 2:
            self._hidden_at = time.monotonic()
            self._hide(name, self._left, _HIDDEN_S)

    def _hide(self, name: str, found: list[Any], seconds: int) -> None:
        for at in range(0, len(found), _MOST_IDS):
            ids = [each.ack_id for each in found[at : at + _MOST_IDS]]
            self._api.modify_ack_deadline(subscription=name, ack_ids=ids, ack_deadline_seconds=seconds)

    def _end(self, received: Any) -> tuple[str, int, str]:
        _, reason, attempts, died_at, _ = dead_letters.read(received.message.attributes)
        return reason, attempts, died_at or received.message.publish_time.astimezone(UTC).isoformat()

    def _event(self, received: Any) -> Event:
        envelope = self._envelope(received.message)
        topic = self._inbox.topic
        try:
            found = events.decode_json(envelope, self._inbox.of_messages, topic=topic)
        except InvalidEvent:
            found = []
        event = found[0] if len(found) == 1 else message(_plain(envelope), topic=topic)
        if isinstance(event, Message):
            event.native = None
        return self._named(event)

    def _delete(self, received: Any) -> None:
        name = self._inbox.dead_letters
        assert name is not None
        self._stay_hidden(name)
        self._api.acknowledge(subscription=name, ack_ids=[received.ack_id])

    def _envelope(self, content: Any) -> dict[str, Any]:
        plain, _, _, _, id = dead_letters.read(content.attributes)
        first = content.attributes.get(f"{wire.DEAD_LETTER_PREFIX}TopicPublishTime")
        return {
            "message": {
                "data": b64encode(content.data).decode(),
                "attributes": plain,
                "messageId": id or content.message_id,
                "publishTime": first or content.publish_time.astimezone(UTC).isoformat(),
                "orderingKey": content.ordering_key,
            },
            "subscription": self._inbox.name,
        }

    def _send(self, received: Any) -> None:
        plain, *_ = dead_letters.read(received.message.attributes)
        if self._inbox.shared:
            plain[wire.FOR] = self._function
        again = {"data": received.message.data, "attributes": plain, "ordering_key": received.message.ordering_key}
        self._cloud.get("publisher").publish(topic=self._inbox.topic, messages=[again])


def _plain(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only ours have, so that it can be read whatever is in it."""
    content = envelope["message"]
    kept = {name: value for name, value in content["attributes"].items() if name != wire.ATTRIBUTE}
    return {**envelope, "message": {**content, "attributes": kept}}
