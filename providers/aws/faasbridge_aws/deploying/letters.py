"""Dead letters: the messages in the dead-letter queue beside an inbox, looked at without using them up.

Each is received, which hides it for a while, and shown again at the end. Long polling asks all of SQS's servers, so
that an empty answer means that there are no more.
Source: SQS Developer Guide, "Short and long polling"; SQS API Reference, ReceiveMessage.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from faasbridge.deploy import DeadLetter
from faasbridge.errors import InvalidEvent
from faasbridge.event_json import to_dict
from faasbridge.events import BlobEvent, Change, Event, Message

from .. import dead_letters, events
from ..events_sqs import message
from .connection import Clients
from .inboxes import Inbox

_HIDDEN_S = 120
_BATCH = 10  # messages a request, and entries of a batch

Rename = Callable[[str], str]  # a physical name -> the name that the app knows it by


class Letters:
    """Those of one inbox. `rename` gives the app's name of a physical one, `wait_s` is how long SQS may look for
    more."""

    def __init__(self, clients: Clients, inbox: Inbox, rename: Rename, wait_s: int) -> None:
        self._api = clients.get("sqs")
        self._inbox = inbox
        self._rename = rename
        self._wait_s = wait_s

    def listed(self) -> list[DeadLetter]:
        """All of them, the oldest first."""
        with self._received() as records:
            return sorted((self._letter(record) for record in records), key=lambda letter: letter.died_at)

    def replay(self, ids: Set[str] | None) -> int:
        """Sends them to the inbox as they first came, then deletes them: interrupted, one may come twice, none is
        lost."""
        return self._each(ids, self._send)

    def purge(self, ids: Set[str] | None) -> int:
        return self._each(ids, lambda record: None)

    def _each(self, ids: Set[str] | None, act: Callable[[dict[str, Any]], None]) -> int:
        count = 0
        with self._received() as records:
            for record in list(records):
                if ids is None or self._event(record).id in ids:
                    act(record)
                    self._api.delete_message(QueueUrl=self._inbox.dead_letters, ReceiptHandle=record["receiptHandle"])
                    records.remove(record)
                    count += 1
        return count

    @contextmanager
    def _received(self) -> Iterator[list[dict[str, Any]]]:
        """Every message, as the record that Lambda would be given. What is in the list at the end is shown again."""
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

    def _letter(self, record: dict[str, Any]) -> DeadLetter:
        _, reason, attempts, died_at = dead_letters.read(record, self._inbox.attempts)
        event = self._event(record)
        return DeadLetter(event.id, self._inbox.owner, to_dict(event), reason, attempts, died_at)

    def _event(self, record: dict[str, Any]) -> Event:
        """As its handler would be given it; the message itself where it is nothing that is known."""
        try:
            found = events.decode_record(record)
        except InvalidEvent:
            found = [message({**record, "messageAttributes": {}})]
        event = found[0] if len(found) == 1 else message(record)
        if self._inbox.of_messages and not isinstance(event, Message):
            event = message(record)
        if isinstance(event, BlobEvent):
            event.bucket = self._rename(event.bucket)
        elif isinstance(event, Change):
            event.table = self._rename(event.table)
        return event

    def _send(self, record: dict[str, Any]) -> None:
        plain, *_ = dead_letters.read(record)
        fifo = self._inbox.url.endswith(".fifo")
        again = dead_letters.sendable(plain, fifo=fifo, deduplication_id=uuid4().hex)
        self._api.send_message(QueueUrl=self._inbox.url, **again)
