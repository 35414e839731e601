"""What goes into a row or a message comes out again, exactly."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faasbridge import Message
from faasbridge.codec import MAX_INT, dumps, encode_body, loads

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INT, MAX_INT)
    | st.floats()
    | TEXT
    | st.binary()
    | st.datetimes(timezones=OFFSETS)
)
TAGS = st.sampled_from(["$fb:bytes", "$fb:time", "$fb:float", "$fb:map", "$fb:", "$fb:other"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT | TAGS, inner) | st.dictionaries(TAGS, inner, max_size=1),
)


def same(a: Any, b: Any) -> bool:
    """Equal with equal types; a nan is a nan, 0.0 is not -0.0, a datetime keeps its offset."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, datetime):
        return bool(a == b) and a.utcoffset() == b.utcoffset()
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


@given(VALUES)
@example({"$fb:bytes": "eA=="})
@example({"$fb:map": {"$fb:map": {}}})
@example({"$fb:time": "x", "other": 1})
@example([1.0, -0.0, 1e300, float("inf"), 1, True, "1.0"])
def test_every_value_survives(value: Any) -> None:
    text = dumps(value)
    assert same(loads(text), value)
    assert same(loads(text.encode()), value)
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


@given(VALUES)
def test_a_messages_body_survives(value: Any) -> None:
    if isinstance(value, (dict, list)):
        assert same(Message(value).json(), value)


@given(st.recursive(st.none() | st.booleans() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_ordinary_json_means_itself(value: Any) -> None:
    if "$fb:" not in json.dumps(value):
        assert json.loads(dumps(value)) == value == loads(json.dumps(value))


class Colour(str, Enum):  # noqa: UP042 - a StrEnum says its value, this says its name
    RED = "red"


class Size(IntEnum):
    BIG = 3


def test_relatives_of_the_plain_types_become_plain() -> None:
    value = {Colour.RED: (Colour.RED, Size.BIG), "d": OrderedDict(a=1), "b": bytearray(b"x")}
    assert loads(dumps(value)) == {"red": ["red", 3], "d": {"a": 1}, "b": b"x"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": [1, {"b": MAX_INT + 1}]}, r"value\['a'\]\[1\]\['b'\]: integers must lie within 2\*\*53"),
        ([datetime(2026, 1, 1)], r"value\[0\]: a datetime needs a time zone"),
        ({"a": {1, 2}}, r"value\['a'\]: set cannot be stored"),
        ({1: "x"}, "the key 1 is not a string"),
        ("\ud800", "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
    ],
)
def test_what_cannot_be_kept_is_refused_where_it_stands(value: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        dumps(value)


def test_a_value_within_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(ValueError, match="nested too deeply"):
        dumps(ring)


@pytest.mark.parametrize("text", ["{", "", '{"$fb:bytes":5}', '{"$fb:time":"x"}', '{"$fb:float":[]}', '{"$fb:map":1}'])
def test_what_is_no_encoding_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - from several places
        loads(text)


def test_somebody_elses_tag_is_left_alone() -> None:
    assert loads('{"$fb:new":{"a":1}}') == {"$fb:new": {"a": 1}}


@pytest.mark.parametrize(
    ("body", "data"), [(b"\xff", b"\xff"), ("ü", "ü".encode()), ({"a": 1}, b'{"a":1}'), ([], b"[]")]
)
def test_bodies_are_bytes(body: Any, data: bytes) -> None:
    assert encode_body(body) == data
