"""Topics: Event Grid's custom topics, with events in the schema of CloudEvents. The binding's address is the endpoint.

An event ends up in a Storage Queue a handler, so it must fit one with all that Event Grid writes around it.
Sources: Azure Event Grid documentation, "Quotas and limits" (1 MB an event and a request), "Event handlers", "Storage
queue as an event handler" (64 KB).
"""

from __future__ import annotations

import json
import os

from faasbridge._typing import TYPE_CHECKING

from .. import wire
from . import claim_check
from .clients import of
from .errors import translating

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from faasbridge.drivers import Binding

_REQUEST_BYTES = 900 * 1024
_ENVELOPE = 2 * 1024  # id, type, source, time, and the topic's resource id, with which Event Grid replaces the source


class TopicDriver:
    def __init__(self, binding: Binding) -> None:
        self._name = binding.name
        self._what = f"topic {binding.name!r}"
        self._clients = of(binding.options)
        with translating(self._what):
            self.client: Any = self._clients.publisher(binding.address)

    def publish(self, body: bytes, attributes: Mapping[str, str]) -> str:
        event, _ = self._event(body, attributes)
        with translating(self._what):
            self.client.send([event], **self._clients.core_options())
        return str(event.id)

    def publish_many(self, bodies: Sequence[bytes]) -> None:
        for group in self._groups(bodies):
            with translating(self._what):
                self.client.send(group, **self._clients.core_options())

    def _groups(self, bodies: Sequence[bytes]) -> Iterator[list[Any]]:
        group: list[Any] = []
        total = 0
        for body in bodies:
            event, size = self._event(body, {})
            if group and total + size > _REQUEST_BYTES:
                yield group
                group, total = [], 0
            group.append(event)
            total += size
        if group:
            yield group

    def _event(self, body: bytes, attributes: Mapping[str, str]) -> tuple[Any, int]:
        """The event, and its size at most."""
        from azure.core.messaging import CloudEvent

        id = os.urandom(16).hex()
        data = wire.pack_data(body, attributes, id)
        content = json.dumps(data).encode()
        if len(content) > wire.MOST_BYTES - _ENVELOPE:
            data = dict(wire.claim_data(claim_check.deposit(self._clients, self._what, content, shared=True)))
            content = b""
        source = f"faasbridge/topics/{self._name}"
        return CloudEvent(source=source, type=wire.MESSAGE_TYPE, id=id, data=data), len(content) + _ENVELOPE
