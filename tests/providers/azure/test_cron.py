"""Schedules are due in their own zone when the local cloud's are, and the timer in UTC wakes at all those times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from faasbridge_azure.cron import Cron, timer

CRONS = [
    "30 3 * * *", "30 2 * * *", "0,30 2 * * *", "15 1 * * *", "*/20 * * * *", "0 * * * *", "* 2 * * *",
    "45 23 28-31 3 SUN", "10 2 1 * MON", "5/15 1-3 * MAR,OCT *", "0 0 * * 7", "59 2 * 4,10,11 *",
]  # fmt: skip
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 5, 1, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, tzinfo=UTC)),
    ("UTC", datetime(2026, 2, 28, tzinfo=UTC)),
]


def is_misread_by_cronsim(expression: str, zone: str) -> bool:
    """It steps over hours in whole ones, and so over minutes where clocks change by half of one."""
    return zone == "Australia/Lord_Howe" and not Cron(expression, zone).is_fixed


CASES = [
    (expression, zone, start)
    for expression in CRONS
    for zone, start in CHANGES
    if not is_misread_by_cronsim(expression, zone)
]


def due_by_cronsim(expression: str, zone: str, start: datetime, end: datetime) -> set[datetime]:
    found = set()
    for moment in CronSim(expression, (start - timedelta(days=1)).astimezone(ZoneInfo(zone))):
        at = moment.astimezone(UTC)
        if at >= end:
            return found
        if at >= start:
            found.add(at)
    raise AssertionError("unreachable")


@pytest.mark.parametrize(("expression", "zone", "start"), CASES, ids=lambda value: str(value)[:20])
def test_a_schedule_is_due_across_a_change_of_clocks_as_in_the_local_cloud(
    expression: str, zone: str, start: datetime
) -> None:
    cron, end = Cron(expression, zone), start + timedelta(days=2)
    minutes = [start + timedelta(minutes=i) for i in range(2 * 1440)]
    assert {moment for moment in minutes if cron.is_due(moment)} == due_by_cronsim(expression, zone, start, end)


@pytest.mark.parametrize(
    ("expression", "zone", "day", "due"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["2026-03-29T01:00"]),  # 2:30 is left out: at three
        ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["2026-10-25T00:30"]),  # 2:30 comes twice: the first
        ("30 3 * * *", "Europe/Berlin", "2026-03-28", ["2026-03-28T02:30"]),
        ("30 3 * * *", "Europe/Berlin", "2026-03-29", ["2026-03-29T01:30"]),
        ("0 * * * *", "America/New_York", "2026-11-01", [f"2026-11-01T{hour:02d}:00" for hour in range(24)]),
    ],
)
def test_what_a_change_of_clocks_makes_of_a_day(expression: str, zone: str, day: str, due: list[str]) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    cron = Cron(expression, zone)
    found = [moment for moment in (start + timedelta(minutes=i) for i in range(1440)) if cron.is_due(moment)]
    assert [moment.isoformat()[:16] for moment in found] == due


@given(
    st.sampled_from(["*", "*/5", "0", "7,39", "50-59/3"]),
    st.sampled_from(["*", "2", "0-4", "*/6", "1,23"]),
    st.sampled_from(["*", "1", "*/2", "13-15"]),
    st.sampled_from(["*", "3,10", "JAN-JUN"]),
    st.sampled_from(["*", "0", "7", "MON-FRI", "*/3"]),
    st.sampled_from(CHANGES),
)
def test_any_expression_is_due_as_in_the_local_cloud(
    minute: str, hour: str, day: str, month: str, weekday: str, change: tuple[str, datetime]
) -> None:
    expression = f"{minute} {hour} {day} {month} {weekday}"
    zone, start = change
    assume(not is_misread_by_cronsim(expression, zone))
    cron, end = Cron(expression, zone), start + timedelta(days=2)
    found = {moment for i in range(2880) if cron.is_due(moment := start + timedelta(minutes=i))}
    assert found == due_by_cronsim(expression, zone, start, end)


@pytest.mark.parametrize(("expression", "zone", "start"), CASES, ids=lambda value: str(value)[:20])
def test_the_timer_wakes_whenever_the_schedule_is_due(expression: str, zone: str, start: datetime) -> None:
    due = due_by_cronsim(expression, zone, start, start + timedelta(days=2))
    seconds, minutes, hours, *rest = timer(expression, zone).split()
    assert (seconds, rest) == ("0", ["*", "*", "*"])
    wakes = Cron(f"{minutes} {hours} * * *")
    assert all(wakes.is_due(moment) for moment in due)


def test_a_daily_timer_wakes_seldom() -> None:
    assert timer("30 3 * * *") == "0 30 3 * * *"
    assert timer("30 3 * * *", "Europe/Berlin") == "0 30 1,2 * * *"
    assert timer("30 2 * * *", "Europe/Berlin") == "0 0,30 0,1 * * *"


def test_the_last_time_of_several_that_were_missed() -> None:
    cron = Cron("0 3 * * *", "Europe/Berlin")
    after, until = datetime(2026, 7, 1, 0, 0, tzinfo=UTC), datetime(2026, 7, 3, 12, 0, 5, tzinfo=UTC)
    assert cron.last_due(after, until) == datetime(2026, 7, 3, 1, 0, tzinfo=UTC)
    assert cron.last_due(until, until + timedelta(hours=1)) is None
    at = datetime(2026, 7, 3, 1, 0, tzinfo=UTC)
    assert cron.last_due(at, at + timedelta(minutes=1)) is None
