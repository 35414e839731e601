"""Putting messages into Storage Queues: as base64, which the host expects, and without an end of their life.

Source: Azure Storage REST API, "Put Message" (64 KB; a time to live of -1: for ever; visible within 7 days).
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

from .. import wire
from . import claim_check
from .errors import translating

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .clients import Clients

_AT_ONCE = 8


def put(clients: Clients, url: str, what: str, content: bytes, delay_s: int = 0) -> None:
    """Returns when the queue at `url` has it. Raises what `translating` and `claim_check.deposit` raise."""
    from binascii import b2a_base64

    if len(content) > wire.MOST_BYTES:
        content = wire.claim(claim_check.deposit(clients, what, content))
    text = b2a_base64(content, newline=False).decode()
    with translating(what):
        clients.queue(url).send_message(text, visibility_timeout=delay_s or None, time_to_live=-1)


def put_many(clients: Clients, url: str, what: str, contents: Sequence[bytes]) -> None:
    """All of them, several at a time: queues take no batches. Raises the first fault, when all others were tried."""
    if len(contents) < 2:
        for content in contents:
            put(clients, url, what, content)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(_AT_ONCE, len(contents))) as pool:
        sent = [pool.submit(put, clients, url, what, content) for content in contents]
    for each in sent:
        each.result()
