"""Queues: SQS. The binding's address is the queue's URL.

An ordered queue is one FIFO queue with one message group; its messages are sent one by one, since a batch may be taken
in part. Sources: SQS Developer Guide, "Message quotas" (1 MiB a request), "FIFO queue delivery logic".
"""

from __future__ import annotations

import os

from faasbridge._typing import TYPE_CHECKING

from .. import wire
from .batches import as_attributes, grouped, send_all, size_of
from .clients import of
from .errors import call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from faasbridge.drivers import Binding

_BATCH_BYTES = 1024 * 1024
_GROUP = "0"


class QueueDriver:
    def __init__(self, binding: Binding) -> None:
        self._url = binding.address
        self._what = f"queue {binding.name!r}"
        self._ordered = binding.address.endswith(".fifo")
        self.client: Any = of(binding.options).get("sqs")

    def send(self, body: bytes, attributes: Mapping[str, str], delay_s: int) -> str:
        id, message, _ = self._message(body, attributes)
        if delay_s:
            if self._ordered:
                raise ValueError(f"{self._what} is ordered, and SQS delays no single message of such a queue")
            message["DelaySeconds"] = delay_s
        call(self._what, self.client.send_message, QueueUrl=self._url, **message)
        return id

    def send_many(self, bodies: Sequence[bytes]) -> None:
        if self._ordered:
            for body in bodies:
                self.send(body, {}, 0)
            return
        for group in grouped(self._entries(bodies), _BATCH_BYTES):
            send_all(
                self._what,
                group,
                lambda entries: call(self._what, self.client.send_message_batch, QueueUrl=self._url, Entries=entries),
            )

    def _entries(self, bodies: Sequence[bytes]) -> Iterator[tuple[dict[str, Any], int]]:
        for body in bodies:
            _, message, size = self._message(body, {})
            yield message, size

    def _message(self, body: bytes, attributes: Mapping[str, str]) -> tuple[str, dict[str, Any], int]:
        """Id, message and size. The id is ours: SQS's own is another one in the dead letters."""
        id = os.urandom(16).hex()
        text, packed = wire.pack(body, attributes, id)
        message: dict[str, Any] = {"MessageBody": text, "MessageAttributes": as_attributes(packed)}
        if self._ordered:
            message["MessageGroupId"], message["MessageDeduplicationId"] = _GROUP, id
        return id, message, size_of(text, packed)
