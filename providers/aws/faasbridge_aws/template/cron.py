"""Portable cron to EventBridge Scheduler's, which has six fields, counts Sunday as 1 and wants one day field open.

Source: EventBridge Scheduler User Guide, "Schedule types".
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from cronsim import CronSim

from faasbridge.errors import ConfigError

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def scheduler_cron(cron: str) -> str:
    """`0 3 * * 1,5` -> `cron(0 3 ? * MON,FRI *)`. Raises ConfigError where both day fields are restricted."""
    _, _, day, _, weekday = cron.split()
    if "*" not in (day, weekday):
        raise ConfigError(
            f"the schedule {cron!r} restricts the day of the month and the day of the week, and AWS takes one of them; "
            "make two schedules"
        )
    found = CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC))
    weekdays = {number % 7 for number in found.weekdays if isinstance(number, int)}
    open_weekday = weekday == "*" or len(weekdays) == 7
    fields = (
        _field(found.minutes, 0, 59),
        _field(found.hours, 0, 23),
        _field(found.days, 1, 31) if open_weekday else "?",
        _field(found.months, 1, 12),
        "?" if open_weekday else ",".join(name for number, name in enumerate(_DAYS) if number in weekdays),
        "*",
    )
    return f"cron({' '.join(fields)})"


def _field(values: Collection[int], low: int, high: int) -> str:
    """The shortest of the forms that mean these values: an expression has at most 256 characters."""
    numbers = sorted(values)
    first, last = numbers[0], numbers[-1]
    if numbers == list(range(low, high + 1)):
        return "*"
    if len(numbers) > 2:
        step = numbers[1] - first
        if numbers == list(range(first, last + 1)):
            return f"{first}-{last}"
        if numbers == list(range(first, high + 1, step)):
            return f"{first}/{step}"
    return ",".join(map(str, numbers))
