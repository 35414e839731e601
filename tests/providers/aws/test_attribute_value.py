"""Rows survive DynamoDB exactly, and rows of other programs are read."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faasbridge.errors import InvalidEvent
from faasbridge_aws.attribute_value import (
    EXPIRY,
    attributes_to_row,
    from_attribute,
    row_to_attributes,
    to_attribute,
)

texts = st.text(st.characters(codec="utf-8"), max_size=10)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(),
    texts,
    st.binary(max_size=10),
    st.datetimes(timezones=offsets),
)
names = st.one_of(texts, st.sampled_from(["$fb:bytes", "$fb:float", "$fb:map", "$fb:time", "$fb:=", EXPIRY]))
fields = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)
rows = st.dictionaries(names, fields, max_size=5)


def same(a: Any, b: Any) -> bool:
    """Equal, of the same types; nan is itself, -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, datetime):
        return a.isoformat() == str(b.isoformat())
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def dynamodb(attribute: dict[str, Any]) -> dict[str, Any]:
    """What DynamoDB gives back: numbers of 38 digits without trailing zeros, in its range, and refuses others."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        number = Decimal(value)
        assert number.is_finite()
        assert len(number.as_tuple().digits) <= 38
        assert number == 0 or Decimal("1e-130") <= abs(number) < Decimal("1e126")
        plain = format(abs(number) if number == 0 else number, "f")
        return {"N": plain.rstrip("0").rstrip(".") if "." in plain else plain}
    if kind == "M":
        return {"M": {name: dynamodb(item) for name, item in value.items()}}
    if kind == "L":
        return {"L": [dynamodb(item) for item in value]}
    assert isinstance(value, {"S": str, "B": bytes, "BOOL": bool, "NULL": bool}[kind])
    return attribute


def streamed(attribute: dict[str, Any]) -> Any:
    """The same in a stream's JSON, where bytes are base64."""
    return json.loads(json.dumps(attribute, default=lambda data: b64encode(data).decode()))


@given(row=rows)
@example(row={"a": 1.0, "b": 1, "c": -0.0, "d": 1e300, "e": 5e-324, "f": 0.1, "g": math.nan, "h": -math.inf})
@example(row={"a": {"$fb:bytes": "x"}, "$fb:bytes": "top", "b": {"$fb:map": {"$fb:float": "1.0"}}, EXPIRY: 1})
@example(row={"a": 2**53, "b": -(2**53), "c": [[[]], [{}], ""], "d": b"", "e": datetime(2026, 1, 1, tzinfo=UTC)})
def test_row_survives(row: dict[str, Any]) -> None:
    stored = {name: dynamodb(value) for name, value in row_to_attributes(row).items()}
    assert same(attributes_to_row(stored), row)
    assert same(attributes_to_row({name: streamed(value) for name, value in stored.items()}), row)


def test_other_programs_see_native_types() -> None:
    row = {"s": "x", "i": 7, "f": 2.5, "b": b"\0", "t": True, "n": None, "l": [1, "a"], "m": {"k": 1}}
    assert row_to_attributes(row) == {
        "s": {"S": "x"},
        "i": {"N": "7"},
        "f": {"N": "2.5"},
        "b": {"B": b"\0"},
        "t": {"BOOL": True},
        "n": {"NULL": True},
        "l": {"L": [{"N": "1"}, {"S": "a"}]},
        "m": {"M": {"k": {"N": "1"}}},
    }


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"SS": ["b", "a"]}, ["b", "a"]),
        ({"NS": ["1", "-2.5"]}, [1, -2.5]),
        ({"BS": ["AA==", b"\1"]}, [b"\0", b"\1"]),
        ({"SS": []}, []),
        ({"N": "12345678901234567890123456789012345678"}, 12345678901234567890123456789012345678),
        ({"N": "1E+2"}, 100.0),
        ({"N": "-7"}, -7),
    ],
)
def test_types_that_only_other_programs_write(attribute: dict[str, Any], value: Any) -> None:
    assert same(from_attribute(attribute), value)


def test_our_own_attributes_are_not_part_of_a_row() -> None:
    assert attributes_to_row({"id": {"S": "a"}, EXPIRY: {"N": "1795464238"}}) == {"id": "a"}


@pytest.mark.parametrize("attribute", [{"X": 1}, {}, {"S": "a", "N": "1"}, {"N": "one"}, {"L": None}, {"B": "A"}])
def test_what_is_no_value_is_named(attribute: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent, match="row is no DynamoDB value"):
        from_attribute(attribute, "row")


@pytest.mark.parametrize(
    ("value", "error"), [(2**53 + 1, ValueError), ({1}, TypeError), (datetime(2026, 1, 1), ValueError)]
)
def test_what_cannot_be_kept_is_refused_with_its_place(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"price\[0\]"):
        to_attribute([value], "price")
