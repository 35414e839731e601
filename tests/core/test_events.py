"""Events are plain objects that a unit test can make, and can be written down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import BlobEvent, Change, Event, InvalidEvent, Message, Request, Tick, codec
from faasbridge.event_json import from_dict, to_dict

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
EVENTS: list[Event] = [
    Message({"a": 1.0}, attributes={"k": "v"}, attempt=2, enqueued_at=NOON, id="m1", source="jobs", time=NOON),
    Message(),
    BlobEvent("uploads", "a/ü.jpg", size=3, etag="e", id="b1"),
    BlobEvent("uploads", "k", kind="delete"),
    Change("photos", "k", "update", old={"a": b"1"}, new={"a": 2.0}),
    Change("photos", "k", "insert", new={"a": 1}),
    Tick(NOON, late_s=1.5),
    Request(
        "POST",
        "/ü",
        headers=[("A", "1"), ("a", "2"), ("cookie", "c=1")],
        query="q=1&q=2",
        body=b"\x00",
        raw_path="/%C3%BC",
    ),
]


def attributes(event: Event) -> dict[str, Any]:
    names = {name for cls in type(event).__mro__ for name in getattr(cls, "__slots__", ())} - {"native", "state"}
    return {name: getattr(value, "pairs", value) for name in names for value in [getattr(event, name)]}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_being_written_down(event: Event) -> None:
    again = from_dict(codec.loads(codec.dumps(to_dict(event))))
    assert type(again) is type(event)
    assert attributes(again) == attributes(event)


@given(st.binary(), st.dictionaries(st.text(min_size=1), st.text(min_size=1)))
def test_any_message_survives(body: bytes, attrs: dict[str, str]) -> None:
    message = Message(body, attributes=attrs)
    again = from_dict(to_dict(message))
    assert isinstance(again, Message)
    assert (again.body, again.attributes) == (body, attrs)


def test_constructors_have_defaults_for_what_a_unit_test_does_not_care_about() -> None:
    message = Message("hello")
    assert (message.text(), message.attempt, message.attributes, message.id, message.state) == ("hello", 1, {}, "", {})
    assert Message({"a": 1}).json() == {"a": 1}
    blob = BlobEvent("uploads", "key")
    assert (blob.kind, blob.size, blob.provider, blob.native) == ("create", 0, "local", None)
    assert Change[dict[str, Any]]("t", "k", "delete", old={"a": 1}).new is None
    assert Tick(NOON).late_s == 0


def test_state_is_each_events_own() -> None:
    one, other = Message(), Message()
    one.state["a"] = 1
    assert other.state == {}


@pytest.mark.parametrize("body", [b"\xff", b"{"])
def test_a_body_of_another_kind_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - two kinds
        Message(body).json()


def test_times_written_by_hand_are_iso_text() -> None:
    tick = from_dict({"kind": "tick", "scheduled_for": "2026-05-06T12:00:00", "late_s": 0})
    assert isinstance(tick, Tick)
    assert tick.scheduled_for == NOON


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([], "an event is an object whose kind is one of message, blob"),
        ({"kind": "massage"}, "one of message"),
        ({"kind": "blob", "bucket": "b"}, "incomplete.*key"),
        ({"kind": "blob", "bucket": "b", "key": 5}, "key is a string, not 5"),
        ({"kind": "message", "bodi": "x"}, "no 'bodi'; it has .*body"),
        ({"kind": "tick", "scheduled_for": "noon"}, "incomplete.*noon"),
        ({"kind": "tick", "scheduled_for": 5}, "scheduled_for is a time, such as 2030-01-01T12:00:00Z, not 5"),
        ({"kind": "tick", "scheduled_for": None}, "incomplete: it needs scheduled_for"),
        ({"kind": ["tick"]}, "one of message"),
        (
            {"kind": "change", "table": "t", "key": "k", "change_kind": "made"},
            "one of insert, update, delete, not 'made'",
        ),
        ({"kind": "change", "table": "t", "key": "k", "change_kind": "insert", "new": "row"}, "new is an object, not"),
        ({"kind": "message", "attempt": "y"}, "attempt is a number, not 'y'"),
        ({"kind": "message", "attempt": True}, "attempt is a number, not True"),
        ({"kind": "message", "attributes": [1]}, r"attributes is an object of strings, not \[1\]"),
        ({"kind": "message", "attributes": {"n": 1}}, "attributes is an object of strings, not {'n': 1}"),
        ({"kind": "http", "body": 5}, "body is a string, not 5"),
        ({"kind": "http", "headers": {"x-n": 1}}, "headers is an object of strings, or a list of pairs"),
        ({"kind": "http", "query": [["a"]]}, "query is an object of strings, a list of pairs"),
    ],
)
def test_a_broken_event_is_an_invalid_event(raw: Any, says: str) -> None:
    with pytest.raises(InvalidEvent, match=says):
        from_dict(raw)


def test_only_events_can_be_written_down() -> None:
    with pytest.raises(InvalidEvent):
        to_dict(Event())
