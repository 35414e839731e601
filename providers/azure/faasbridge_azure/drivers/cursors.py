"""Cursors of listings: where a page ended, opaque, and good for that listing only."""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64, crc32

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def encode(listing: object, position: Sequence[str]) -> str:
    """`listing` says what is listed: the same for every page of it."""
    text = json.dumps([_check(listing, position), *position])
    return b2a_base64(text.encode(), newline=False).decode().replace("+", "-").replace("/", "_")


def decode(listing: object, cursor: str, length: int) -> list[str]:
    """The position. Raises ValueError for what is no cursor of this listing."""
    try:
        position: list[str]
        check, *position = json.loads(a2b_base64(cursor.replace("-", "+").replace("_", "/").encode("ascii")))
        if len(position) == length and check == _check(listing, position):
            return position
    except (ValueError, TypeError):
        pass
    raise ValueError("the cursor is none of this listing; use that of the page before, with the same arguments")


def _check(listing: object, position: Sequence[str]) -> int:
    return crc32(json.dumps([listing, list(position)]).encode())
