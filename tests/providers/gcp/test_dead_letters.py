"""A dead letter says why it died, and is otherwise the message that it was."""

from __future__ import annotations

import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge_gcp import dead_letters, events, wire
from faasbridge_gcp.dead_letters import CRASHED, DeadLetters, mark, read
from faasbridge_gcp.drivers import clients
from faasbridge_gcp.events_pubsub import message

sys.path.insert(0, str(Path(__file__).parent))
from simulated_cloud import PROJECT, SimulatedCloud, subscription, topic

DIED = datetime(2026, 3, 29, 1, 2, 3, tzinfo=UTC)
DATA, ATTRIBUTES = wire.pack(b"\x00body", {"kind": "order"}, "event-1")


def envelope(attributes: Any = ATTRIBUTES, attempt: int = 3) -> dict[str, Any]:
    content = {"data": b64encode(DATA).decode(), "attributes": attributes, "messageId": "17", "orderingKey": "0"}
    return {"message": content, "subscription": subscription("inbox"), "deliveryAttempt": attempt}


@given(reason=st.text(max_size=300), attempts=st.integers(1, 1000))
def test_what_was_marked_is_read(reason: str, attempts: int) -> None:
    died = mark(ATTRIBUTES, reason, attempts, DIED, "17")
    plain, said, count, time, id = read(died)
    assert (plain, count, time, id) == (ATTRIBUTES, attempts, "2026-03-29T01:02:03+00:00", "17")
    assert (said and reason.startswith(said)) or not reason
    assert len(died[dead_letters.MARK].encode()) <= 1024
    assert mark(died, reason, attempts, DIED, "17") == died


@pytest.mark.parametrize("reason", ["x" * 5000, "\x00" * 5000, "\U0001f600" * 5000, "\ud800 lone"])
def test_a_reason_has_room(reason: str) -> None:
    died = mark({}, reason, 1, DIED)
    assert len(died[dead_letters.MARK].encode()) <= 1024
    assert len(read(died)[1]) >= 6


def test_what_pubsub_moved_itself_died_of_a_crash_or_time_out() -> None:
    moved = {
        **ATTRIBUTES,
        f"{wire.DEAD_LETTER_PREFIX}DeliveryCount": "7",
        f"{wire.DEAD_LETTER_PREFIX}Subscription": "s",
    }
    assert read(moved) == (ATTRIBUTES, CRASHED, 7, "", "")


def test_a_handler_sees_the_message_that_it_was() -> None:
    before, after = message(envelope()), message(envelope(mark(ATTRIBUTES, "too much", 3, DIED)))
    assert (after.id, after.body, after.attributes) == (before.id, before.body, before.attributes)


def test_no_room_is_said() -> None:
    with pytest.raises(ValueError, match="100 attributes"):
        mark({f"n{i}": "1" for i in range(100)}, "x", 1, DIED)


@pytest.fixture
def reached(cloud: SimulatedCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the cloud of this process."""
    monkeypatch.setattr(clients, "_default", clients.Clients(PROJECT, dict(cloud.server.details)))


@pytest.mark.usefixtures("reached")
def test_a_burial_is_over_when_pubsub_has_it(cloud: SimulatedCloud) -> None:
    cloud.publisher.create_topic(name=topic("dead"))
    cloud.subscriber.create_subscription(name=subscription("dead"), topic=topic("dead"))
    bury = DeadLetters(topic("dead"))
    bury(envelope(), "ValueError: no")
    (got,) = cloud.subscriber.pull(subscription=subscription("dead"), max_messages=5, timeout=10).received_messages
    plain, reason, attempts, _, id = read(got.message.attributes)
    assert (got.message.data, plain, reason, attempts, id) == (DATA, ATTRIBUTES, "ValueError: no", 3, "17")
    assert got.message.ordering_key == "0"
    with pytest.raises(ValueError, match="pushed"):
        bury({"specversion": "1.0"}, "x")
    with pytest.raises(Exception, match="not found"):
        DeadLetters(topic("none"))(envelope(), "x")


@pytest.mark.usefixtures("reached")
def test_a_change_is_forwarded_as_the_event_that_it_is(cloud: SimulatedCloud) -> None:
    from faasbridge_gcp.forwarder import forwarder

    cloud.publisher.create_topic(name=topic("changes"))
    cloud.subscriber.create_subscription(name=subscription("changes"), topic=topic("changes"))
    document = f"projects/{PROJECT}/databases/d/documents/photos/a%2Fb"
    event = {
        "specversion": "1.0",
        "id": "change-1",
        "source": f"//firestore.googleapis.com/projects/{PROJECT}/databases/d",
        "type": "google.cloud.firestore.document.v1.written",
        "time": "2026-03-29T01:02:03Z",
        "data": {"value": {"name": document, "fields": {"n": {"integerValue": "3"}, "b": {"bytesValue": "AP8="}}}},
    }
    forwarder(topic("changes"))(event)
    (got,) = cloud.subscriber.pull(subscription=subscription("changes"), max_messages=5, timeout=10).received_messages
    push = {"message": {"data": b64encode(got.message.data).decode(), "messageId": "1"}, "subscription": "s"}
    (change,) = events.decode(push)
    (before,) = events.decode(event)
    found = (change.id, change.table, change.key, change.kind, change.new, change.old, change.time)
    assert found == ("change-1", "photos", "a/b", "insert", {"n": 3, "b": b"\x00\xff"}, None, before.time)
