"""Dead letters: the messages in the dead-letter queue beside an inbox, looked at without using them up.

Each is received, which hides it for a while, and shown again at the end. Long polling asks all of SQS's servers, so
that an empty answer means that there are no more. Of a FIFO queue SQS hands out ten and then no other of their group
until these are deleted or shown again, so the ten oldest are all that can be looked at.
Source: SQS Developer Guide, "Short and long polling", "FIFO queue delivery logic"; SQS API Reference, ReceiveMessage.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any
from uuid import uuid4

from faasbridge import letters
from faasbridge.deploy import DeadLetter
from faasbridge.errors import InvalidEvent
from faasbridge.events import Event, Message

from .. import dead_letters, events
from ..events_sqs import message
from .connection import Clients
from .inboxes import Inbox, depth

log = logging.getLogger("faasbridge")
_HIDDEN_S = 120
_BATCH = 10  # messages a request, and entries of a batch


class Letters(letters.Letters[dict[str, Any]]):
    """Of records as Lambda would be given them. `wait_s` is how long SQS may look for more."""

    def __init__(self, clients: Clients, inbox: Inbox, rename: letters.Rename, wait_s: int) -> None:
        super().__init__(inbox.owner, rename)
        self._clients = clients
        self._api = clients.get("sqs")
        self._inbox = inbox
        self._wait_s = wait_s

    def listed(self) -> list[DeadLetter]:
        found = super().listed()
        if len(found) < (number := self._number()):
            log.warning(
                "AWS shows the oldest %d of about %d dead letters, since their order is kept", len(found), number
            )
        return found

    def _number(self) -> int:
        """About how many there are in a FIFO queue; 0 of another, which shows all."""
        if not self._inbox.dead_letters.endswith(".fifo"):
            return 0
        return sum(depth(self._clients, self._inbox.dead_letters).values())

    def _pages(self) -> int:
        return max(1, ceil(self._number() / _BATCH))

    @contextmanager
    def _received(self) -> Iterator[list[dict[str, Any]]]:
        records: dict[str, dict[str, Any]] = {}
        left: list[dict[str, Any]] = []
        try:
            while found := self._receive():
                fresh = [each for each in found if each["MessageId"] not in records]
                records.update((each["MessageId"], self._record(each)) for each in found)
                left[:] = records.values()
                if not fresh:
                    break
            yield left
        finally:
            for i in range(0, len(left), _BATCH):
                entries = [
                    {"Id": str(n), "ReceiptHandle": record["receiptHandle"], "VisibilityTimeout": 0}
                    for n, record in enumerate(left[i : i + _BATCH])
                ]
                self._api.change_message_visibility_batch(QueueUrl=self._inbox.dead_letters, Entries=entries)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._api.receive_message(
            QueueUrl=self._inbox.dead_letters,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=_HIDDEN_S,
            WaitTimeSeconds=self._wait_s,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return answer.get("Messages", [])  # type: ignore[no-any-return]

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        attributes = {
            name: {
                "dataType": value["DataType"],
                "stringValue": value.get("StringValue"),
                "binaryValue": b64encode(value["BinaryValue"]).decode() if "BinaryValue" in value else None,
            }
            for name, value in message.get("MessageAttributes", {}).items()
        }
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": attributes,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._inbox.arn,
        }

    def _end(self, received: dict[str, Any]) -> tuple[str, int, str]:
        _, reason, attempts, died_at = dead_letters.read(received, self._inbox.attempts)
        return reason, attempts, died_at

    def _event(self, received: dict[str, Any]) -> Event:
        try:
            found = events.decode_record(received)
        except InvalidEvent:
            found = [message({**received, "messageAttributes": {}})]
        event = found[0] if len(found) == 1 else message(received)
        if self._inbox.of_messages and not isinstance(event, Message):
            event = message(received)
        return self._named(event)

    def _delete(self, received: dict[str, Any]) -> None:
        self._api.delete_message(QueueUrl=self._inbox.dead_letters, ReceiptHandle=received["receiptHandle"])

    def _send(self, received: dict[str, Any]) -> None:
        plain, *_ = dead_letters.read(received)
        fifo = self._inbox.url.endswith(".fifo")
        again = dead_letters.sendable(plain, fifo=fifo, deduplication_id=uuid4().hex)
        self._api.send_message(QueueUrl=self._inbox.url, **again)
