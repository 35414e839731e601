"""Schedules: the right moments in the right time zone, also when clocks change; missed once, never twice."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge.codec import loads
from faasbridge.local.launch import launch
from faasbridge.local.schedules import last_missed, tick
from faasbridge.local.store import Store
from faasbridge.schedules import next_time
from faasbridge.spec import FunctionSpec, Trigger

BERLIN = ZoneInfo("Europe/Berlin")
MINUTES = ("0", "30", "*/20", "15,45", "*")
HOURS = ("1", "2", "1-3", "*", "*/2")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


CHANGES = [
    ("Europe/Berlin", utc(2026, 3, 29, 1)),
    ("Europe/Berlin", utc(2026, 10, 25, 1)),
    ("America/New_York", utc(2026, 11, 1, 6)),
    ("Australia/Lord_Howe", utc(2026, 4, 4, 15)),  # by half an hour
]


def times(cron: str, zone: str, after: datetime, count: int) -> list[datetime]:
    found = []
    at = after.timestamp()
    for _ in range(count):
        found.append(next_time(cron, zone, at))
        at = found[-1].timestamp()
    return [each.astimezone(UTC) for each in found]


def test_a_daily_time_keeps_its_hour_on_the_wall_in_summer_and_winter() -> None:
    assert times("0 9 * * *", "Europe/Berlin", utc(2025, 3, 28, 12), 3) == [
        utc(2025, 3, 29, 8),
        utc(2025, 3, 30, 7),  # clocks went forward
        utc(2025, 3, 31, 7),
    ]
    assert times("0 9 * * *", "Europe/Berlin", utc(2025, 10, 24, 12), 3) == [
        utc(2025, 10, 25, 7),
        utc(2025, 10, 26, 8),  # clocks went back
        utc(2025, 10, 27, 8),
    ]


def test_a_time_that_the_change_of_clocks_leaves_out_is_made_up_for_at_once() -> None:
    # 02:30 does not exist on 30 March 2025; the clock goes from 02:00 to 03:00, which is 01:00 UTC.
    days = times("30 2 * * *", "Europe/Berlin", utc(2025, 3, 29, 12), 2)
    assert days == [utc(2025, 3, 30, 1), utc(2025, 3, 31, 0, 30)]


def test_a_time_that_comes_twice_fires_once() -> None:
    # 02:30 comes twice on 26 October 2025, at 00:30 and 01:30 UTC.
    days = times("30 2 * * *", "Europe/Berlin", utc(2025, 10, 25, 12), 2)
    assert days == [utc(2025, 10, 26, 0, 30), utc(2025, 10, 27, 1, 30)]


def test_nothing_is_due_again_in_the_hour_that_comes_twice() -> None:
    # 02:04 for the second time; the 02:30 that is still to come was due an hour ago.
    second = utc(2026, 10, 25, 1, 4)
    assert times("30 2 * * *", "Europe/Berlin", second, 1) == [utc(2026, 10, 26, 1, 30)]
    assert last_missed("30 2 * * *", "Europe/Berlin", second.timestamp(), second.timestamp() + 3600) is None


@given(
    cron=st.builds("{} {} * * *".format, *(st.sampled_from(field) for field in (MINUTES, HOURS))),
    change=st.sampled_from(CHANGES),
    minutes=st.integers(-180, 180),
)
def test_the_next_time_is_always_later(cron: str, change: tuple[str, datetime], minutes: int) -> None:
    zone, at = change
    after = (at + timedelta(minutes=minutes)).timestamp()
    assert next_time(cron, zone, after).timestamp() > after


def test_every_few_minutes_goes_on_through_both_changes() -> None:
    for start in (utc(2025, 3, 30, 0), utc(2025, 10, 26, 0)):
        found = times("*/20 * * * *", "Europe/Berlin", start, 12)
        assert {b - a for a, b in pairwise(found)} == {timedelta(minutes=20)}


def test_what_was_missed_is_made_up_for_once_with_the_last_time() -> None:
    now = utc(2025, 6, 10, 12)
    last = utc(2025, 6, 10, 7).timestamp()
    missed = last_missed("0 * * * *", "UTC", last, now.timestamp())
    assert missed == now
    assert last_missed("0 * * * *", "UTC", now.timestamp(), now.timestamp() + 60) is None


def test_what_was_missed_more_than_a_day_ago_is_let_go() -> None:
    now = utc(2025, 6, 10, 12)
    assert last_missed("0 0 1 * *", "UTC", utc(2025, 5, 20).timestamp(), now.timestamp()) is None
    assert last_missed("0 0 10 * *", "UTC", utc(2025, 5, 20).timestamp(), now.timestamp()) == utc(2025, 6, 10)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Asia/Kathmandu"])
def test_a_tick_says_its_time_in_the_zone_of_the_schedule_and_has_one_id_for_it(zone: str) -> None:
    function = FunctionSpec("sweep", Trigger("tick", settings={"cron": "0 3 * * *", "timezone": zone}))
    at = next_time("0 3 * * *", zone, utc(2025, 6, 1).timestamp())
    assert (at.hour, at.utcoffset()) == (3, at.replace(tzinfo=ZoneInfo(zone)).utcoffset())
    made = tick(function, at, at.timestamp() + 2)
    assert made.scheduled_for == at
    assert made.late_s == 2
    assert made.id == tick(function, at.astimezone(UTC), 0).id


def test_a_server_makes_up_for_what_it_missed_and_only_once(
    local: Callable[..., Any], until: Callable[..., None]
) -> None:
    app = local(
        textwrap.dedent("""
        @app.schedule("0 * * * *", timezone="Europe/Berlin", uses=[seen.put])
        def sweep(tick: Tick) -> None:
            seen.put({"id": tick.id, "for": tick.scheduled_for, "late": tick.late_s})
        """)
    )
    from faasbridge.local.bind import driver_of
    from faasbridge.local.state import make_folder

    folder = app.root / "own"
    make_folder(folder)
    store = Store(folder)
    store.schedule_fired("sweep", time.time() - 5 * 3600, None)
    app.app.bound = driver_of("demo", "dev", folder)
    for _ in range(2):
        process, _run = launch(app.stage, folder, port=0)
        until(app.rows, "the missed tick")
        process.terminate()
        process.wait(20)
        assert process.stdin is not None
        process.stdin.close()
    (row,) = app.rows().values()
    hour = datetime.now(BERLIN).replace(minute=0, second=0, microsecond=0)
    assert row["for"] in (hour, hour - timedelta(hours=1))  # the test may run into the next hour
    assert store.ready("function:sweep", 10, time.time()) == []
    store.close()


def test_a_tick_lies_in_the_inbox_as_the_handler_gets_it(tmp_path: Any) -> None:
    store = Store(tmp_path)
    function = FunctionSpec("sweep", Trigger("tick", settings={"cron": "0 3 * * *", "timezone": "Europe/Berlin"}))
    at = next_time("0 3 * * *", "Europe/Berlin", utc(2025, 6, 1).timestamp())
    for _ in range(2):  # the same time again is ignored
        store.schedule_fired("sweep", at.timestamp(), tick(function, at, at.timestamp()))
    (delivery,) = store.ready("function:sweep", 10, time.time())
    assert loads(delivery.event)["scheduled_for"].utcoffset() == timedelta(hours=2)
    store.close()
