"""Logs as files: `logs/<function>.jsonl`, one line of output a line, cut in half when it grows too large."""

from __future__ import annotations

import contextlib
import json
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
    wanted = None if functions is None else set(functions)
    after = iso(since) if since else ""
    lines = []
    for path in sorted((folder / "logs").glob("*.jsonl")):
        name = path.name.split(".")[0]
        if wanted is None or name in wanted:
            lines += [line for line in _lines(path, name) if line.time >= after]
    return sorted(lines, key=lambda line: line.time)


def follow_logs(folder: Path, function: str | None, since: float) -> Iterator[LogLine]:
    """Lines as they come, without an end."""
    after, seen = since, set[LogLine]()
    while True:
        lines = read_logs(folder, None if function is None else [function], after)
        fresh = [line for line in lines if line not in seen]
        yield from fresh
        if fresh:
            seen = set(lines)
        time.sleep(0.1)


def _lines(path: Path, function: str) -> Iterator[LogLine]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for row in text.split("\n"):  # not `splitlines`: U+2028, say, stands in a line as it is
        try:
            raw = json.loads(row)
            yield LogLine(raw["time"], function, raw["invocation"], raw["level"], raw["text"])
        except (ValueError, KeyError, TypeError):
            continue  # the line that is being written
