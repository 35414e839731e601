"""A reader over an answer that arrives in pieces."""

from __future__ import annotations

import io

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

_BUFFER = 256 * 1024
BLOCK = 8 * 1024 * 1024


class Pieces(io.RawIOBase):
    """`next_piece(position)` gives what comes next, nothing at the end."""

    def __init__(self, next_piece: Callable[[int], bytes], close: Callable[[], Any]) -> None:
        super().__init__()
        self._next = next_piece
        self._close = close
        self._position = 0
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            piece = self._next(self._position)
            self._position += len(piece)
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def readall(self) -> bytes:  # the inherited one takes 8 KB at a time
        pieces = [bytes(self._rest)]
        self._rest = memoryview(b"")
        while piece := self._next(self._position):
            self._position += len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()


def reader(next_piece: Callable[[int], bytes], close: Callable[[], Any] = lambda: None) -> BinaryIO:
    return io.BufferedReader(Pieces(next_piece, close), _BUFFER)


def blocks(data: Any) -> Iterator[bytes]:
    """A file's or an iterable's bytes in blocks; the last one is smaller, and empty only where it is the only one."""
    block = bytearray()
    sent = False
    for piece in iter(lambda: data.read(BLOCK), b"") if hasattr(data, "read") else data:
        block += piece
        while len(block) > BLOCK:
            yield bytes(block[:BLOCK])
            sent = True
            del block[:BLOCK]
    if block or not sent:
        yield bytes(block)
