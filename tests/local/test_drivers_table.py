"""Tables on the embedded provider, against what `faasbridge.drivers.TableDriver` promises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from faasbridge import App, Change, Conflict, NotFound, PayloadTooLarge
from faasbridge.codec import loads
from faasbridge.event_json import from_dict
from faasbridge.local.bind import driver_of
from faasbridge.local.cursors import after_prefix
from faasbridge.local.store import Store, shared
from faasbridge.resources import Table

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = shared(tmp_path)
    yield store
    store.close()


@pytest.fixture
def app(store: Store) -> App:
    app = App("app")

    @app.table("rows", key="id").on_change
    def changed(change: Change) -> None: ...

    app.table("sorted", key="id", sort_key="at", indexes={"by_owner": ("owner", "name")})
    store.subscribe(app.spec())
    app.bound = driver_of("app", "dev", store.folder)
    return app


@pytest.fixture
def rows(app: App) -> Table:
    return app.resources["table", "rows"]  # type: ignore[return-value]


@pytest.fixture
def by_time(app: App) -> Table:
    return app.resources["table", "sorted"]  # type: ignore[return-value]


def changes(store: Store) -> list[Change]:
    found = [from_dict(loads(d.event)) for d in store.ready("function:changed", 1000, 1e12)]
    assert all(isinstance(event, Change) for event in found)
    return found  # type: ignore[return-value]


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False),
        st.text(),
        st.binary(),
        st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(fold=0)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)
ROWS = st.dictionaries(st.text(), VALUES, max_size=4)
TEXT = st.text(min_size=1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=TEXT, sort=TEXT, row=ROWS)
def test_a_row_comes_back_exactly(by_time: Table, key: str, sort: str, row: dict[str, Any]) -> None:
    row = {**row, "id": key, "at": sort, "owner": "o", "name": "n"}
    by_time.put(row)
    assert repr(by_time.get(key, sort)) == repr(row)
    assert repr(row) in map(repr, by_time.query(key))
    assert repr(row) in map(repr, by_time.query("o", index="by_owner"))
    assert repr(row) in map(repr, by_time.scan())


class TestPut:
    def test_replaces_the_whole_row(self, rows: Table) -> None:
        rows.put({"id": "1", "a": 1})
        rows.put({"id": "1", "b": 2})
        assert rows.get("1") == {"id": "1", "b": 2}
        assert rows.get("2") is None

    def test_if_absent(self, rows: Table) -> None:
        rows.put({"id": "1", "a": 1}, if_absent=True)
        with pytest.raises(Conflict, match="table 'rows' has a row '1' already"):
            rows.put({"id": "1", "a": 2}, if_absent=True)
        assert rows.get("1") == {"id": "1", "a": 1}

    def test_if_match_needs_a_row(self, rows: Table) -> None:
        with pytest.raises(Conflict, match="table 'rows' has no row '1' to compare with"):
            rows.put({"id": "1"}, if_match={"a": None})
        assert rows.get("1") is None

    def test_a_row_over_the_floor_is_refused_as_a_whole(self, app: App, store: Store) -> None:
        app.bound = driver_of("app", "dev", store.folder, options={"max_item_bytes": 1000})
        rows: Table = app.resources["table", "rows"]  # type: ignore[assignment]
        rows.put({"id": "1", "data": "x" * 900})
        with pytest.raises(
            PayloadTooLarge, match=r"table 'rows': a row of 1,\d\d\d bytes; the app's targets take 1,000"
        ):
            rows.put({"id": "1", "data": "é" * 500})
        with pytest.raises(PayloadTooLarge):
            rows.update("1", set={"more": "x" * 500})
        assert rows.get("1") == {"id": "1", "data": "x" * 900}
        assert len(changes(store)) == 1


@pytest.mark.parametrize(
    ("stored", "given", "fits"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1.0, 1, True),
        (1, True, False),
        (False, 0, False),
        (True, True, True),
        (None, None, True),
        (0, None, False),
        ("1", 1, False),
        (b"a", "a", False),
        ([1, {"a": (2,)}], (1.0, {"a": [2]}), True),
        ([1], [True], False),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        (PAST, PAST.astimezone(), True),
        ({"$fb:bytes": "x"}, {"$fb:bytes": "x"}, True),
    ],
)
def test_a_condition_compares_as_python_does_but_for_booleans(rows: Table, stored: Any, given: Any, fits: bool) -> None:
    rows.put({"id": "1", "f": stored})
    if fits:
        rows.update("1", set={"met": True}, if_match={"f": given})
    else:
        with pytest.raises(Conflict, match="'f' of row '1' of table 'rows' is not"):
            rows.update("1", set={"met": True}, if_match={"f": given})
    row = rows.get("1")
    assert row is not None
    assert ("met" in row) == fits


def test_a_condition_on_none_is_met_by_a_missing_field(rows: Table) -> None:
    rows.put({"id": "1"})
    rows.update("1", set={"lock": "me"}, if_match={"lock": None})
    with pytest.raises(Conflict):
        rows.update("1", set={"lock": "you"}, if_match={"lock": None})
    rows.delete("1", if_match={"lock": "me"})
    with pytest.raises(Conflict):
        rows.delete("1", if_match={"lock": "me"})
    rows.delete("1")


class TestUpdate:
    def test_sets_increments_and_removes_in_one_step(self, rows: Table) -> None:
        rows.put({"id": "1", "a": 1, "n": 2, "x": 0.5})
        new = rows.update("1", set={"a": [b"x"]}, increment={"n": 3, "x": 0.25, "fresh": 7}, remove=["nothing"])
        assert new == {"id": "1", "a": [b"x"], "n": 5, "x": 0.75, "fresh": 7} == rows.get("1")
        assert rows.update("1", remove=["a", "x"]) == {"id": "1", "n": 5, "fresh": 7}

    def test_of_a_missing_row(self, rows: Table) -> None:
        with pytest.raises(NotFound, match="table 'rows' has no row '1'"):
            rows.update("1", set={"a": 1})
        with pytest.raises(Conflict):
            rows.update("1", set={"a": 1}, if_match={"a": None})
        assert rows.get("1") is None

    @pytest.mark.parametrize("value", ["1", None, True, [1]])
    def test_of_what_is_no_number(self, rows: Table, value: object) -> None:
        rows.put({"id": "1", "n": value})
        with pytest.raises(Conflict, match=r"'n' of row '1' is .*, no number to increment"):
            rows.update("1", increment={"n": 1})

    def test_that_cannot_be_stored_changes_nothing(self, rows: Table, store: Store) -> None:
        rows.put({"id": "1", "n": 2**53})
        with pytest.raises(ValueError, match=r"integers must lie within 2\*\*53"):
            rows.update("1", set={"a": 1}, increment={"n": 1})
        with pytest.raises(TypeError, match="cannot be stored"):
            rows.update("1", set={"a": object()})
        assert rows.get("1") == {"id": "1", "n": 2**53}
        assert len(changes(store)) == 1


class TestExpiry:
    def test_hides_a_row_everywhere(self, by_time: Table) -> None:
        row = {"id": "1", "at": "x", "owner": "o", "name": "n"}
        by_time.put(row, expires_at=PAST)
        assert by_time.get("1", "x") is None
        assert [*by_time.query("1"), *by_time.query("o", index="by_owner"), *by_time.scan()] == []
        with pytest.raises(NotFound):
            by_time.update("1", "x", set={"a": 1})
        with pytest.raises(Conflict):
            by_time.put(row, if_match={"owner": "o"})
        with pytest.raises(Conflict):
            by_time.delete("1", "x", if_match={"owner": "o"})
        by_time.put(row, if_absent=True)
        assert by_time.get("1", "x") == row

    def test_is_kept_by_update_and_replaced_by_put(self, rows: Table, store: Store) -> None:
        rows.put({"id": "1"}, expires_at=soon())
        rows.update("1", set={"a": 1})
        assert store.expire_rows(time.time() + 7200) == 1
        rows.put({"id": "1"}, expires_at=soon())
        rows.put({"id": "1"})
        assert store.expire_rows(time.time() + 7200) == 0
        assert rows.get("1") == {"id": "1"}

    def test_is_a_delete_for_the_handlers_once(self, rows: Table, store: Store) -> None:
        rows.put({"id": "1", "a": 1}, expires_at=PAST)
        rows.put({"id": "2"}, expires_at=soon())
        assert [store.expire_rows(time.time()) for _ in range(2)] == [1, 0]
        first, _, last = changes(store)
        assert (first.kind, first.new) == ("insert", {"id": "1", "a": 1})
        assert (last.kind, last.key, last.old, last.new) == ("delete", "1", {"id": "1", "a": 1}, None)

    def test_of_a_row_that_is_written_again_comes_before_the_new_row(self, rows: Table, store: Store) -> None:
        rows.put({"id": "1", "a": 1}, expires_at=PAST)
        rows.put({"id": "1", "a": 2})
        assert [(c.kind, c.old, c.new) for c in changes(store)[1:]] == [
            ("delete", {"id": "1", "a": 1}, None),
            ("insert", None, {"id": "1", "a": 2}),
        ]
        assert store.expire_rows(time.time()) == 0

    def test_goes_in_small_steps(self, rows: Table, store: Store) -> None:
        for i in range(250):
            rows.put({"id": f"{i}"}, expires_at=PAST)
        assert [store.expire_rows(time.time()) for _ in range(3)] == [200, 50, 0]


class TestChanges:
    def test_have_old_and_new(self, rows: Table, store: Store) -> None:
        rows.put({"id": "1", "a": b"x"})
        rows.update("1", increment={"n": 1})
        rows.delete("1")
        rows.delete("1")
        one, two = {"id": "1", "a": b"x"}, {"id": "1", "a": b"x", "n": 1}
        found = changes(store)
        assert [(c.table, c.key, c.kind, c.old, c.new) for c in found] == [
            ("rows", "1", "insert", None, one),
            ("rows", "1", "update", one, two),
            ("rows", "1", "delete", two, None),
        ]
        assert len({c.id for c in found}) == 3
        assert all(c.time is not None and abs(c.time.timestamp() - time.time()) < 60 for c in found)

    def test_do_not_come_where_nothing_changed(self, rows: Table, store: Store) -> None:
        rows.put({"id": "1", "a": 1})
        rows.put({"id": "1", "a": 1})
        rows.update("1", set={"a": 1})
        assert [c.kind for c in changes(store)] == ["insert"]


class TestIndex:
    def test_that_is_declared_later_has_the_rows_of_before(self, store: Store) -> None:
        def app(**indexes: tuple[str, str]) -> Table:
            app = App("app")
            table: Table = app.table("later", key="id", indexes=indexes)
            store.subscribe(app.spec())
            app.bound = driver_of("app", "dev", store.folder)
            return table

        app().put({"id": "1", "a": "x", "b": "y"})
        table = app(by_a=("a", "b"))
        assert [row["id"] for row in table.query("x", index="by_a")] == ["1"]
        assert [row["id"] for row in app(by_a=("b", "a")).query("y", index="by_a")] == ["1"]

    def test_follows_the_row(self, by_time: Table) -> None:
        def found(owner: str) -> list[str]:
            return [row["name"] for row in by_time.query(owner, index="by_owner")]

        by_time.put({"id": "1", "at": "x", "owner": "o", "name": "b"})
        by_time.put({"id": "2", "at": "x", "owner": "o", "name": "a"})
        by_time.put({"id": "3", "at": "x", "owner": "o"})
        assert found("o") == ["a", "b"]
        by_time.update("1", "x", set={"owner": "p"})
        assert (found("o"), found("p")) == (["a"], ["b"])
        by_time.update("1", "x", remove=["name"])
        by_time.delete("2", "x")
        assert (found("o"), found("p")) == ([], [])


SHORT = st.text(st.sampled_from("ab\x00é￿𐀀\U0010ffff\ud7ff\ue000"), min_size=1, max_size=3)
FEW = st.sampled_from(["p", "q"])


def test_behaves_like_a_dict_sorted_by_code_points(by_time: Table, store: Store) -> None:
    class Model(RuleBasedStateMachine):
        @initialize()
        def empty(self) -> None:
            store.reset()
            self.model: dict[tuple[str, str], dict[str, Any]] = {}

        @rule(key=FEW, sort=SHORT, owner=st.one_of(st.none(), FEW), name=SHORT)
        def put(self, key: str, sort: str, owner: str | None, name: str) -> None:
            row = {"id": key, "at": sort, "owner": owner, "name": name}
            by_time.put(row)
            self.model[key, sort] = row

        @rule(key=FEW, sort=SHORT, name=SHORT)
        def update(self, key: str, sort: str, name: str) -> None:
            if (key, sort) in self.model:
                self.model[key, sort]["name"] = name
                assert by_time.update(key, sort, set={"name": name}) == self.model[key, sort]
            else:
                with pytest.raises(NotFound):
                    by_time.update(key, sort, set={"name": name})

        @rule(key=FEW, sort=SHORT)
        def delete(self, key: str, sort: str) -> None:
            by_time.delete(key, sort)
            self.model.pop((key, sort), None)

        @rule(
            key=FEW,
            indexed=st.booleans(),
            narrow=st.one_of(st.none(), SHORT, st.tuples(SHORT, SHORT)),
            reverse=st.booleans(),
            size=st.integers(1, 3),
        )
        def query(self, key: str, indexed: bool, narrow: Any, reverse: bool, size: int) -> None:
            begins_with = narrow if isinstance(narrow, str) else None
            between = narrow if isinstance(narrow, tuple) else None
            index = "by_owner" if indexed else None
            pages = by_time.query(key, index=index, begins_with=begins_with, between=between, reverse=reverse)
            cursor, found = None, []
            while True:
                page = pages.page(size, cursor)
                found += page.items
                cursor = page.cursor
                if cursor is None:
                    break
            key_field, sort_field = ("owner", "name") if indexed else ("id", "at")
            expected = [
                row
                for row in self.model.values()
                if row[key_field] == key
                and row[sort_field].startswith(begins_with or "")
                and (between is None or between[0] <= row[sort_field] <= between[1])
            ]
            expected.sort(key=lambda row: (row[sort_field], row["id"], row["at"]), reverse=reverse)
            assert found == expected

        @invariant()
        def same(self) -> None:
            if hasattr(self, "model"):
                assert {(row["id"], row["at"]): row for row in by_time.scan()} == self.model

    run_state_machine_as_test(Model, settings=settings(max_examples=40, stateful_step_count=20, deadline=None))


@given(st.text(min_size=1), st.text())
def test_a_prefix_is_a_half_open_range(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    assert text.startswith(prefix) == (prefix <= text and (end is None or text < end))
    assert prefix <= prefix + text
    assert end is None or prefix + text < end
    if end is not None:
        end.encode()


@pytest.mark.parametrize(
    ("prefix", "end"),
    [("a", "b"), ("a\U0010ffff", "b"), ("\U0010ffff", None), ("\ud7ff", "\ue000"), ("￿", "\U00010000"), ("", None)],
)
def test_the_end_of_a_prefix(prefix: str, end: str | None) -> None:
    assert after_prefix(prefix) == end


def test_a_cursor_of_another_query_is_refused(by_time: Table) -> None:
    for i in range(3):
        by_time.put({"id": "p", "at": f"{i}", "owner": "o", "name": "n"})
    cursor = by_time.query("p").page(1).cursor
    for pages in (
        by_time.query("q"),
        by_time.query("p", reverse=True),
        by_time.query("p", begins_with="0"),
        by_time.scan(),
    ):
        with pytest.raises(ValueError, match="the cursor is none of this listing"):
            pages.page(1, cursor)
    assert [row["at"] for row in by_time.query("p").page(5, cursor).items] == ["1", "2"]


def test_tables_of_one_app_are_apart(rows: Table, by_time: Table) -> None:
    by_time.put({"id": "1", "at": "x"})
    assert rows.get("1") is None
    assert list(rows.scan()) == []
