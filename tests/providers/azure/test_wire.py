"""Our own messages survive a queue and Event Grid, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from faasbridge.errors import InvalidEvent
from faasbridge.events import Change, Message
from faasbridge_azure import events, events_own, wire

TEXT = st.text(st.characters(codec="utf-8"))
ATTRIBUTES = st.dictionaries(TEXT, TEXT, max_size=4)
FIXTURES = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def one(native: Any) -> Any:
    (event,) = events.decode(native)
    return event


@given(body=st.binary(), attributes=ATTRIBUTES, id=TEXT.filter(bool))
@FIXTURES
def test_any_message_comes_back_from_a_queue(body: bytes, attributes: dict[str, str], id: str, queued: Any) -> None:
    event = one(queued(wire.pack(body, attributes, id), 3))
    assert isinstance(event, Message)
    assert (event.body, event.attributes, event.id, event.attempt) == (body, attributes, id, 3)


@given(body=st.binary(), attributes=ATTRIBUTES, id=TEXT.filter(bool))
@FIXTURES
def test_any_message_comes_back_from_event_grid(body: bytes, attributes: dict[str, str], id: str, queued: Any) -> None:
    data = wire.pack_data(body, attributes, id)
    cloud = {"specversion": "1.0", "id": "1", "source": "/shop", "type": wire.MESSAGE_TYPE, "data": data}
    grid = {"id": "1", "topic": "/shop", "eventType": wire.MESSAGE_TYPE, "data": data, "eventTime": "2026-05-04T01:00Z"}
    for native in (cloud, grid):
        event = one(queued(json.loads(json.dumps([native])), 2))
        assert (event.body, event.attributes, event.id, event.attempt) == (body, attributes, id, 2)
        assert event.source == "/shop"


def test_binary_costs_no_more_than_text() -> None:
    assert len(wire.pack(bytes(range(256)) * 188, {}, "x" * 32)) < 48 * 1024


ROW_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.dictionaries(TEXT, ROW_VALUES, max_size=4)


@given(old=st.none() | ROWS, new=st.none() | ROWS, kind=st.sampled_from(["insert", "update", "delete"]))
def test_any_change_comes_back_from_a_change_feed(old: Any, new: Any, kind: Any) -> None:
    change: Change[Any] = Change("photos", "ada", kind, old=old, new=new, id="c1")
    stored = {"id": "doc", "pk": "ada", "_ts": 1777852800, "_etag": '"1"', **events_own.change_document(change)}
    event = one([json.loads(json.dumps(stored))])
    assert isinstance(event, Change)
    assert (event.table, event.key, event.kind, event.old, event.new, event.id) == (
        "photos",
        "ada",
        kind,
        old,
        new,
        "c1",
    )
    assert event.time is not None
    assert (event.time.year, event.provider) == (2026, "azure")


@pytest.mark.parametrize(
    "body",
    [
        b'{"faasbridge":"message",\nx',
        b'{"faasbridge":"message","id":1,"attributes":{}}\nx',
        b'{"faasbridge":"message","id":"1"}\nx',
        b'{"faasbridge":"message","id":"1","attributes":[]}\nx',
    ],
)
def test_a_head_that_is_none_is_refused(body: bytes, queued: Any) -> None:
    with pytest.raises(InvalidEvent, match="message 77 was not packed by FaaSBridge"):
        events.decode(queued(body))


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"id": "1", "attributes": {}}, {"id": "1", "attributes": {}, "base64": "e"}, {"base64": "eA=="}],
)
def test_data_that_is_none_is_refused(data: Any) -> None:
    native = {"specversion": "1.0", "id": "e1", "source": "/s", "type": wire.MESSAGE_TYPE, "data": data}
    with pytest.raises(InvalidEvent, match="event e1 was not packed by FaaSBridge"):
        events.decode(native)
