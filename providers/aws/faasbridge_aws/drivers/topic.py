"""Topics: SNS. The binding's address is the topic's ARN.

Sources: SNS API Reference, Publish and PublishBatch (256 KB a request); SNS Developer Guide, "Message ordering details
for FIFO topics".
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

_BATCH_BYTES = 256 * 1024
_GROUP = "0"


class TopicDriver:
    def __init__(self, binding: Binding) -> None:
        self._arn = binding.address
        self._what = f"topic {binding.name!r}"
        self._ordered = binding.address.endswith(".fifo")
        self.client: Any = of(binding.options).get("sns")

    def publish(self, body: bytes, attributes: Mapping[str, str]) -> str:
        id, message, _ = self._message(body, attributes)
        call(self._what, self.client.publish, TopicArn=self._arn, **message)
        return id

    def publish_many(self, bodies: Sequence[bytes]) -> None:
        if self._ordered:
            for body in bodies:
                self.publish(body, {})
            return
        for group in grouped(self._entries(bodies), _BATCH_BYTES):
            send_all(
                self._what,
                group,
                lambda entries: call(
                    self._what, self.client.publish_batch, TopicArn=self._arn, PublishBatchRequestEntries=entries
                ),
            )

    def _entries(self, bodies: Sequence[bytes]) -> Iterator[tuple[dict[str, Any], int]]:
        for body in bodies:
            _, message, size = self._message(body, {})
            yield message, size

    def _message(self, body: bytes, attributes: Mapping[str, str]) -> tuple[str, dict[str, Any], int]:
        """Id, message and size. The id is ours: SNS's own stays behind when the message goes into a queue."""
        id = os.urandom(16).hex()
        text, packed = wire.pack(body, attributes, id)
        message: dict[str, Any] = {"Message": text, "MessageAttributes": as_attributes(packed)}
        if self._ordered:
            message["MessageGroupId"], message["MessageDeduplicationId"] = _GROUP, id
        return id, message, size_of(text, packed)
