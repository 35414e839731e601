"""When a schedule is due, minute by minute, in its own time zone. Pure; for the function that a UTC timer wakes.

The host's timers know no zone on Flex Consumption. A change of clocks is met as Debian's cron and `cronsim` meet it: an
expression whose minute and hour are fixed is due once where the hour comes twice, and right after the gap where its
time is left out; any other follows the clock on the wall.
Source: Azure Functions documentation, "Timer trigger" (`WEBSITE_TIME_ZONE` is not supported on the plan).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_MINUTE = timedelta(minutes=1)
_RANGES = (range(60), range(24), range(1, 32), range(1, 13), range(8))
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = "SUN MON TUE WED THU FRI SAT".split()


class Cron:
    """An expression of five fields, which `faasbridge check` has found right, in an IANA zone."""

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        fields = expression.upper().split()
        self.minutes, self.hours, self._days, self._months, weekdays = (
            frozenset(_parsed(field, i)) for i, field in enumerate(fields)
        )
        self._weekdays = {day % 7 for day in weekdays}
        self._both_days = fields[2].startswith("*") or fields[4].startswith("*")
        self.is_fixed = not (fields[0].startswith("*") or fields[1].startswith("*"))
        self.zone: tzinfo = UTC
        if zone != "UTC":
            from zoneinfo import ZoneInfo

            self.zone = ZoneInfo(zone)

    def is_due(self, moment: datetime) -> bool:
        """`moment` is aware and a whole minute."""
        local = moment.astimezone(self.zone)
        if self._matches(local):
            return not (self.is_fixed and local.fold)
        return self.is_fixed and any(self._matches(time) for time in self._left_out(local))

    def last_due(self, after: datetime, until: datetime) -> datetime | None:
        """The last minute in (`after`, `until`] that it is due at."""
        moment = until.astimezone(UTC).replace(second=0, microsecond=0)
        while moment > after:
            if self.is_due(moment):
                return moment
            moment -= _MINUTE
        return None

    def _matches(self, local: datetime) -> bool:
        if local.minute not in self.minutes or local.hour not in self.hours or local.month not in self._months:
            return False
        day, weekday = local.day in self._days, local.isoweekday() % 7 in self._weekdays
        return (day and weekday) if self._both_days else (day or weekday)

    def _left_out(self, local: datetime) -> Iterator[datetime]:
        """The times on the wall that there were not, right before this one."""
        time = local.replace(tzinfo=None, fold=0) - _MINUTE
        while time.replace(tzinfo=self.zone).astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != time:
            yield time
            time -= _MINUTE


def _parsed(field: str, kind: int) -> Iterator[int]:
    """As `cronsim` reads it: `5/15` goes on to the range's end."""
    every = _RANGES[kind]
    for term in field.split(","):
        span, _, step = term.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            found = every
        elif dash:
            found = range(_number(first, kind), _number(last, kind) + 1)
        else:
            start = _number(first, kind)
            found = range(start, every[-1] + 1 if step else start + 1)
        yield from found[:: int(step or 1)]


def _number(text: str, kind: int) -> int:
    if kind == 3 and text in _MONTHS:
        return _MONTHS.index(text) + 1
    return _DAYS.index(text) if kind == 4 and text in _DAYS else int(text)


def timer(expression: str, zone: str = "UTC", *, years: tuple[int, int] = (2024, 2044)) -> str:
    """The NCRONTAB expression in UTC of a timer that wakes at every minute that the schedule is due at, and some more,
    which `Cron.last_due` tells apart. Tool time: it looks at the zone's changes of clocks in these years.

    Source: Azure Functions documentation, "Timer trigger", "NCRONTAB expressions" (six fields, seconds first).
    """
    cron = Cron(expression, zone)
    minutes, hours = set(), set()
    for offset, gap in _offsets_of(cron.zone, *years):
        for hour in cron.hours:
            for minute in cron.minutes:
                at = (hour * 60 + minute - offset) % 1440
                minutes.add(at % 60)
                hours.add(at // 60)
                if cron.is_fixed and gap is not None and gap[0] <= hour * 60 + minute < gap[1]:
                    end = (gap[1] - offset) % 1440  # in the offset that holds from there on
                    minutes.add(end % 60)
                    hours.add(end // 60)
    return f"0 {_listed(minutes, 60)} {_listed(hours, 24)} * * *"


_known: dict[tuple[tzinfo, int, int], list[tuple[int, tuple[int, int] | None]]] = {}


def _offsets_of(zone: tzinfo, first: int, last: int) -> list[tuple[int, tuple[int, int] | None]]:
    """The same for the next schedule of that zone: finding them takes a while."""
    if (zone, first, last) not in _known:
        _known[zone, first, last] = list(_offsets(zone, first, last))
    return _known[zone, first, last]


def _offsets(zone: tzinfo, first: int, last: int) -> Iterator[tuple[int, tuple[int, int] | None]]:
    """Offsets from UTC in minutes, and the minutes of the day that the change to it left out, if any."""
    seen: set[tuple[int, tuple[int, int] | None]] = set()
    moment = datetime(first, 1, 1, tzinfo=UTC)
    before: int | None = None
    while moment.year < last:
        offset = _offset(zone, moment)
        gap = None
        if before is not None and offset > before:
            start, end = moment - timedelta(days=1), moment
            while end - start > _MINUTE:
                middle = start + (end - start) // 2
                start, end = (middle, end) if _offset(zone, middle) == before else (start, middle)
            wall = end.replace(second=0, microsecond=0).astimezone(zone)
            gap = wall.hour * 60 + wall.minute - (offset - before), wall.hour * 60 + wall.minute
        if (offset, gap) not in seen:
            seen.add((offset, gap))
            yield offset, gap
        before = offset
        moment += timedelta(days=1)


def _offset(zone: tzinfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() / 60)


def _listed(found: set[int], count: int) -> str:
    return "*" if len(found) == count else ",".join(map(str, sorted(found)))
