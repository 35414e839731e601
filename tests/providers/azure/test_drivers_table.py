"""What the driver of tables does besides the conformance suite: documents of changes, expiry, faults."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import Change
from faasbridge.drivers import Binding
from faasbridge.errors import Conflict, NotFound, Throttled
from faasbridge_azure import events, rows
from faasbridge_azure.drivers.table import TableDriver

if TYPE_CHECKING:
    from emulated_services import Services

RETRY_WITH = 449
SOON = timedelta(hours=1)


def driver(address: str, services: Services, sort_key: str | None = None) -> TableDriver:
    options = {"key": "id", "sort_key": sort_key, "clients": services.clients}
    return TableDriver(Binding("azure", "shop", "test", "table", "photos", options, address))


@pytest.fixture
def address(services: Services) -> str:
    return services.table(changes=True)


@pytest.fixture
def table(services: Services, address: str) -> TableDriver:
    return driver(address, services)


def changes(services: Services, address: str) -> list[Change[Any]]:
    """What the change feed tells of the table."""
    found = events.decode(services.documents(address))
    assert all(isinstance(event, Change) for event in found)
    return found  # type: ignore[return-value]


def seen(services: Services, address: str) -> list[tuple[str, Any, Any]]:
    return [(change.kind, change.old, change.new) for change in changes(services, address)]


def put(table: TableDriver, n: int, **options: Any) -> None:
    table.put({"id": "1", "n": n}, **{"if_absent": False, "if_match": None, "expires_at": None, **options})


def test_each_write_tells_the_old_row_and_the_new(services: Services, table: TableDriver, address: str) -> None:
    put(table, 1)
    put(table, 2)
    table.update("1", None, {"b": b"\x00"}, {"n": 1}, (), None)
    table.delete("1", None, None)
    last = {"id": "1", "n": 3, "b": b"\x00"}
    assert seen(services, address) == [
        ("insert", None, {"id": "1", "n": 1}),
        ("update", {"id": "1", "n": 1}, {"id": "1", "n": 2}),
        ("update", {"id": "1", "n": 2}, last),
        ("delete", last, None),
    ]
    found = changes(services, address)
    assert len({change.id for change in found}) == 4
    assert {(change.table, change.key, change.provider) for change in found} == {("photos", "1", "azure")}


def test_a_write_that_changes_nothing_tells_nothing(services: Services, table: TableDriver, address: str) -> None:
    table.delete("1", None, None)
    put(table, 1, expires_at=datetime.now(UTC) + SOON)
    expires_at = datetime.now(UTC) + SOON
    put(table, 1, expires_at=expires_at)
    before = len(services.documents(address))
    put(table, 1, expires_at=expires_at)
    table.update("1", None, {"n": 1}, {}, ("none",), None)
    assert len(services.documents(address)) == before
    put(table, 1)
    table.put({"id": "1", "n": 1.0}, False, None, None)
    assert len(changes(services, address)) == 4


def test_a_row_over_an_expired_one_is_an_insert(services: Services, table: TableDriver, address: str) -> None:
    put(table, 1, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    put(table, 2, if_absent=True)
    table.delete("1", None, None)
    put(table, 3, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    table.delete("1", None, None)
    assert [kind for kind, _, _ in seen(services, address)] == ["insert", "insert", "delete", "insert"]


def test_a_condition_that_is_not_met_tells_nothing(services: Services, table: TableDriver, address: str) -> None:
    put(table, 1)
    for write in (
        lambda: put(table, 2, if_absent=True),
        lambda: put(table, 2, if_match={"n": 7}),
        lambda: table.update("1", None, {"n": 2}, {}, (), {"n": 7}),
        lambda: table.delete("1", None, {"n": 7}),
    ):
        with pytest.raises(Conflict):
            write()
    assert len(changes(services, address)) == 1
    assert table.get("1", None) == {"id": "1", "n": 1}


def test_of_many_writers_each_one_s_change_is_told_once(services: Services, table: TableDriver, address: str) -> None:
    put(table, 0)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: table.update("1", None, {}, {"n": 1}, (), None), range(30)))
    assert table.get("1", None) == {"id": "1", "n": 30}
    told = [(change.old or {}).get("n") for change in changes(services, address)]
    assert told == [None, *range(30)]


def test_a_table_without_handlers_writes_no_changes(services: Services) -> None:
    address = services.table()
    table = driver(address, services)
    put(table, 1)
    put(table, 2)
    table.delete("1", None, None)
    table.delete("1", None, None)
    assert [document["faasbridge"] for document in services.documents(address)] == ["row", "row"]


def test_documents_of_changes_are_no_rows(services: Services, table: TableDriver) -> None:
    put(table, 1)
    assert [row["n"] for row in table.scan(10, None).items] == [1]
    assert [row["n"] for row in table.query("1", None, None, None, False, 10, None).items] == [1]


def test_azure_deletes_a_row_after_its_time_and_changes_after_theirs(
    services: Services, table: TableDriver, address: str
) -> None:
    put(table, 1, expires_at=datetime.now(UTC) + SOON)
    row, change = services.documents(address)
    assert 3590 <= row["ttl"] <= 3601
    assert change["ttl"] == rows.CHANGE_LIFE_S
    put(table, 2, expires_at=datetime(9999, 1, 1, tzinfo=UTC))
    assert services.documents(address)[2]["ttl"] == 2**31 - 1


def refusal(status: int) -> Exception:
    from azure.cosmos.exceptions import CosmosHttpResponseError

    return CosmosHttpResponseError(status_code=status, message="busy")


def test_a_write_that_met_another_one_is_done_again(
    services: Services, monkeypatch: pytest.MonkeyPatch, table: TableDriver
) -> None:
    batch, refused = table.client.execute_item_batch, [RETRY_WITH, RETRY_WITH]

    def busy(*args: Any, **options: Any) -> Any:
        if refused:
            raise refusal(refused.pop())
        return batch(*args, **options)

    monkeypatch.setattr(table.client, "execute_item_batch", busy)
    put(table, 1)
    assert (table.get("1", None), refused) == ({"id": "1", "n": 1}, [])


@pytest.mark.parametrize("status", [408, 429, RETRY_WITH, 503])
def test_what_a_second_try_may_bring_is_throttling(
    services: Services, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def busy(*args: Any, **options: Any) -> Any:
        raise refusal(status)

    table = driver(services.table(), services)
    monkeypatch.setattr(table.client, "upsert_item", busy)
    with pytest.raises(Throttled, match=f"table 'photos': Azure throttles .{status}."):
        put(table, 1)


def test_a_container_that_is_not_there_is_named(services: Services, address: str) -> None:
    table = driver(address.replace("/colls/", "/colls/no-"), services)
    calls = (lambda: table.get("1", None), lambda: put(table, 1), lambda: table.delete("1", None, None))
    for call in calls:
        with pytest.raises(NotFound, match="table 'photos' does not exist in Azure"):
            call()


# How rows are kept

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.lists(st.tuples(texts, texts), max_size=6))
def test_places_are_in_the_order_of_code_points(pairs: list[tuple[str, str]]) -> None:
    places = {pair: rows.place(pair) for pair in pairs}
    assert sorted(places, key=lambda pair: places[pair]) == sorted(places)
    assert len(set(places.values())) == len(places)
    assert all(place.isascii() and place.isprintable() for place in places.values())


@given(texts, texts, texts, texts)
def test_bounds_hold_just_what_was_asked_for(sort: str, low: str, high: str, other: str) -> None:
    place = rows.place(("key", sort))

    def within(key: str, begins_with: str | None, between: tuple[str, str] | None) -> bool:
        start, end = rows.bounds(key, begins_with, between)
        return start <= place < end

    assert within("key", None, None)
    assert within("key", None, (low, high)) == (low <= sort <= high)
    assert within("key", low, None) == sort.startswith(low)
    assert within(other, None, None) == (other == "key")


@given(st.lists(texts | st.text("ab ", min_size=240, max_size=260), unique=True))
def test_ids_differ_as_sort_keys_do(sorts: list[str]) -> None:
    ids = {rows.id_of(sort) for sort in sorts}
    assert len(ids) == len(sorts)
    assert not any(set("/\\?#").intersection(id) or len(id.encode()) > 1023 or id != id.strip() for id in ids)


def test_a_row_that_is_written_again_has_its_places_and_keeps_the_rest() -> None:
    old, new = rows.Indexes({"by": ("colour", "id")}), rows.Indexes({"by": ("size", "id"), "of": ("none", "id")})
    row = {"id": "1", "part": "p", "colour": "red", "size": "s"}
    there = rows.document(row, "1", "p", old, 1000.0, 100.0)
    again = rows.reindexed({**there, "_etag": "x"}, "part", new, 300.0)
    assert again["places"] == {
        **there["places"],
        new.ids["by"]: rows.place(("s", "1")) + there["place"],
    }
    assert again == {**there, "places": again["places"], "indexes": new.mark, "ttl": 700}


def test_a_row_is_expired_from_its_moment_on() -> None:
    document = rows.document({"id": "1"}, "1", None, rows.NO_INDEXES, 10.0, time.time())
    assert [rows.is_expired(document, now) for now in (9.999, 10.0, 11.0)] == [False, True, True]
