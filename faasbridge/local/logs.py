"""Logs as files: `logs/<function>.jsonl`, one line of output a line, cut in half when it grows too large."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..provider import LogLine
from .frames import to_json
from .records import Line, iso

MAX_BYTES = 8 * 1024 * 1024


class LogFiles:
    """Written by the server alone, readable by anyone at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "logs"
        self._files: dict[str, Any] = {}

    def write(self, function: str, invocation: str, line: Line) -> None:
        """A full disk costs the line, nothing else."""
        entry = {"time": iso(line.time), "invocation": invocation, "level": line.level, "text": line.text}
        with contextlib.suppress(OSError):
            file = self._files.get(function)
            if file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                file = self._files[function] = (self._folder / f"{function}.jsonl").open("a", 1, "utf-8")
            file.write(to_json(entry) + "\n")
            if file.tell() > MAX_BYTES:
                file.close()
                del self._files[function]
                path = self._folder / f"{function}.jsonl"
                path.replace(path.with_suffix(".old.jsonl"))

    def flush(self) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.flush()

    def clear(self) -> None:
        self.close()
        for path in self._folder.glob("*.jsonl"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()
        self._files.clear()


def read_logs(folder: Path, functions: Iterable[str] | None = None, since: float = 0.0) -> list[LogLine]:
    """Lines from `since` (seconds since the epoch) on, in the order of their times."""
    tail = Tail(folder, functions, since)
    try:
        return tail.read()
    finally:
        tail.close()


def follow_logs(folder: Path, function: str | None, since: float) -> Iterator[LogLine]:
    """Lines as they come, without an end."""
    tail = Tail(folder, None if function is None else [function], since)
    try:
        while True:
            yield from tail.read()
            time.sleep(0.1)
    finally:
        tail.close()


class Tail:
    """The logs of some functions (None: of all), each line given once."""

    def __init__(self, folder: Path, functions: Iterable[str] | None, since: float) -> None:
        self._folder = folder / "logs"
        self._wanted = None if functions is None else set(functions)
        self._after = iso(since) if since else ""
        # By what they are, not by name: one that is renamed when it has grown too large is read on.
        self._files: dict[tuple[int, int], _Growing] = {}

    def read(self) -> list[LogLine]:
        """What has come since the last call, in the order of its times."""
        for path in self._paths():
            with contextlib.suppress(OSError):
                self._open(path)
        lines: list[LogLine] = []
        for id, file in list(self._files.items()):
            removed = file.is_removed()
            lines += (line for line in file.read() if line.time >= self._after)
            if removed:
                self._files.pop(id).close()
        return sorted(lines, key=lambda line: line.time)

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _open(self, path: Path) -> None:
        if _id(path.stat()) in self._files:
            return
        file = _Growing(path)
        if file.id in self._files:  # renamed meanwhile
            file.close()
        else:
            self._files[file.id] = file

    def _paths(self) -> list[Path]:
        """Older files first."""
        paths = sorted(self._folder.glob("*.jsonl"), reverse=True)
        return [path for path in paths if self._wanted is None or path.name.split(".")[0] in self._wanted]


class _Growing:
    """A file of lines, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self._function = path.name.split(".")[0]
        self._file = path.open("rb")
        self._rest = b""
        self.id = _id(os.fstat(self._file.fileno()))

    def is_removed(self) -> bool:
        """No file with its id is made as long as this one is open."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def read(self) -> Iterator[LogLine]:
        *rows, self._rest = (self._rest + self._file.read()).split(b"\n")  # the rest is being written
        for row in rows:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                raw = json.loads(row.decode("utf-8", "replace"))
                yield LogLine(raw["time"], self._function, raw["invocation"], raw["level"], raw["text"])

    def close(self) -> None:
        self._file.close()


def _id(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino
