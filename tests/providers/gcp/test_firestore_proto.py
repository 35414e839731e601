"""The reader of Firestore's protobuf says what Google's own classes say."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge.errors import InvalidEvent
from faasbridge_gcp.firestore_proto import document_event
from faasbridge_gcp.firestore_value import fields_from_json

CASES = "http_ce_binary_firestore_protobuf_*"


def test_the_vendor_s_events(case_name: str, case: Any, corpus_file: Any) -> None:
    expected = json.loads(corpus_file(f"{case_name}.expect.json"))["data"]
    found = document_event(corpus_file(f"{case_name}.body.pb"))
    assert found.keys() == expected.keys() - {"updateMask"}
    for which, document in found.items():
        assert document["fields"] == expected[which]["fields"]
        assert document["name"] == expected[which]["name"]
        for time in ("createTime", "updateTime"):
            assert datetime.fromisoformat(document[time]) == datetime.fromisoformat(expected[which][time])


names = st.text(min_size=1)
times = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(lambda t: f"{t.isoformat()}Z")
doubles = st.floats(allow_nan=False).map(lambda f: f if f - f == 0 else "Infinity" if f > 0 else "-Infinity")
leaves = st.one_of(
    st.just({"nullValue": None}),
    st.booleans().map(lambda value: {"booleanValue": value}),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: {"integerValue": str(value)}),
    doubles.map(lambda value: {"doubleValue": value}),
    times.map(lambda value: {"timestampValue": value}),
    st.text().map(lambda value: {"stringValue": value}),
    st.sampled_from(["", "AA==", "/+8="]).map(lambda value: {"bytesValue": value}),
    st.just({"referenceValue": "projects/p/databases/(default)/documents/users/ada"}),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map(
        lambda point: {"geoPointValue": {"latitude": point[0], "longitude": point[1]}}
    ),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: {"arrayValue": {"values": items}})
        | st.dictionaries(names, inner, max_size=3).map(lambda fields: {"mapValue": {"fields": fields}})
    ),
    max_leaves=12,
)
documents = st.dictionaries(names, values, max_size=5)


@given(new=documents, old=documents)
def test_every_type_of_value_at_any_depth(new: Any, old: Any) -> None:
    firestore = pytest.importorskip("google.events.cloud.firestore", reason="install the dependency group test-gcp")
    name = "projects/p/databases/(default)/documents/users/ada"
    event = {"value": {"name": name, "fields": new}, "oldValue": {"name": name, "fields": old}}
    body = firestore.DocumentEventData.serialize(firestore.DocumentEventData.from_json(json.dumps(event)))
    found = document_event(body)
    assert found["value"]["name"] == found["oldValue"]["name"] == name
    assert fields_from_json(found["value"].get("fields", {})) == fields_from_json(new)
    assert fields_from_json(found["oldValue"].get("fields", {})) == fields_from_json(old)


def test_a_delete_has_no_value_and_unknown_fields_are_skipped() -> None:
    old = b"\x12\x03\x0a\x01n"
    unknown = b"\xa2\x06\x02hi" + b"\xa8\x06\x01" + b"\xb1\x06" + bytes(8) + b"\xb5\x06" + bytes(4)
    assert document_event(old + unknown) == {"oldValue": {"name": "n"}}
    assert document_event(b"") == {}


@pytest.mark.parametrize(
    "broken",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0f",
        b"\x08" + b"\xff" * 11,
        b"\x08\x01",
        b"\x0a\x04\x0a\x02\xff\xfe",
        b"\x0a\x02\x1a",
    ],
)
def test_what_is_no_such_protobuf_is_refused(broken: bytes) -> None:
    with pytest.raises(InvalidEvent, match="no protobuf of a Firestore event"):
        document_event(broken)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with suppress(InvalidEvent):
        assert document_event(body).keys() <= {"value", "oldValue"}
