"""Tables: rows by key."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..errors import Conflict, NotFound
from ..resources import Pages
from ..testing.cloud import Cloud
from .app import entries, records
from .harness import Suite

Row = dict[str, Any]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
key_text = text.filter(bool)
times = st.datetimes(
    min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones() | st.just(UTC)
).map(lambda time: time.replace(tzinfo=timezone(time.utcoffset() or timedelta(0))))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | text
    | st.binary(max_size=40)
    | times
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)

AWKWARD: list[Any] = [
    0, -1, 2**53, -(2**53), 0.0, -0.0, 1.0, 0.1, 1e308, 5e-324, -1.5, math.inf, -math.inf, True, False, None, "", " ",
    "\x00", "\u2028", "🎉", "null", "$fb:bytes", b"", b"\x00\xff", [], {}, [[]], [{}], {"": ""},
    [None, [1, [2.0, [b"3"]]]],
    {"$fb:float": 1}, {"$fb:map": {"$fb:bytes": "x"}}, {"a.b": 1, "a": {"b": 2}, "$c": 3, "#d": 4, "id": 5},
    {"key": 6, "value": 7, "type": 8},
    datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
    datetime(1969, 7, 20, tzinfo=timezone(timedelta(hours=-4, minutes=-30))),
]  # fmt: skip

SORT_KEYS = [
    "",
    "0",
    "A",
    "B",
    "a",
    "a ",
    "a b",
    "a%",
    "a*",
    "a/",
    "a_",
    "aa",
    "ab",
    "b",
    "z",
    "{",
    "ä",
    "世",
    "\uffee",
    "🎉",
    "🎊",
][1:]


class Cases(Suite):
    # Values

    def test_every_row_comes_back_exactly(self, cloud: Cloud) -> None:
        @settings(
            max_examples=self.harness.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(key_text, st.dictionaries(key_text.filter(lambda name: name != "id"), values, max_size=5))
        def check(key: str, fields: Row) -> None:
            row = {"id": key, **fields}
            records.put(row)
            assert same(records.get(key), row)

        check()

    @pytest.mark.parametrize("value", AWKWARD, ids=lambda value: ascii(value)[:40])
    def test_awkward_values_come_back_exactly(self, cloud: Cloud, value: object) -> None:
        row = {"id": "1", "value": value, "list": [value, {"x": value}]}
        records.put(row)
        assert same(records.get("1"), row)
        assert same(list(records.scan()), [row])
        assert same(records.update("1", set={"again": value}), {**row, "again": value})

    def test_not_a_number_stays_one(self, cloud: Cloud) -> None:
        records.put({"id": "1", "nan": math.nan})
        row = records.get("1")
        assert row is not None
        assert math.isnan(row["nan"])

    @pytest.mark.parametrize(
        "value", [2**53 + 1, -(2**53) - 1, datetime(2024, 1, 1), "\ud800", {1: 2}, object(), {1, 2}]
    )
    def test_what_would_not_come_back_exactly_is_refused(self, cloud: Cloud, value: object) -> None:
        with pytest.raises((TypeError, ValueError)):
            records.put({"id": "1", "value": value})
        assert records.get("1") is None

    def test_a_changed_row_of_a_reader_changes_nothing(self, cloud: Cloud) -> None:
        row = {"id": "1", "list": [1]}
        records.put(row)
        row["list"].append(2)  # type: ignore[attr-defined]
        read = records.get("1")
        assert read == {"id": "1", "list": [1]}
        read["list"].append(3)
        assert records.get("1") == {"id": "1", "list": [1]}

    def test_a_row_of_a_hundred_kilobytes(self, cloud: Cloud) -> None:
        row = {"id": "1", "text": "ü" * 50_000}
        records.put(row)
        assert records.get("1") == row

    # Keys

    @pytest.mark.parametrize(
        "key", ["a b", "a/b", "..", "%2F", "Grüße 🎉", "a|b", "#", "?", "\\", "'; --", "x" * 200, "\t", "0", "None"]
    )
    def test_any_key_text_is_an_own_row(self, cloud: Cloud, key: str) -> None:
        records.put({"id": "other"})
        records.put({"id": key, "n": 1})
        entries.put({"owner": key, "name": key, "n": 2})
        entries.put({"owner": key, "name": "other"})
        assert records.get(key) == {"id": key, "n": 1}
        assert entries.get(key, key) == {"owner": key, "name": key, "n": 2}
        assert records.update(key, increment={"n": 1})["n"] == 2
        assert len(list(entries.query(key))) == 2
        records.delete(key)
        entries.delete(key, key)
        assert list(records.scan()) == [{"id": "other"}]
        assert [row["name"] for row in entries.query(key)] == ["other"]

    def test_key_and_sort_key_do_not_run_together(self, cloud: Cloud) -> None:
        pairs = [
            ("a", "bc"),
            ("ab", "c"),
            ("a", "b"),
            ("a/b", "c"),
            ("a", "b/c"),
            ("a\x00", "b"),
            ("a", "\x00b"),
            ("A", "b"),
        ]
        for owner, name in pairs:
            entries.put({"owner": owner, "name": name, "pair": [owner, name]})
        for owner, name in pairs:
            assert entries.get(owner, name) == {"owner": owner, "name": name, "pair": [owner, name]}
        assert len(list(entries.scan())) == len(pairs)

    def test_a_missing_row_is_none(self, cloud: Cloud) -> None:
        entries.put({"owner": "a", "name": "b"})
        assert records.get("none") is None
        assert entries.get("a", "none") is None
        assert entries.get("none", "b") is None

    @pytest.mark.parametrize(
        "call",
        [
            lambda: records.put({"x": 1}),
            lambda: records.put({"id": ""}),
            lambda: records.put({"id": 1}),
            lambda: records.get(""),
            lambda: records.get("a", "b"),
            lambda: entries.get("a"),
            lambda: entries.put({"owner": "a"}),
            lambda: entries.put({"owner": "a", "name": "b", "colour": 1}),
            lambda: records.put({"id": "1"}, if_absent=True, if_match={"a": 1}),
            lambda: records.put({"id": "1"}, expires_at=datetime(2030, 1, 1)),
            lambda: records.update("1", set={"id": "2"}),
            lambda: records.update("1", set={"a": 1}, remove=["a"]),
            lambda: records.query("1", begins_with="a"),
            lambda: entries.query("1", index="none"),
            lambda: entries.query("1", begins_with="a", between=("a", "b")),
        ],
    )
    def test_what_no_table_takes_is_refused(self, cloud: Cloud, call: Callable[[], object]) -> None:
        with pytest.raises((TypeError, ValueError)):
            call()

    # put

    def test_put_replaces_the_whole_row(self, cloud: Cloud) -> None:
        records.put({"id": "1", "a": 1, "b": 2})
        records.put({"id": "1", "b": 3})
        assert records.get("1") == {"id": "1", "b": 3}

    def test_if_absent_takes_only_what_is_not_there(self, cloud: Cloud) -> None:
        records.put({"id": "1", "n": 1}, if_absent=True)
        with pytest.raises(Conflict):
            records.put({"id": "1", "n": 2}, if_absent=True)
        assert records.get("1") == {"id": "1", "n": 1}
        entries.put({"owner": "1", "name": "a"}, if_absent=True)
        entries.put({"owner": "1", "name": "b"}, if_absent=True)
        with pytest.raises(Conflict):
            entries.put({"owner": "1", "name": "b"}, if_absent=True)

    def test_if_absent_has_exactly_one_winner(self, cloud: Cloud) -> None:
        for turn in range(5):
            assert winners(partial(put_if_absent, str(turn))) == 1

    @pytest.mark.parametrize(
        ("condition", "met"),
        [
            ({"n": 1}, True),
            ({"n": 2}, False),
            ({"n": "1"}, False),
            ({"n": None}, False),
            ({"null": None}, True),
            ({"missing": None}, True),
            ({"missing": 0}, False),
            ({"missing": ""}, False),
            ({"n": 1, "text": "ü"}, True),
            ({"n": 1, "text": "u"}, False),
            ({"bytes": b"\x00"}, True),
            ({"time": datetime(2024, 1, 1, tzinfo=UTC)}, True),
            ({"list": [1, {"a": None}]}, True),
            ({"list": [1]}, False),
            ({"yes": True}, True),
            ({"yes": False}, False),
            ({"half": 0.5}, True),
            ({}, True),
        ],
        ids=str,
    )
    def test_if_match_compares_fields(self, cloud: Cloud, condition: Row, met: bool) -> None:
        row: Row = {
            "id": "1", "n": 1, "text": "ü", "null": None, "bytes": b"\x00", "list": [1, {"a": None}], "yes": True,
            "half": 0.5, "time": datetime(2024, 1, 1, tzinfo=UTC),
        }  # fmt: skip
        calls: list[Callable[[], object]] = [
            lambda: records.update("1", set={"done": 1}, if_match=condition),
            lambda: records.put({"id": "1", "done": 1}, if_match=condition),
            lambda: records.delete("1", if_match=condition),
        ]
        for call in calls:
            records.put(row)
            if met:
                call()
                assert records.get("1") != row
            else:
                with pytest.raises(Conflict):
                    call()
                assert records.get("1") == row

    def test_a_missing_row_meets_no_condition(self, cloud: Cloud) -> None:
        for condition in ({"n": 1}, {"n": None}):
            with pytest.raises(Conflict):
                records.put({"id": "1"}, if_match=condition)
            with pytest.raises(Conflict):
                records.update("1", set={"n": 1}, if_match=condition)
            with pytest.raises(Conflict):
                records.delete("1", if_match=condition)
        assert records.get("1") is None

    def test_if_match_has_exactly_one_winner(self, cloud: Cloud) -> None:
        records.put({"id": "1", "version": 0})
        for version in range(5):
            won = winners(partial(update_version, version))
            assert won == 1

    # update, delete

    def test_update_sets_increments_and_removes_in_one_step(self, cloud: Cloud) -> None:
        records.put({"id": "1", "a": 1, "b": 2, "c": 3, "d": [1]})
        row = records.update(
            "1", set={"a": "x", "new": {"y": 1}}, increment={"b": 5, "count": 1, "half": 0.5}, remove=["c", "none"]
        )
        assert row == {"id": "1", "a": "x", "b": 7, "count": 1, "d": [1], "half": 0.5, "new": {"y": 1}}
        assert records.get("1") == row

    def test_increments_keep_their_type(self, cloud: Cloud) -> None:
        records.put({"id": "1", "n": 1, "f": 1.5})
        row = records.update("1", increment={"n": -3, "f": 1.0})
        assert same(row, {"id": "1", "n": -2, "f": 2.5})

    def test_update_of_nothing_is_not_found(self, cloud: Cloud) -> None:
        with pytest.raises(NotFound):
            records.update("1", set={"a": 1})
        with pytest.raises(NotFound):
            entries.update("1", "x", increment={"a": 1})
        assert list(records.scan()) == []

    @pytest.mark.parametrize("value", ["1", None, True, [1], b"1"])
    def test_an_increment_of_no_number_is_a_conflict(self, cloud: Cloud, value: object) -> None:
        row = {"id": "1", "n": value}
        records.put(row)
        with pytest.raises(Conflict):
            records.update("1", set={"a": 1}, increment={"n": 1})
        assert records.get("1") == row

    def test_concurrent_increments_are_exact(self, cloud: Cloud) -> None:
        records.put({"id": "1", "n": 0})

        def count(_: int) -> None:
            for _ in range(25):
                records.update("1", increment={"n": 1, "twice": 2})

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count, range(8)))
        assert records.get("1") == {"id": "1", "n": 200, "twice": 400}

    def test_delete_is_idempotent_without_a_condition(self, cloud: Cloud) -> None:
        records.delete("1")
        records.put({"id": "1", "n": 1})
        records.delete("1", if_match={"n": 1})
        records.delete("1")
        assert records.get("1") is None
        with pytest.raises(Conflict):
            records.delete("1", if_match={"n": 1})

    # Queries

    def test_rows_of_a_key_come_in_the_order_of_code_points(self, cloud: Cloud) -> None:
        self.fill()
        assert names(entries.query("me")) == sorted(SORT_KEYS)
        assert names(entries.query("me", reverse=True)) == sorted(SORT_KEYS, reverse=True)
        assert names(entries.query("nobody")) == []

    @pytest.mark.parametrize("start", ["a", "a%", "a_", "a*", "a ", "ä", "🎉", "none", "", "A"])
    def test_begins_with_is_text_not_a_pattern(self, cloud: Cloud, start: str) -> None:
        self.fill()
        expected = sorted(name for name in SORT_KEYS if name.startswith(start))
        assert names(entries.query("me", begins_with=start)) == expected
        assert names(entries.query("me", begins_with=start, reverse=True)) == expected[::-1]

    @pytest.mark.parametrize(
        "ends", [("a", "b"), ("a ", "a_"), ("A", "A"), ("b", "a"), ("世", "🎉"), ("", "zz"), ("x", "y")]
    )
    def test_between_includes_both_ends(self, cloud: Cloud, ends: tuple[str, str]) -> None:
        self.fill()
        expected = sorted(name for name in SORT_KEYS if ends[0] <= name <= ends[1])
        assert names(entries.query("me", between=ends)) == expected
        assert names(entries.query("me", between=ends, reverse=True)) == expected[::-1]

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("size", [1, 2, 7, 100])
    def test_pages_miss_nothing_in_either_direction(self, cloud: Cloud, size: int, reverse: bool) -> None:
        self.fill()
        expected = sorted(SORT_KEYS, reverse=reverse)
        listing = entries.query("me", reverse=reverse)
        assert [row["name"] for row in paged(listing, size)] == expected
        narrowed = entries.query("me", begins_with="a", reverse=reverse)
        assert [row["name"] for row in paged(narrowed, size)] == [name for name in expected if name.startswith("a")]

    def test_a_table_without_sort_key_can_be_queried(self, cloud: Cloud) -> None:
        records.put({"id": "1", "a": 1})
        assert list(records.query("1")) == [{"id": "1", "a": 1}]
        assert list(records.query("2")) == []

    def test_a_scan_gives_every_row_once(self, cloud: Cloud) -> None:
        expected = {(f"o{i % 7}", f"n{i}") for i in range(230)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda pair: entries.put({"owner": pair[0], "name": pair[1]}), expected))
        for size in (1000, 50):
            rows = [(row["owner"], row["name"]) for row in paged(entries.scan(), size)]
            assert len(rows) == 230
            assert set(rows) == expected

    def test_a_foreign_cursor_is_refused(self, cloud: Cloud) -> None:
        self.fill()
        with pytest.raises(ValueError, match=r"."):
            entries.query("me").page(10, "no cursor of anybody's")

    # Indexes

    def test_an_index_finds_rows_of_all_keys_in_its_order(self, cloud: Cloud) -> None:
        for owner, name, colour in [("a", "3", "red"), ("b", "1", "red"), ("c", "2", "blue"), ("d", "2", "red")]:
            entries.put({"owner": owner, "name": name, "colour": colour, "more": [owner]})
        reds = found_by(lambda: entries.query("red", index="by-colour"), 3)
        assert [(row["owner"], row["name"], row["more"]) for row in reds] == [
            ("b", "1", ["b"]),
            ("d", "2", ["d"]),
            ("a", "3", ["a"]),
        ]
        assert [row["name"] for row in entries.query("red", index="by-colour", reverse=True)] == ["3", "2", "1"]
        assert [row["name"] for row in entries.query("red", index="by-colour", between=("2", "9"))] == ["2", "3"]
        assert [row["name"] for row in entries.query("red", index="by-colour", begins_with="1")] == ["1"]
        assert names(entries.query("green", index="by-colour")) == []

    def test_rows_without_an_indexs_fields_are_not_in_it(self, cloud: Cloud) -> None:
        entries.put({"owner": "a", "name": "1"})
        entries.put({"owner": "a", "name": "2", "colour": None})
        entries.put({"owner": "a", "name": "3", "shelf": "s"})
        entries.put({"owner": "a", "name": "4", "place": "p"})
        entries.put({"owner": "a", "name": "5", "shelf": "s", "place": "p", "colour": "red"})
        assert names(found_by(lambda: entries.query("s", index="by-shelf"), 1)) == ["5"]
        assert names(found_by(lambda: entries.query("red", index="by-colour"), 1)) == ["5"]
        assert len(list(entries.scan())) == 5

    def test_an_update_moves_a_row_within_an_index(self, cloud: Cloud) -> None:
        entries.put({"owner": "a", "name": "1", "colour": "red", "shelf": "s", "place": "1"})
        entries.update("a", "1", set={"colour": "blue", "place": "2"})
        assert names(found_by(lambda: entries.query("red", index="by-colour"), 0)) == []
        assert names(found_by(lambda: entries.query("blue", index="by-colour"), 1)) == ["1"]
        assert found_by(lambda: entries.query("s", index="by-shelf", begins_with="2"), 1)[0]["colour"] == "blue"
        entries.update("a", "1", remove=["colour"])
        assert names(found_by(lambda: entries.query("blue", index="by-colour"), 0)) == []
        entries.put({"owner": "a", "name": "1", "colour": "green"})
        assert names(found_by(lambda: entries.query("green", index="by-colour"), 1)) == ["1"]
        assert names(found_by(lambda: entries.query("s", index="by-shelf"), 0)) == []
        entries.delete("a", "1")
        assert names(found_by(lambda: entries.query("green", index="by-colour"), 0)) == []

    def test_rows_of_one_index_place_are_all_found(self, cloud: Cloud) -> None:
        for i in range(12):
            entries.put({"owner": f"{i:02d}", "name": "same", "colour": "red", "shelf": "s", "place": "p"})
        found_by(lambda: entries.query("red", index="by-colour"), 12)
        for index, key in (("by-colour", "red"), ("by-shelf", "s")):
            for reverse in (False, True):
                rows = paged(entries.query(key, index=index, reverse=reverse), 5)
                assert sorted(row["owner"] for row in rows) == [f"{i:02d}" for i in range(12)]

    # Expiry

    def test_an_expired_row_is_never_returned(self, cloud: Cloud) -> None:
        past, future = (
            datetime.now(UTC) - timedelta(seconds=2),
            datetime.now(UTC) + timedelta(hours=1),
        )
        for name, expires_at in (("old", past), ("new", future), ("ever", None)):
            entries.put({"owner": "a", "name": name, "colour": "red"}, expires_at=expires_at)
        assert entries.get("a", "old") is None
        assert names(entries.query("a")) == ["ever", "new"]
        assert names(found_by(lambda: entries.query("red", index="by-colour"), 2)) == ["ever", "new"]
        assert sorted(names(entries.scan())) == ["ever", "new"]
        assert len(entries.query("a").page(2).items) == 2

    def test_an_expired_row_counts_as_absent(self, cloud: Cloud) -> None:
        past = datetime.now(UTC) - timedelta(seconds=2)
        for attempt in (
            lambda: records.update("1", set={"a": 1}),
            lambda: records.update("1", set={"a": 1}, if_match={"n": 1}),
            lambda: records.put({"id": "1"}, if_match={"n": 1}),
            lambda: records.delete("1", if_match={"n": 1}),
        ):
            records.put({"id": "1", "n": 1}, expires_at=past)
            with pytest.raises((NotFound, Conflict)):
                attempt()
            assert records.get("1") is None
        records.put({"id": "1", "n": 1}, expires_at=past)
        records.put({"id": "1", "n": 2}, if_absent=True)
        assert records.get("1") == {"id": "1", "n": 2}

    def test_put_replaces_the_expiry_and_update_keeps_it(self, cloud: Cloud) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=1)
        records.put({"id": "kept"}, expires_at=soon)
        records.put({"id": "gone"}, expires_at=soon)
        records.put({"id": "kept", "n": 1})
        records.update("gone", set={"n": 1})
        assert records.get("kept") == {"id": "kept", "n": 1}
        while datetime.now(UTC) <= soon + timedelta(milliseconds=50):
            records.get("kept")
        assert records.get("gone") is None
        assert records.get("kept") == {"id": "kept", "n": 1}

    def test_the_async_twins_do_the_same(self, cloud: Cloud) -> None:
        async def all_of_them() -> None:
            await records.aput({"id": "1", "n": 1})
            assert await records.aget("1") == {"id": "1", "n": 1}
            assert await records.aupdate("1", increment={"n": 1}) == {"id": "1", "n": 2}
            with pytest.raises(Conflict):
                await records.aput({"id": "1"}, if_absent=True)
            await entries.aput({"owner": "a", "name": "b"})
            assert [row async for row in entries.aquery("a")] == [{"owner": "a", "name": "b"}]
            assert (await entries.ascan().apage(5)).items == [{"owner": "a", "name": "b"}]
            await records.adelete("1")
            assert await records.aget("1") is None

        asyncio.run(all_of_them())

    def fill(self) -> None:
        for name in SORT_KEYS:
            entries.put({"owner": "me", "name": name})
        for other in ("m", "me2", "Me"):
            entries.put({"owner": other, "name": "a"})


def same(left: object, right: object) -> bool:
    """Equal, types and offsets of times included."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left == right and left.utcoffset() == right.utcoffset()
    if isinstance(left, float) and isinstance(right, float) and left == right == 0:
        return math.copysign(1, left) == math.copysign(1, right)
    return type(left) is type(right) and left == right


def names(rows: Any) -> list[str]:
    return [row["name"] for row in rows]


def paged(listing: Pages[Row], size: int) -> list[Row]:
    rows: list[Row] = []
    cursor: str | None = None
    while True:
        page = listing.page(size, cursor)
        assert len(page.items) <= size
        rows += page.items
        cursor = page.cursor
        if cursor is None:
            return rows


def found_by(query: Callable[[], Pages[Row]], count: int) -> list[Row]:
    """An index may lag a moment: asks until it has that many rows."""
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    rows = list(query())
    while len(rows) != count and datetime.now(UTC) < deadline:
        rows = list(query())
    assert len(rows) == count
    return rows


def winners(write: Callable[[int], object], writers: int = 8) -> int:
    """How many of several writers at once got through without a Conflict."""
    start = Barrier(writers)

    def attempt(writer: int) -> bool:
        start.wait()
        try:
            write(writer)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        return sum(pool.map(attempt, range(writers)))


def put_if_absent(key: str, writer: int) -> None:
    records.put({"id": key, "by": writer}, if_absent=True)


def update_version(version: int, writer: int) -> None:
    records.update("1", set={"version": version + 1, "by": writer}, if_match={"version": version})
