"""Cursors of listings: where a page ended, opaque, and good for that listing only."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from zlib import crc32


def encode(listing: object, position: list[str]) -> str:
    """`listing` says what is listed: the same for every page of it."""
    return urlsafe_b64encode(json.dumps([_check(listing, position), *position]).encode()).decode()


def decode(listing: object, cursor: str, length: int) -> list[str]:
    """The position. Raises ValueError for what is no cursor of this listing."""
    try:
        position: list[str]
        check, *position = json.loads(urlsafe_b64decode(cursor.encode("ascii")))
        if len(position) == length and check == _check(listing, position):
            return position
    except (ValueError, TypeError):
        pass
    raise ValueError("the cursor is none of this listing; use that of the page before, with the same arguments")


def after_prefix(prefix: str) -> str | None:
    """The least text above all that start with `prefix`; None where there is no such text."""
    for end in range(len(prefix), 0, -1):
        point = ord(prefix[end - 1])
        if point < 0x10FFFF:
            following = 0xE000 if point == 0xD7FF else point + 1  # surrogates are no characters
            return prefix[: end - 1] + chr(following)
    return None


def _check(listing: object, position: list[str]) -> int:
    return crc32(json.dumps([listing, position]).encode())
