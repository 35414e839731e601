"""Numbers for people, and the numbers people type."""

from __future__ import annotations

import re

from .faults import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(seconds: float) -> str:
    """`1.2 ms`, `340 ms`, `2.5 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(count: float) -> str:
    """Decimal units: `512 B`, `1.5 kB`, `20.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def bar(percent: int, width: int = 20) -> str:
    """`█████░░░░░░░░░░░░░░░`."""
    filled = min(percent, 100) * width // 100
    return "█" * filled + "░" * (width - filled)


def seconds(text: str) -> float:
    """`10m`, `2h`, `45s`, `1d`, or a number of seconds. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no time span; write 45s, 10m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def count(number: int, noun: str) -> str:
    """`1 function`, `3 functions`, `2 queries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
