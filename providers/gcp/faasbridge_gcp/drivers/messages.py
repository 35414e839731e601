"""Messages in requests as Pub/Sub takes them.

A request has 1,000 messages and 10 MB at most. Source: Pub/Sub documentation, "Quotas and limits".
"""

from __future__ import annotations

import os

from faasbridge._typing import TYPE_CHECKING

from .. import wire
from .errors import call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_MOST = 1000
_BYTES = 9_000_000  # of ten million, since lengths and names count as well
_KEY = "0"


def publish(
    what: str, client: Any, topic: str, bodies: Sequence[bytes], attributes: Mapping[str, str], ordered: bool
) -> list[str]:
    """The ids that the handlers will see: ours, since Pub/Sub's own is another one after a replay."""
    ids: list[str] = []
    group: list[dict[str, Any]] = []
    total = 0
    for body in bodies:
        id = os.urandom(16).hex()
        data, packed = wire.pack(body, attributes, id)
        size = len(data) + sum(len(name.encode()) + len(value.encode()) for name, value in packed.items())
        if group and (len(group) == _MOST or total + size > _BYTES):
            call(what, client.publish, topic=topic, messages=group)
            group, total = [], 0
        group.append({"data": data, "attributes": packed, **({"ordering_key": _KEY} if ordered else {})})
        total += size
        ids.append(id)
    if group:
        call(what, client.publish, topic=topic, messages=group)
    return ids
