"""Queues: Storage Queues. The binding's address is the queue's URL."""

from __future__ import annotations

import os

from faasbridge._typing import TYPE_CHECKING

from .. import wire
from . import messages
from .clients import of
from .errors import translating

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from faasbridge.drivers import Binding


class QueueDriver:
    def __init__(self, binding: Binding) -> None:
        self._url = binding.address.rstrip("/")
        self._what = f"queue {binding.name!r}"
        self._clients = of(binding.options)
        with translating(self._what):
            self.client: Any = self._clients.queue(self._url)

    def send(self, body: bytes, attributes: Mapping[str, str], delay_s: int) -> str:
        id = os.urandom(16).hex()
        messages.put(self._clients, self._url, self._what, wire.pack(body, attributes, id), delay_s)
        return id

    def send_many(self, bodies: Sequence[bytes]) -> None:
        contents = [wire.pack(body, {}, os.urandom(16).hex()) for body in bodies]
        messages.put_many(self._clients, self._url, self._what, contents)
