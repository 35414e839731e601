"""A dead letter says why it died, and is otherwise the message that it was."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge_aws import dead_letters, events, wire
from faasbridge_aws.dead_letters import CRASHED, DeadLetters, mark, read, sendable
from faasbridge_aws.events_sqs import message

sys.path.insert(0, str(Path(__file__).parent))
from services import Services

DIED = datetime(2026, 3, 29, 1, 2, 3, tzinfo=UTC)


def record(**more: Any) -> dict[str, Any]:
    text, packed = wire.pack(b"\x00body", {"kind": "order"}, "event-1")
    return {
        "messageId": "sqs-1",
        "body": text,
        "attributes": {"ApproximateReceiveCount": "3", "ApproximateFirstReceiveTimestamp": "1795464238123"},
        "messageAttributes": {name: {"stringValue": value, "dataType": "String"} for name, value in packed.items()},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:1:jobs",
        **more,
    }


def foreign(count: int) -> dict[str, Any]:
    """Of another sender, with so many attributes."""
    attributes = {f"n{i}": {"stringValue": "1", "dataType": "Number"} for i in range(count)}
    return record(body="hello", messageAttributes=attributes)


@given(reason=st.text(), attempts=st.integers(1, 1000))
def test_what_was_marked_is_read(reason: str, attempts: int) -> None:
    died = mark(record(), reason, attempts, DIED)
    assert read(died) == (record(), reason[:1000], attempts, "2026-03-29T01:02:03+00:00")
    note = died["messageAttributes"][wire.MARK]["stringValue"]
    assert note.isascii()
    assert mark(died, reason, attempts, DIED) == died


def test_what_sqs_moved_itself_died_of_a_crash_or_time_out() -> None:
    plain, reason, attempts, died_at = read(record(), 5)
    assert (plain, reason, attempts, died_at[:19]) == (record(), CRASHED, 5, "2026-11-23T20:03:58")
    assert read(record())[2] == 3


def test_a_handler_sees_the_message_that_it_was() -> None:
    before = message(record())
    after = message(mark(record(messageId="sqs-2"), "too much", 3, DIED))
    assert (after.id, after.body, after.attributes) == (before.id, before.body, before.attributes)
    unpacked = message({**mark(foreign(2), "too much", 3, DIED), "messageId": "sqs-2"})
    assert (unpacked.id, unpacked.text(), unpacked.attributes) == ("sqs-1", "hello", {"n0": "1", "n1": "1"})


def test_an_event_of_another_source_stays_that_event() -> None:
    body = '{"faasbridge":"tick","schedule":"sweep","scheduled_for":"2026-03-29T01:00:00Z"}'
    tick = record(body=body, messageAttributes={})
    (before,), (after,) = events.decode_record(tick), events.decode_record(mark(tick, "too much", 3, DIED))
    assert (type(after), after.id) == (type(before), before.id)


def test_no_mark_fits_beside_ten_attributes() -> None:
    assert len(mark(foreign(9), "", 1, DIED)["messageAttributes"]) == 10
    with pytest.raises(ValueError, match="has 10 attributes"):
        mark(foreign(10), "", 1, DIED)


def test_ours_always_have_room_for_the_mark() -> None:
    _, packed = wire.pack(b"", {f"n{i}": "x" for i in range(20)}, "1")
    assert len(packed) == dead_letters.MOST_ATTRIBUTES - 1


def test_a_sender_cannot_mark_messages() -> None:
    text, packed = wire.pack(b"", {wire.MARK: "x"}, "1")
    assert wire.MARK not in packed
    assert wire.unpack(text, packed) == (b"", {wire.MARK: "x"}, "1")


def test_binary_attributes_are_sent_as_bytes() -> None:
    sent = sendable(record(messageAttributes={"a": {"binaryValue": "AP8=", "dataType": "Binary"}}), fifo=False)
    assert sent["MessageAttributes"] == {"a": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    assert not {"MessageGroupId", "MessageDeduplicationId"} & sent.keys()


@pytest.mark.parametrize("fifo", [False, True])
def test_a_buried_record_is_in_the_queue_with_its_reason(
    aws: Services, monkeypatch: pytest.MonkeyPatch, fifo: bool
) -> None:
    monkeypatch.setattr("faasbridge_aws.drivers.clients._default", aws.clients)
    url = aws.queue(fifo=fifo)
    original = record()
    original["attributes"]["MessageGroupId"] = "a"
    DeadLetters(url)(original, "too much")
    (found,) = aws.received(url, 1)
    plain, reason, attempts, died_at = read(found)
    assert (reason, attempts) == ("too much", 3)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(died_at)).total_seconds()) < 60
    assert (plain["body"], message(found).id) == (original["body"], "event-1")
    assert plain["messageAttributes"].keys() == original["messageAttributes"].keys()
    assert found["attributes"].get("MessageGroupId") == ("a" if fifo else None)


def test_what_no_queue_delivered_cannot_be_buried() -> None:
    with pytest.raises(ValueError, match="only a queue's message"):
        DeadLetters("https://sqs/1/dead")({"Records": []}, "no")
