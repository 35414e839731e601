"""Rows survive Firestore exactly, and what Firestore refuses is never written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faasbridge import codec
from faasbridge.errors import InvalidEvent
from faasbridge_gcp.document_id import document_id, key_of
from faasbridge_gcp.firestore_value import (
    EXPIRY,
    fields_from_json,
    fields_to_row,
    from_json,
    row_to_fields,
    to_json,
    to_value,
)

text = st.text(st.characters(codec="utf-8"), max_size=8)
names = text | st.sampled_from(
    ["", "__x__", "__", "____", "$fb:list", "$fb:map", "$fb:time", "$fb:json", "$fb:=a", EXPIRY]
)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(),
    text,
    st.binary(max_size=8),
    st.datetimes(timezones=st.just(UTC) | zones, min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=15
)
rows = st.dictionaries(names, values, max_size=5)


def deep(levels: int, leaf: Any, wrap: Any) -> Any:
    for _ in range(levels):
        leaf = wrap(leaf)
    return leaf


def exact(value: Any) -> str:
    """Tells 1 from 1.0, -0.0 from 0.0 and one offset from another; a map has no order in Firestore."""
    return json.dumps(codec.encode(value), sort_keys=True)


DEEP = {"lists": deep(40, 1.5, lambda v: [v]), "maps": deep(40, b"x", lambda v: {"$fb:map": v})}


@given(rows)
@example(DEEP)
@example({"a": [[[]], [{}], [[1, [2.0]]]], "b": {"": {"": {}}}, "c": {"$fb:list": [[1]]}, "d": {"$fb:json": "{}"}})
def test_a_row_comes_back_exactly(row: dict[str, Any]) -> None:
    assert exact(fields_to_row(row_to_fields(row))) == exact(row)


@given(rows)
@example(DEEP)
def test_and_through_the_json_of_an_event(row: dict[str, Any]) -> None:
    fields = {name: to_json(value) for name, value in row_to_fields(row).items()}
    assert exact(fields_to_row(fields_from_json(fields))) == exact(row)


@given(rows)
@example(DEEP)
def test_and_through_google_s_client(row: dict[str, Any]) -> None:
    helpers = pytest.importorskip("google.cloud.firestore_v1._helpers", reason="install the dependency group test-gcp")
    encoded = helpers.encode_dict(row_to_fields(row))
    assert exact(fields_to_row(helpers.decode_dict(encoded, client=None))) == exact(row)


@given(rows)
@example(DEEP)
def test_nothing_that_firestore_refuses_is_written(row: dict[str, Any]) -> None:
    def check(value: Any, depth: int, *, in_list: bool) -> None:
        assert depth <= 20
        if isinstance(value, list):
            assert not in_list
            for item in value:
                check(item, depth + 1, in_list=True)
        elif isinstance(value, dict):
            for name, item in value.items():
                assert name
                assert not (name.startswith("__") and name.endswith("__"))
                check(item, depth + 1, in_list=False)

    check(row_to_fields(row), 0, in_list=False)


def test_ordinary_values_are_native() -> None:
    due = datetime(2026, 5, 4, 3, 2, 1, 5, tzinfo=UTC)
    row = {"n": 1, "f": 1.0, "t": "x", "b": b"\xff", "at": due, "l": [1, {"a": None}], "m": {"x": [True]}}
    assert row_to_fields(row) == row
    assert type(row_to_fields(row)["f"]) is float


def test_an_offset_and_a_list_in_a_list_are_tagged() -> None:
    berlin = datetime(2026, 5, 4, 3, tzinfo=timezone(timedelta(hours=2)))
    assert to_value(berlin) == {"$fb:time": "2026-05-04T03:00:00+02:00"}
    assert to_value([[1], 2]) == [{"$fb:list": [1]}, 2]


def test_our_own_fields_are_none_of_the_row() -> None:
    assert fields_to_row({"a": 1, EXPIRY: datetime(2026, 1, 1, tzinfo=UTC)}) == {"a": 1}
    assert row_to_fields({EXPIRY: 1}) == {f"$fb:={EXPIRY}": 1}


def test_documents_of_others() -> None:
    row = fields_from_json(
        {
            "where": {"geoPointValue": {"latitude": 52.5}},
            "who": {"referenceValue": "projects/p/databases/(default)/documents/users/ada"},
            "at": {"timestampValue": "2023-03-10T00:58:40.349123456Z"},
            "big": {"integerValue": "9223372036854775807"},
            "number": {"integerValue": 7},
            "nan": {"doubleValue": "NaN"},
            "none": {"mapValue": {}},
            "empty": {"arrayValue": {}},
        }
    )
    assert str(row.pop("nan")) == "nan"
    assert fields_to_row(row) == {
        "where": {"latitude": 52.5, "longitude": 0.0},
        "who": "projects/p/databases/(default)/documents/users/ada",
        "at": datetime(2023, 3, 10, 0, 58, 40, 349123, tzinfo=UTC),
        "big": 2**63 - 1,
        "number": 7,
        "none": {},
        "empty": [],
    }


def test_google_s_own_objects_are_read() -> None:
    firestore = pytest.importorskip("google.cloud.firestore", reason="install the dependency group test-gcp")
    from google.api_core.datetime_helpers import DatetimeWithNanoseconds
    from google.auth.credentials import AnonymousCredentials

    client = firestore.Client(project="p", credentials=AnonymousCredentials())
    moment = DatetimeWithNanoseconds(2023, 3, 10, tzinfo=UTC, nanosecond=349123456)
    row = fields_to_row({"where": firestore.GeoPoint(1.5, 2.5), "at": moment, "who": client.document("users/ada")})
    assert row == {
        "where": {"latitude": 1.5, "longitude": 2.5},
        "at": datetime(2023, 3, 10, 0, 0, 0, 349123, tzinfo=UTC),
        "who": "projects/p/databases/(default)/documents/users/ada",
    }
    assert type(row["at"]) is datetime


@pytest.mark.parametrize("broken", [{}, {"colour": 1}, {"integerValue": "x"}, {"timestampValue": "x"}, {"mapValue": 3}])
def test_what_is_no_value_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent, match=r"no value of Firestore's"):
        from_json(broken)


def test_a_broken_tag_names_its_field() -> None:
    with pytest.raises(InvalidEvent, match="'due'"):
        fields_to_row({"due": {"$fb:time": "tomorrow"}})


keys = text.filter(bool) | st.sampled_from([".", "..", "__", "__a__", "a/b", "%", "%2F", "a%+b", "%+", "+", "__/__"])


@given(keys, st.none() | keys)
def test_a_document_s_id_holds_any_key(key: str, sort: str | None) -> None:
    id = document_id(key, sort)
    assert key_of(id) == (key, sort)
    assert "/" not in id
    assert id not in (".", "..")
    assert not (id.startswith("__") and id.endswith("__"))


def test_plain_keys_are_plain_ids() -> None:
    assert document_id("2Vm2mI1d0wIaK2Waj5to") == "2Vm2mI1d0wIaK2Waj5to"
    assert document_id("ada", "2026-05-04") == "ada%+2026-05-04"
