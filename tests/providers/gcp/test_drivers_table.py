"""Rows of Firestore, on Google's emulator, where its ways are not the portable table's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from faasbridge.drivers import Binding
from faasbridge.errors import Conflict, PayloadTooLarge
from faasbridge_gcp.drivers.clients import Clients
from faasbridge_gcp.drivers.table import TableDriver
from faasbridge_gcp.firestore_value import EXPIRY

sys.path.insert(0, str(Path(__file__).parent))
from simulated_cloud import PROJECT, SimulatedCloud

Make = Callable[..., TableDriver]
_numbers = count()


@pytest.fixture(scope="module")
def clients(cloud: SimulatedCloud) -> Clients:
    return Clients(project=PROJECT, endpoints=dict(cloud.server.details))


@pytest.fixture
def make(clients: Clients) -> Make:
    """A table of its own, empty."""
    collection = f"photos{next(_numbers)}"

    def make(**options: Any) -> TableDriver:
        address = f"projects/{PROJECT}/databases/shop-test/documents/{collection}"
        return TableDriver(
            Binding("gcp", "shop", "test", "table", "photos", {"key": "id", "clients": clients, **options}, address)
        )

    return make


@pytest.fixture
def table(make: Make) -> TableDriver:
    return make(indexes={"by-shelf": ("shelf", "place")})


def put(table: TableDriver, **row: Any) -> None:
    table.put({"id": "1", **row}, False, None, None)


@pytest.mark.parametrize(
    ("stored", "expected", "met"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (True, 1, False),
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
        with pytest.raises(Conflict, match=r"'x' of row '1' of table 'photos' is not"):
            calls[operation]()


def test_a_row_replaces_all_of_the_one_before(table: TableDriver) -> None:
    put(table, **{"a": 1, "b.c": {"d": 1}, "`": 1, "__x__": 1, "$fb:y": 1, "": 1})
    new = {"id": "1", "b.c": {"e": 2}, "`": [2], "__x__": 2}
    table.put(new, False, {"a": 1}, None)
    assert table.get("1", None) == new
    assert table.update("1", None, {"b.c": 3}, {}, ("`", "__x__"), None) == {"id": "1", "b.c": 3}
    assert table.get("1", None) == {"id": "1", "b.c": 3}


def test_an_expired_row_is_absent_and_keeps_nothing(table: TableDriver) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    table.put({"id": "1", "old": 1}, False, None, past)
    assert table.get("1", None) is None
    with pytest.raises(Conflict, match="no row '1'"):
        table.put({"id": "1"}, False, {"old": 1}, None)
    table.put({"id": "1", "new": 1}, True, None, None)
    assert table.get("1", None) == {"id": "1", "new": 1}
    with pytest.raises(Conflict, match="already"):
        table.put({"id": "1"}, True, None, None)


def test_the_expiry_is_a_timestamp_to_the_microsecond(table: TableDriver) -> None:
    soon = datetime.now(UTC).replace(microsecond=1) + timedelta(hours=1)
    table.put({"id": "1"}, False, None, soon)
    assert table._rows.document("1").get().to_dict()[EXPIRY] == soon
    table.update("1", None, {"x": 1}, {}, (), None)
    assert table._rows.document("1").get().to_dict()[EXPIRY] == soon


def test_only_texts_are_in_an_index(table: TableDriver) -> None:
    for id, place in enumerate(("b", None, 3, "", "a")):
        table.put({"id": str(id), "shelf": "s", "place": place}, False, None, None)
    table.put({"id": "9", "shelf": "s"}, False, None, None)
    for reverse, places in ((False, ["", "a", "b"]), (True, ["b", "a", ""])):
        found = table.query("s", "by-shelf", None, None, reverse, 10, None).items
        assert [row["place"] for row in found] == places


@pytest.mark.parametrize(
    "prefix", ["", "a", "\u00ff", "\ud7ff", "\uffff", "\U0010ffff", "a\U0010ffff", "\U0001f600"], ids=ascii
)
def test_prefixes_end_where_they_should(make: Make, prefix: str) -> None:
    table = make(sort_key="at")
    ends = ["", "a", "a\U0010ffffb", "b", "\u00ff1", "\ud7ff", "\ud7ff1", "\ue000", "\uffff1", "\U0001f6001"]
    ends += ["\U0001f601", "\U0010ffff", "\U0010ffff1"]
    for end in ends:
        table.put({"id": "1", "at": end}, False, None, None)
    found = [row["at"] for row in table.query("1", None, prefix, None, False, 50, None).items]
    assert found == sorted(end for end in ends if end.startswith(prefix))


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_of_one_place_are_paged_without_loss(table: TableDriver, reverse: bool) -> None:
    for id in range(7):
        table.put({"id": f"{id}/x", "shelf": "s", "place": "p"}, False, None, None)
    found: list[str] = []
    cursor = None
    for _ in range(10):
        page = table.query("s", "by-shelf", None, ("p", "p"), reverse, 2, cursor)
        found += [row["id"] for row in page.items]
        if (cursor := page.cursor) is None:
            break
    assert found == sorted((f"{id}/x" for id in range(7)), reverse=reverse)


def test_expired_rows_do_not_end_a_page(table: TableDriver) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    for id in range(6):
        table.put({"id": str(id)}, False, None, past if id < 4 else None)
    page = table.scan(1, None)
    assert ([row["id"] for row in page.items], page.cursor is None) == (["4"], False)
    page = table.scan(1, page.cursor)
    assert ([row["id"] for row in page.items], page.cursor) == (["5"], None)


def test_concurrent_sums_lose_nothing(table: TableDriver) -> None:
    put(table, n=0)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: table.update("1", None, {}, {"n": 1}, (), None), range(60)))
    assert table.get("1", None) == {"id": "1", "n": 60}


def test_a_sum_of_what_is_no_number_is_refused(table: TableDriver) -> None:
    put(table, n=True)
    with pytest.raises(Conflict, match="no number"):
        table.update("1", None, {}, {"n": 1}, (), None)


def test_a_row_that_firestore_does_not_take_is_too_large(table: TableDriver) -> None:
    with pytest.raises(PayloadTooLarge, match=r"table 'photos'.*bucket"):
        put(table, text="x" * 1_100_000)


def test_a_cursor_is_good_for_its_listing_only(table: TableDriver) -> None:
    for id in range(3):
        table.put({"id": str(id), "shelf": "s", "place": str(id)}, False, None, None)
    page = table.query("s", "by-shelf", None, None, False, 1, None)
    others: list[Callable[[], object]] = [
        lambda: table.scan(1, page.cursor),
        lambda: table.query("s", "by-shelf", None, None, True, 1, page.cursor),
    ]
    for other in others:
        with pytest.raises(ValueError, match="none of this listing"):
            other()
