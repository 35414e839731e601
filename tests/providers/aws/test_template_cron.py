"""Portable cron in EventBridge Scheduler's own form."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import ConfigError
from faasbridge_aws.template.cron import scheduler_cron


@pytest.mark.parametrize(
    ("portable", "theirs"),
    [
        ("* * * * *", "* * * * ? *"),
        ("0 3 * * *", "0 3 * * ? *"),
        ("*/15 * * * *", "0/15 * * * ? *"),
        ("5-59/20 * * * *", "5/20 * * * ? *"),
        ("10-50/20 * * * *", "10/20 * * * ? *"),
        ("10-40/20 * * * *", "10,30 * * * ? *"),
        ("0 9-17 * * *", "0 9-17 * * ? *"),
        ("0,30 8,20 * * *", "0,30 8,20 * * ? *"),
        ("0 0 1 * *", "0 0 1 * ? *"),
        ("0 0 1,15 * *", "0 0 1,15 * ? *"),
        ("0 0 31 1,MAR,5-7 *", "0 0 31 1,3,5,6,7 ? *"),
        ("0 0 * JAN-MAR *", "0 0 * 1-3 ? *"),
        ("0 0 * * 0", "0 0 ? * SUN *"),
        ("0 0 * * 7", "0 0 ? * SUN *"),
        ("0 0 * * 1", "0 0 ? * MON *"),
        ("0 0 * * 1-5", "0 0 ? * MON,TUE,WED,THU,FRI *"),
        ("0 0 * * 5-7", "0 0 ? * SUN,FRI,SAT *"),
        ("0 0 * * mon,WED", "0 0 ? * MON,WED *"),
        ("0 0 * * */2", "0 0 ? * SUN,TUE,THU,SAT *"),
        ("0 0 * * 0-6", "0 0 * * ? *"),
    ],
)
def test_each_form_is_converted(portable: str, theirs: str) -> None:
    assert scheduler_cron(portable) == f"cron({theirs})"


def test_two_restricted_day_fields_are_refused() -> None:
    with pytest.raises(ConfigError, match="make two schedules"):
        scheduler_cron("0 0 1 * 1")


def _part(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(st.one_of(st.just("*"), ranges), st.integers(1, 9)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.one_of(
        st.just("*"), st.lists(st.one_of(number.map(str), ranges, steps), min_size=1, max_size=3).map(",".join)
    )


@given(_part(0, 59), _part(0, 23), _part(1, 28), _part(1, 12), _part(0, 7), st.booleans())
def test_it_means_the_same_moments(minute: str, hour: str, day: str, month: str, weekday: str, by_day: bool) -> None:
    portable = f"{minute} {hour} {day if by_day else '*'} {month} {'*' if by_day else weekday}"
    found = scheduler_cron(portable)
    assert len(found) <= 256  # Source: EventBridge Scheduler API, CreateSchedule, ScheduleExpression
    start = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = CronSim(portable, start), CronSim(_as_portable(found), start)
    assert [next(one) for _ in range(20)] == [next(other) for _ in range(20)]


def _as_portable(theirs: str) -> str:
    """Read by another implementation: `a/s` starts at a, `?` is open, days have names."""
    match = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) \*\)", theirs)
    assert match is not None
    fields = []
    for field, high in zip(match.groups(), (59, 23, 31, 12, 7), strict=True):
        text = "*" if field == "?" else field
        fields.append(re.sub(r"^(\d+)/(\d+)$", rf"\1-{high}/\2", text))
    return " ".join(fields)
