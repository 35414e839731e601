"""A worker's output: lines of `print` and records of `logging` as frames, in order, each with its invocation."""

from __future__ import annotations

import io
import logging
import sys
from _thread import RLock
from time import time

from .._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO, TextIO

    from .frames import Channel


MAX_LINE = 8192


class Output:
    """Sends lines to the server. `invocation` is the id of what runs, empty between invocations."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._streams: list[_Stream] = []
        self.invocation = ""

    def install(self) -> None:
        """From here on `sys.stdout`, `sys.stderr` and `logging` come here. Raw writes to descriptors 1 and 2 do not."""
        sys.stdout = _Stream(self, "out", sys.__stdout__)
        sys.stderr = _Stream(self, "err", sys.__stderr__)
        self._streams = [sys.stdout, sys.stderr]
        logging.basicConfig(level=logging.INFO, handlers=[_Handler(self)], force=True)

    def line(self, level: str, text: str) -> None:
        if len(text) > MAX_LINE:
            text = f"{text[:MAX_LINE]}… ({len(text):,} characters)"
        self._channel.send({"t": "log", "time": time(), "level": level, "text": text, "id": self.invocation})

    def end_lines(self) -> None:
        """An invocation is over: what has no line end by now is a line."""
        for stream in self._streams:
            stream.end_line()


class _Stream(io.TextIOBase):
    """Text in, one frame a line out."""

    def __init__(self, output: Output, level: str, real: TextIO | None) -> None:
        self._output = output
        self._level = level
        self._real = real
        self._rest = ""
        self._guard = RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def buffer(self) -> BinaryIO:
        """The descriptor's own: its lines come by the pipe."""
        return self._real.buffer  # type: ignore[union-attr]

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._real.fileno() if self._real is not None else -1

    def write(self, text: str) -> int:
        with self._guard:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._output.line(self._level, line)
            if len(self._rest) > MAX_LINE:
                self._emit_rest()
        return len(text)

    def end_line(self) -> None:
        with self._guard:
            if self._rest:
                self._emit_rest()
        if self._real is not None:
            self._real.flush()

    def _emit_rest(self) -> None:
        rest, self._rest = self._rest, ""
        self._output.line(self._level, rest)


class _Handler(logging.Handler):
    """One frame a record; a traceback stays with its message."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.line(record.levelname.lower(), self.format(record))
        except Exception:  # noqa: BLE001 - logging never takes a handler down
            self.handleError(record)
