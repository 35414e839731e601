"""Topics: Pub/Sub. The binding's address is the topic's name, `projects/P/topics/T`."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

from .clients import of
from .messages import publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from faasbridge.drivers import Binding


class TopicDriver:
    def __init__(self, binding: Binding) -> None:
        self._topic = binding.address
        self._what = f"topic {binding.name!r}"
        self._ordered = bool(binding.options.get("ordered"))
        self.client: Any = of(binding.options).get("publisher")

    def publish(self, body: bytes, attributes: Mapping[str, str]) -> str:
        return publish(self._what, self.client, self._topic, [body], attributes, self._ordered)[0]

    def publish_many(self, bodies: Sequence[bytes]) -> None:
        publish(self._what, self.client, self._topic, bodies, {}, self._ordered)
