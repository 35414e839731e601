"""What server and workers say to each other: a JSON header and a raw body, each with its length before it.

Standard library only, and no `socket`: a worker reads and writes the bare descriptor, so that it starts fast.
"""

from __future__ import annotations

import json
import os
import struct
from _thread import allocate_lock

from .._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Header = dict[str, Any]

_SIZES = struct.Struct("!II")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(value: object) -> str:
    """Compact JSON. A lone surrogate in it, which no file, database or terminal takes, becomes its escape as text."""
    text = _encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(f"\\\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def pack(header: Header, body: bytes = b"") -> bytes:
    """One frame."""
    text = to_json(header).encode()
    return b"".join((_SIZES.pack(len(text), len(body)), text, body))


class Decoder:
    """Bytes in as they come, whole frames out."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Header, bytes]]:
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _SIZES.size:
                head, tail = _SIZES.unpack_from(buffer, start)
                middle = start + _SIZES.size + head
                end = middle + tail
                if len(buffer) < end:
                    break
                header = json.loads(buffer[start + _SIZES.size : middle])
                body = bytes(buffer[middle:end])
                start = end
                yield header, body
        finally:
            del buffer[:start]


class Channel:
    """A worker's own end. Whole frames, whichever thread sends them."""

    __slots__ = ("_fd", "_lock")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = allocate_lock()

    def send(self, header: Header, body: bytes = b"") -> None:
        """Returns when all of it is with the kernel."""
        view = memoryview(pack(header, body))
        with self._lock:
            while view:
                view = view[os.write(self._fd, view) :]

    def receive(self) -> Iterator[tuple[Header, bytes]]:
        """Frames until the other side is gone."""
        decoder = Decoder()
        while True:
            try:
                data = os.read(self._fd, 262144)
            except ConnectionError:
                return
            if not data:
                return
            yield from decoder.feed(data)
