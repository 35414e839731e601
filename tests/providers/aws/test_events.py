"""Events inside events, stable ids, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from faasbridge import codec, event_json
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.events import BlobEvent, Change, Message, Tick
from faasbridge_aws import events, wire
from faasbridge_aws.attribute_value import EXPIRY_US

SENT_MS = "1795464238123"  # 2026-11-23 20:03:58 UTC


def sqs(body: Any, attributes: dict[str, str] | None = None, **record: Any) -> dict[str, Any]:
    return {
        "messageId": "message-1",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": SENT_MS},
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in (attributes or {}).items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:inbox",
        **record,
    }


def one(native: Any) -> Any:
    (event,) = events.decode(native)
    return event


def through_sqs(body: Any, attributes: dict[str, str] | None = None) -> Any:
    return one({"Records": [sqs(body, attributes)]})


S3 = {
    "eventSource": "aws:s3",
    "eventTime": "2026-11-23T20:03:58.021Z",
    "eventName": "ObjectCreated:CompleteMultipartUpload",
    "s3": {
        "bucket": {"name": "photos"},
        "object": {"key": "a%2Bb/%C3%BC+x%2520.jpg", "size": 3, "eTag": "e", "sequencer": "00A"},
    },
}
BRIDGE = {
    "version": "0",
    "id": "b-1",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "time": "2026-11-23T20:03:58Z",
    "resources": ["arn:aws:s3:::photos"],
    "detail": {
        "bucket": {"name": "photos"},
        "object": {"key": "a+b/ü x%20.jpg", "size": 3, "etag": "e", "sequencer": "00A"},
    },
}
SNS = {
    "Type": "Notification",
    "MessageId": "n-1",
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:resized",
    "Message": "hello",
    "Timestamp": "2026-11-23T20:03:58.000Z",
    "MessageAttributes": {"kind": {"Type": "String", "Value": "x"}},
}


def test_one_change_of_an_object_is_one_event_however_it_came() -> None:
    ways = [
        one({"Records": [S3]}),
        one(BRIDGE),
        through_sqs({"Records": [S3]}),
        through_sqs(BRIDGE),
        through_sqs({**SNS, "Message": json.dumps({"Records": [S3]})}),
    ]
    assert {type(event) for event in ways} == {BlobEvent}
    assert {(e.id, e.bucket, e.key, e.size, e.etag, e.kind) for e in ways} == {
        ("photos/a+b/ü x%20.jpg#00A#create", "photos", "a+b/ü x%20.jpg", 3, "e", "create")
    }


def test_several_records_in_one_message_are_several_events() -> None:
    assert [type(event) for event in events.decode({"Records": [sqs({"Records": [S3, S3]})]})] == [BlobEvent, BlobEvent]


def test_test_notification_of_s3_is_no_event() -> None:
    notification = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"}
    assert events.decode(notification) == []
    assert events.decode({"Records": [sqs(notification)]}) == []


def test_expiry_by_a_life_cycle_rule_is_a_delete() -> None:
    assert one({"Records": [{**S3, "eventName": "LifecycleExpiration:Delete"}]}).kind == "delete"


def test_notification_wrapped_in_a_message_is_the_notification() -> None:
    event = through_sqs(SNS)
    assert (event.id, event.body, event.attributes, event.attempt) == ("n-1", b"hello", {"kind": "x"}, 3)
    assert event.enqueued_at == datetime(2026, 11, 23, 20, 3, 58, tzinfo=UTC)


def test_raw_notification_is_a_message_with_its_attributes() -> None:
    event = through_sqs("hello", {"kind": "x"})
    assert (event.id, event.body, event.attributes, event.attempt) == ("message-1", b"hello", {"kind": "x"}, 3)
    assert event.enqueued_at == datetime(2026, 11, 23, 20, 3, 58, 123000, tzinfo=UTC)


@pytest.mark.parametrize("inner", [SNS, {"Records": [S3]}, BRIDGE, {"faasbridge": "tick", "schedule": "x"}])
def test_message_of_ours_is_never_looked_into(inner: dict[str, Any]) -> None:
    body, attributes = wire.pack(codec.encode_body(inner), {"a": ""}, "id-9")
    event = through_sqs(body, attributes)
    assert (type(event), event.json(), event.attributes, event.id) == (Message, inner, {"a": ""}, "id-9")


def test_message_of_ours_is_the_same_through_a_wrapping_topic() -> None:
    body, attributes = wire.pack(b"\xff\0", {"a": "1"}, "id-9")
    values = {name: {"Type": "String", "Value": value} for name, value in attributes.items()}
    event = through_sqs({**SNS, "Message": body, "MessageAttributes": values})
    assert (event.body, event.attributes, event.id) == (b"\xff\0", {"a": "1"}, "id-9")


@pytest.mark.parametrize(
    "body", ["{", '{"Records"', '{"Records": []}', '{"detail-type": 1}', '{"faasbridge": true}', "[]"]
)
def test_body_that_only_looks_like_an_event_is_a_message(body: str) -> None:
    assert through_sqs(body).body == body.encode()


CHANGE = {
    "eventID": "c-1",
    "eventName": "MODIFY",
    "eventSource": "aws:dynamodb",
    "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/photos-dev-photos/stream/2026-11-23T00:00:00.000",
    "dynamodb": {
        "ApproximateCreationDateTime": 1795464238,
        "Keys": {"id": {"S": "a"}},
        "OldImage": {"id": {"S": "a"}, "n": {"N": "1"}},
        "NewImage": {
            "id": {"S": "a"},
            "n": {"N": "2.5"},
            "b": {"B": "AP8="},
            "bs": {"BS": ["AA=="]},
            "ns": {"NS": ["1", "2"]},
            "ss": {"SS": []},
            "bool": {"BOOL": False},
            "null": {"NULL": True},
            "list": {"L": [{"M": {"$fb:float": {"S": "1.0"}}}]},
            "$fb:expires_at": {"N": "1795464300"},
        },
        "SequenceNumber": "111",
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    },
}


def test_changed_row_is_the_same_from_the_stream_and_through_a_pipe() -> None:
    for event in (one({"Records": [CHANGE]}), one([CHANGE]), one(CHANGE), through_sqs(CHANGE)):
        assert isinstance(event, Change)
        assert (event.id, event.table, event.key, event.kind) == ("c-1", "photos-dev-photos", "a", "update")
        assert event.old == {"id": "a", "n": 1}
        assert event.new == {
            "id": "a",
            "n": 2.5,
            "b": b"\0\xff",
            "bs": [b"\0"],
            "ns": [1, 2],
            "ss": [],
            "bool": False,
            "null": None,
            "list": [1.0],
        }
        assert event.time == datetime(2026, 11, 23, 20, 3, 58, tzinfo=UTC)


def test_images_that_the_stream_leaves_out_are_none() -> None:
    data = {name: value for name, value in CHANGE["dynamodb"].items() if "Image" not in name}  # type: ignore[attr-defined]
    event = one({**CHANGE, "dynamodb": data})
    assert (event.old, event.new, event.key) == (None, None, "a")


TICK = {"faasbridge": "tick", "schedule": "sweep", "scheduled_for": "2026-11-23T20:00:00Z", "timezone": "Europe/Berlin"}


def test_tick_is_in_the_schedules_zone_and_its_id_is_name_and_time() -> None:
    first, again = through_sqs(TICK), one(TICK)
    assert first.id == again.id == "sweep@2026-11-23T20:00:00+00:00"
    assert first.scheduled_for.isoformat() == "2026-11-23T21:00:00+01:00"


def test_tick_without_its_time_is_of_the_minute_it_was_sent_in() -> None:
    tick = {**TICK, "scheduled_for": "<aws.scheduler.scheduled-time>"}
    assert through_sqs(tick).scheduled_for == datetime(2026, 11, 23, 20, 3, tzinfo=UTC)
    with pytest.raises(InvalidEvent, match="'sweep' does not say when it was due"):
        events.decode(tick)


def test_unknown_time_zone_says_what_to_add() -> None:
    with pytest.raises(ConfigError, match="add tzdata"):
        events.decode({**TICK, "timezone": "Mars/Olympus"})


@pytest.mark.parametrize("source", ["aws.events", "aws.scheduler"])
def test_default_payload_of_a_schedule_is_a_tick(source: str) -> None:
    native = {**BRIDGE, "detail-type": "Scheduled Event", "source": source, "detail": {}, "resources": ["arn:x"]}
    tick = one(native)
    assert isinstance(tick, Tick)
    assert tick.id == "arn:x@2026-11-23T20:03:58Z"
    assert tick.scheduled_for.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "event",
    [
        Message({"a": 1}, attributes={"k": "v"}, id="1"),
        BlobEvent("uploads", "ü.jpg", size=3, id="2"),
        Change("photos", "a", "update", old={"x": b"\0"}, new={"x": 1.0}, id="3"),
        Tick(datetime(2026, 1, 1, tzinfo=UTC), id="4"),
    ],
)
def test_any_event_can_be_sent_by_a_tool(event: Any) -> None:
    native = {"faasbridge": "event", "event": codec.dumps(event_json.to_dict(event))}
    decoded = one(native)
    assert decoded.provider == "aws"
    decoded.provider = event.provider
    assert event_json.to_dict(decoded) == event_json.to_dict(event)


@pytest.mark.parametrize(
    ("native", "says"),
    [
        ("text", "found str"),
        ({}, "nothing in it"),
        ({"eventSource": "aws:kafka", "records": {}}, "eventSource 'aws:kafka' and the keys eventSource, records"),
        ({"Records": [{"eventSource": "aws:ses", "ses": {}}]}, "eventSource 'aws:ses'"),
        ({"Records": ["x"]}, "found str"),
        ({"Records": [{"eventSource": "aws:sqs", "messageId": "1"}]}, "sqs record is broken.*body"),
        ({"Records": [sqs("!", {"faasbridge": "no json"})]}, "message message-1 was not packed by FaaSBridge"),
        ({"Records": [{**S3, "s3": {}}]}, "s3 record is broken.*bucket"),
        ({"Records": [{**CHANGE, "eventName": "UPSERT"}]}, "not 'UPSERT'"),
        ({"Records": [{**CHANGE, "dynamodb": {"Keys": {"id": {"X": 1}}}}]}, "id is no DynamoDB value"),
        ({"Records": [{"eventSource": "aws:kinesis", "eventID": "1", "kinesis": {"data": "A"}}]}, "should be base64"),
        ({**BRIDGE, "detail": {}}, "broken.*object"),
    ],
)
def test_what_is_no_event_is_named(native: Any, says: str) -> None:
    with pytest.raises(InvalidEvent, match=says):
        events.decode(native)


@pytest.mark.parametrize(("expired_s_before", "kind"), [(5, "insert"), (-5, "update"), (None, "update")])
def test_row_over_an_expired_one_is_an_insert(expired_s_before: int | None, kind: str) -> None:
    changed_at = 1_795_464_238
    old: dict[str, Any] = {"id": {"S": "1"}, "n": {"N": "1"}}
    if expired_s_before is not None:
        old[EXPIRY_US] = {"N": str((changed_at - expired_s_before) * 1_000_000)}
    data = {
        "Keys": {"id": {"S": "1"}},
        "OldImage": old,
        "NewImage": {"id": {"S": "1"}, "n": {"N": "2"}},
        "ApproximateCreationDateTime": changed_at,
    }
    record = {"eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": data}
    (change,) = events.decode_record(record)
    assert isinstance(change, Change)
    assert (change.kind, change.old) == (kind, None if kind == "insert" else {"id": "1", "n": 1})
