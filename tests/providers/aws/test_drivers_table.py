"""Rows of DynamoDB, where its ways are not the portable table's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from faasbridge.drivers import Binding
from faasbridge.errors import Conflict, NotFound, PayloadTooLarge
from faasbridge_aws.attribute_value import EXPIRY
from faasbridge_aws.drivers.table import TableDriver

sys.path.insert(0, str(Path(__file__).parent))
from services import Services


@pytest.fixture
def table(aws: Services) -> TableDriver:
    options = {"key": "id", "indexes": {"by-shelf": ("shelf", "place")}, "clients": aws.clients}
    address = aws.table("id", {"by-shelf": ("shelf", "place")})
    return TableDriver(Binding("aws", "shop", "test", "table", "photos", options, address))


def put(table: TableDriver, **row: Any) -> None:
    table.put({"id": "1", **row}, False, None, None)


@pytest.mark.parametrize(
    ("stored", "expected", "met"),
    [
        (1, 1.0, True),
        (1.0, 1, True),
        (0, -0.0, True),
        (True, 1, False),
        (1, True, False),
        ([1, {"a": 2}], (1.0, {"a": 2.0}), True),
        ([1], [True], False),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))), True),
        (float("nan"), float("nan"), False),
        ("", None, False),
        (None, None, True),
    ],
)
@pytest.mark.parametrize("operation", ["put", "update", "delete"])
def test_values_compare_as_in_python(table: TableDriver, stored: Any, expected: Any, met: bool, operation: str) -> None:
    put(table, x=stored)
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: table.put({"id": "1"}, False, {"x": expected}, None),
        "update": lambda: table.update("1", None, {"y": 1}, {}, (), {"x": expected}),
        "delete": lambda: table.delete("1", None, {"x": expected}),
    }
    if met:
        calls[operation]()
    else:
        with pytest.raises(Conflict, match=r"'x' (of row '1' of table 'photos' is not|is compared with nan)"):
            calls[operation]()


def test_conditions_need_no_right_to_read(table: TableDriver, aws: Services) -> None:
    def refused(**_: object) -> None:
        raise AssertionError("GetItem was called")

    events = table.client.meta.events
    events.register("before-call.dynamodb.GetItem", refused, unique_id="refused")
    try:
        put(table, n=1.0)
        table.put({"id": "1", "n": 2.0}, False, {"n": 1}, None)
        table.delete("1", None, {"n": 2})
        with pytest.raises(Conflict):
            table.put({"id": "1"}, False, {"n": 2}, None)
    finally:
        events.unregister("before-call.dynamodb.GetItem", unique_id="refused")


def test_a_field_of_an_index_may_be_none(table: TableDriver) -> None:
    put(table, shelf=None, place="p", n=1)
    assert table.get("1", None) == {"id": "1", "shelf": None, "place": "p", "n": 1}
    assert table.update("1", None, {"shelf": "s"}, {}, (), {"shelf": None})["shelf"] == "s"
    assert [row["n"] for row in table.query("s", "by-shelf", None, None, False, 10, None).items] == [1]
    row = table.update("1", None, {"shelf": None}, {}, ("place",), None)
    assert row == table.get("1", None) == {"id": "1", "shelf": None, "n": 1}
    assert table.update("1", None, {"place": None}, {}, (), None) == {"id": "1", "shelf": None, "place": None, "n": 1}
    assert table.update("1", None, {}, {}, ("place", "shelf"), None) == {"id": "1", "n": 1}
    assert table.query("s", "by-shelf", None, None, False, 10, None).items == []


@pytest.mark.parametrize(
    ("number", "by", "total"),
    [(1, 2, 3), (1, 0.5, 1.5), (1.5, 0.5, 2.0), (1.0, 1, 2.0), (1.5, 1, 2.5), (None, 1.0, 1.0), (2**53 - 1, 1, 2**53)],
)
def test_sums_have_the_type_that_python_gives_them(table: TableDriver, number: Any, by: Any, total: Any) -> None:
    put(table, **({} if number is None else {"n": number}))
    row = table.update("1", None, {}, {"n": by}, (), None)
    assert (row["n"], type(row["n"])) == (total, type(total))
    assert table.get("1", None) == row


@pytest.mark.parametrize(("number", "by"), [(2**53, 1), (-(2**53), -1), (1, 2**53)])
def test_a_sum_beyond_what_stays_exact_is_refused(table: TableDriver, number: int, by: int) -> None:
    put(table, n=number)
    with pytest.raises(ValueError, match=r"2\*\*53"):
        table.update("1", None, {}, {"n": by}, (), None)
    assert table.get("1", None) == {"id": "1", "n": number}


def test_concurrent_sums_of_floats_lose_nothing(table: TableDriver) -> None:
    put(table, n=0.0)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: table.update("1", None, {}, {"n": 0.5}, (), None), range(60)))
    assert table.get("1", None) == {"id": "1", "n": 30.0}


def test_time_to_live_is_in_whole_seconds_after_the_expiry(table: TableDriver) -> None:
    soon = datetime.now(UTC).replace(microsecond=1) + timedelta(hours=1)
    table.put({"id": "1"}, False, None, soon)
    item = table.client.get_item(TableName=table._table, Key={"id": {"S": "1"}})["Item"]
    assert item[EXPIRY] == {"N": str(int(soon.timestamp()) + 1)}
    assert table.get("1", None) == {"id": "1"}


def test_a_row_that_dynamodb_does_not_take_is_too_large(table: TableDriver) -> None:
    with pytest.raises(PayloadTooLarge, match=r"table 'photos'.*bucket"):
        put(table, text="x" * 410 * 1024)


def test_a_cursor_is_good_for_its_listing_only(table: TableDriver) -> None:
    for i in range(3):
        table.put({"id": str(i), "shelf": "s", "place": str(i)}, False, None, None)
    page = table.query("s", "by-shelf", None, None, False, 1, None)
    assert page.cursor is not None
    rest = table.query("s", "by-shelf", None, None, False, 5, page.cursor)
    assert ([row["place"] for row in rest.items], rest.cursor) == (["1", "2"], None)
    others: list[Callable[[], object]] = [
        lambda: table.scan(1, page.cursor),
        lambda: table.query("s", "by-shelf", None, None, True, 1, page.cursor),
    ]
    for other in others:
        with pytest.raises(ValueError, match="none of this listing"):
            other()


def test_a_table_that_is_not_there_is_said_to_be_missing(aws: Services) -> None:
    options = {"key": "id", "clients": aws.clients}
    missing = TableDriver(Binding("aws", "shop", "test", "table", "photos", options, "no-such-table"))
    with pytest.raises(NotFound, match="table 'photos' does not exist in AWS"):
        missing.get("1", None)
