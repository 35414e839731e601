"""Queues: Pub/Sub. The binding's address is the topic's name, `projects/P/topics/T`."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

from .clients import of
from .messages import publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from faasbridge.drivers import Binding


class QueueDriver:
    def __init__(self, binding: Binding) -> None:
        self._topic = binding.address
        self._what = f"queue {binding.name!r}"
        self._ordered = bool(binding.options.get("ordered"))
        self.client: Any = of(binding.options).get("publisher")

    def send(self, body: bytes, attributes: Mapping[str, str], delay_s: int) -> str:
        if delay_s:
            raise ValueError(f"{self._what}: Pub/Sub delays no message; send it when it is due")
        return publish(self._what, self.client, self._topic, [body], attributes, self._ordered)[0]

    def send_many(self, bodies: Sequence[bytes]) -> None:
        publish(self._what, self.client, self._topic, bodies, {}, self._ordered)
