"""Messages that a queue has no room for: the content waits in a blob, and a claim to it goes through the queue.

Claims on a queue are deleted when the message was handled; those on a topic, which many handlers have, and those of
dead letters stay until the container's life-cycle rule deletes them.
Source: Azure Architecture Center, "Claim-Check pattern".
"""

from __future__ import annotations

import json
import os

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent, PayloadTooLarge

from .. import wire

if TYPE_CHECKING:
    from .clients import Clients
    from .objects import Objects

_MARK = b'"claim"'


def deposit(clients: Clients, what: str, content: bytes, *, shared: bool = False) -> str:
    """Writes the content and gives the blob's name. `shared`: more than one handler will claim it.

    Raises PayloadTooLarge where there is no container for it.
    """
    if clients.claims is None:
        raise PayloadTooLarge(
            f"{what}: a message of {len(content):,} bytes; Azure's queues take {wire.MOST_BYTES:,}, and "
            "FAASBRIDGE_CLAIMS names no container for larger ones. Put the data into a bucket and send its key"
        )
    name = f"{'topic' if shared else 'queue'}/{os.urandom(16).hex()}"
    _store(clients).put(name, content, "application/octet-stream", {}, False, None)
    return name


def delete(clients: Clients, name: str) -> None:
    """Of a queue's message that was handled; what is another handler's as well stays."""
    if name.startswith("queue/"):
        _store(clients).delete(name)


def redeemed(clients: Clients, content: bytes) -> tuple[bytes, str | None]:
    """The message that `content` claims, and the blob's name; `content` itself and None where it claims nothing.

    Raises InvalidEvent for a claim that leads nowhere.
    """
    if _MARK not in content or wire.is_packed(content):
        return content, None
    try:
        found = json.loads(content)
    except ValueError:
        return content, None
    name = wire.claimed(found)
    if name is not None:
        return _fetch(clients, name), name
    inner = found.get("data") if isinstance(found, dict) else None
    name = wire.claimed(inner)
    if name is None or wire.MESSAGE_TYPE not in (found.get("type"), found.get("eventType")):
        return content, None
    found["data"] = json.loads(_fetch(clients, name))
    return json.dumps(found, ensure_ascii=False).encode(), name


def _fetch(clients: Clients, name: str) -> bytes:
    from faasbridge.errors import NotFound

    kind, _, id = name.partition("/")
    if kind not in ("queue", "topic") or not id.isalnum():
        raise InvalidEvent(f"the message claims {name!r}, which FaaSBridge did not write")
    if clients.claims is None:
        raise InvalidEvent(f"the message claims {name!r}, and FAASBRIDGE_CLAIMS does not say where that is")
    try:
        return _store(clients).get(name)
    except NotFound as error:
        raise InvalidEvent(f"the message claims {name!r}, which is there no more") from error


def _store(clients: Clients) -> Objects:
    assert clients.claims is not None
    return clients.objects(clients.claims, "the container of claims")
