"""What the server knows of one invocation: the work handed to a worker, its lines of log, its outcome."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

OutcomeName = Literal["ok", "failed", "rejected", "timed out", "crashed"]
MAX_LINES = 1000


@dataclass(slots=True)
class Line:
    """One line of output. `level` is `out` or `err` for plain output, else logging's, in lower case."""

    time: float  # seconds since the epoch
    level: str
    text: str


@dataclass(slots=True)
class Work:
    """One invocation: an HTTP request, an invocation by hand, or one delivery (of a batch function: several)."""

    id: str
    function: str
    trigger: str
    deliveries: Sequence[Any] = ()
    attempt: int = 1
    future: asyncio.Future[tuple[dict[str, Any], bytes]] | None = None
    lines: list[Line] = field(default_factory=list)
    generation: int = 0

    def add(self, line: Line) -> None:
        if len(self.lines) < MAX_LINES:
            self.lines.append(line)
        elif len(self.lines) == MAX_LINES:
            self.lines.append(
                Line(line.time, "warning", f"(more than {MAX_LINES:,} lines; the rest is in the log file)")
            )


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation that is over, for the terminal."""

    id: str
    function: str
    trigger: str  # `GET /photos`, `message jobs`, `create uploads/a.jpg`
    outcome: OutcomeName
    ms: float
    attempt: int = 1
    reason: str = ""
    lines: tuple[Line, ...] = ()
    status: int | None = None  # of an HTTP answer
    final: bool = False  # a failure after which the event is a dead letter


@dataclass(frozen=True, slots=True)
class Notice:
    """Something else that the terminal shows: `kind` is `started`, `reloaded`, `broken` or `line`."""

    kind: Literal["started", "reloaded", "broken", "line"]
    text: str
    function: str = ""
    detail: str = ""  # a traceback
    ms: float = 0.0


_prefix = os.urandom(4).hex()
_numbers = count(1)


def new_id() -> str:
    return f"{_prefix}{next(_numbers):06x}"


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
