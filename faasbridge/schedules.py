"""Cron expressions and time zones: what is wrong with one, in a sentence, and when it is due. Tool time and the clouds
of this machine only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from .suggest import nearest

_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_PORTABLE = re.compile(r"[0-9A-Za-z*,/-]+")


def cron_mistake(cron: object) -> str | None:
    """Why this is no cron expression that every vendor takes, or None where it is one."""
    if not isinstance(cron, str) or len(cron.split()) != 5:
        return f"the schedule {cron!r} has five fields, {', '.join(_FIELDS)}: '0 3 * * *' is every day at three"
    for i, (field, part) in enumerate(zip(_FIELDS, cron.split(), strict=True)):
        alone = " ".join(part if j == i else "*" for j in range(5))
        if (
            not _PORTABLE.fullmatch(part)
            or re.search(r"L|W|#", part.upper().replace("WED", "").replace("JUL", ""))
            or _fails(alone)
        ):
            return f"the schedule {cron!r} has {part!r} as its {field}; use numbers, names, '*', ',', '-' and '/'"
    return f"the schedule {cron!r} names a day that never comes" if _fails(cron) else None


def timezone_mistake(name: object) -> str | None:
    """Why this is no IANA time zone, or None where it is one."""
    try:
        ZoneInfo(name if isinstance(name, str) else "")
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        close = nearest(str(name), known)
        return f"there is no time zone {name!r}" + (
            close if "did you mean" in close else "; use an IANA name such as 'Europe/Berlin'"
        )
    return None


def times(cron: str, zone: str, after: float) -> Iterator[datetime]:
    """When it is due later than `after` (seconds since the epoch): ascending, aware, in the zone."""
    tz = ZoneInfo(zone)
    for at in CronSim(cron, datetime.fromtimestamp(after, tz)):
        # Where clocks go back, `CronSim` takes the second of the two hours for the first, and gives what is past.
        if at.timestamp() > after:
            yield at.astimezone(tz)


def next_time(cron: str, zone: str, after: float) -> datetime:
    """The first of `times`."""
    return next(times(cron, zone, after))


def _fails(cron: str) -> bool:
    try:
        next(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        return True
    return False
