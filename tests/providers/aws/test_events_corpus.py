"""Real events of SQS, SNS, S3, DynamoDB, Kinesis and EventBridge; and that everything else is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent, Change, Event, Message, Tick
from faasbridge_aws import events

CASES = "*"
LEFT_OUT: dict[str, str] = {}

HTTP = ("mangum_", "alb_", "apigw_", "function_url_", "vpc_lattice_")


def summary(event: Event) -> dict[str, Any]:
    """What the table below says of an event: the attributes of its own kind, and its id."""
    names = {
        Message: ("body", "attributes", "attempt", "id"),
        BlobEvent: ("bucket", "key", "size", "etag", "kind", "id"),
        Change: ("table", "key", "kind", "old", "new", "id"),
        Tick: ("scheduled_for", "id"),
    }
    return {name: getattr(event, name) for name in names[type(event)]}


def message(body: str, id: str, attempt: int = 1, /, **attributes: str) -> dict[str, Any]:
    return {"body": body.encode(), "attributes": attributes, "attempt": attempt, "id": id}


def kinesis(body: str, sequence: str) -> dict[str, Any]:
    return message(body, f"shardId-000000000006:{sequence}", partitionKey="1", sequenceNumber=sequence)


def blob(bucket: str, key: str, size: int, etag: str, sequencer: str, kind: str = "create") -> dict[str, Any]:
    id = f"{bucket}/{key}#{sequencer}#{kind}"
    return {"bucket": bucket, "key": key, "size": size, "etag": etag, "kind": kind, "id": id}


def change(table: str, key: str, kind: str, old: Any, new: Any, id: str) -> dict[str, Any]:
    return {"table": table, "key": key, "kind": kind, "old": old, "new": new, "id": id}


NEW, CHANGED = {"Message": "New item!", "Id": 101}, {"Message": "This item has changed", "Id": 101}
UUID = "00000000-0000-0000-0000-000000000000"
FIRST, SECOND = (
    "49590338271490256608559692538361571095921575989136588898",
    "49590338271490256608559692540925702759324208523137515618",
)

EVENTS: dict[str, list[dict[str, Any]]] = {
    "sqs_standard_two_records": [
        message("Test message.", "059f36b4-87a3-44ab-83d2-661975830a7d", testAttr="100"),
        message('{"message": "foo1"}', "2e1424d4-f796-459a-8184-9c92662be6da"),
    ],
    "sqs_fifo_one": [message("Test message.", "11d6ee51-4cc7-4302-9e22-7cd8afdaadf5")],
    "sqs_dlq_redriven": [message("hello world", "db37cc61-1bb0-4e77-b6f3-7cf87f44a72a", 2)],
    "sqs_json_body_binary_attributes": [
        message(
            '{"a":"Test","b":123}',
            "MessageID_1",
            2,
            Attribute1="AttributeValue1",
            Attribute2="123",
            Attribute3="MTEwMA==",
        )
    ],
    "sqs_mixed_bodies_powertools_example": [
        message('{"Message": "success"}', "059f36b4-87a3-44ab-83d2-661975830a7d"),
        message("SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==", "244fc6b4-87a3-44ab-83d2-361172410c3a"),
    ],
    "sns_in_sqs_standard": [
        message('{"message": "hello world", "username": "lessa"}', "d88d4479-6ec0-54fe-b63f-1cf9df4bb16e")
    ],
    "sns_with_attributes": [
        message("Hello from SNS!", "95df01b4-ee98-5cb9-9903-4c221d41eb5e", Test="TestString", TestBinary="TestBinary")
    ],
    "s3_in_sqs_body": [blob("xxx", "test.pdf", 104681, "2e3ad1e983318bbd8e73b080e2997980", "00643717F9F8B85354")],
    "s3_key_plus_for_space_minimal": [blob("mybucket", "file with spaces", 0, "", "005B039F73C627CE8B")],
    "s3_object_created_key_percent20": [
        blob("sourcebucket", "Happy Face.jpg", 1024, "d41d8cd98f00b204e9800998ecf8427e", "Happy Sequencer")
    ],
    "s3_object_removed_delete": [
        blob(
            "lambda-artifacts-deafc19498e3f2df",
            "b21b84d653bb07b05b1e6b33684dc11b",
            0,
            "",
            "0C0F6F405D6ED209E1",
            "delete",
        )
    ],
    "s3_eventbridge_object_created": [
        blob("example-bucket", "IMG_m7fzo3.jpg", 184662, "4e68adba0abe2dc8653dc3354e14c01d", "006408CAD69598B05E")
    ],
    "s3_eventbridge_object_deleted": [blob("example-bucket", "IMG_m7fzo3.jpg", 0, "", "006408CAD69598B05E", "delete")],
    "dynamodb_record_no_sequence_no_view_type": [
        change("examples", UUID, "insert", None, {"id": UUID, "created": "2022-02-16T15:12:00.14Z"}, UUID)
    ],
    "dynamodb_stream_batch": [
        change("", "101", "insert", None, {"Message": "failure"}, "1"),
        change("", "101", "insert", None, {"SomethingElse": "success"}, "1"),
    ],
    "dynamodb_stream_insert_modify": [
        change("", "101", "insert", None, {"Message": "New item!", "Id": 101}, "1"),
        change("", "101", "update", NEW, CHANGED, "2"),
    ],
    "dynamodb_stream_time_window_insert_modify_remove": [
        change("", "101", "insert", None, NEW, "1"),
        change("", "101", "update", NEW, CHANGED, "2"),
        change("", "101", "delete", CHANGED, None, "3"),
    ],
    "kinesis_one_record": [kinesis('{"message": "test message", "username": "test"}', FIRST)],
    "kinesis_two_records": [kinesis("Hello, this is a test.", FIRST), kinesis("This is only a test.", SECOND)],
    "eventbridge_schedule": [
        {
            "scheduled_for": datetime(2015, 10, 8, 16, 53, 6, tzinfo=UTC),
            "id": "arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule@2015-10-08T16:53:06Z",
        }
    ],
    "eventbridge_ec2_state_change": [
        message(
            '{"instance_id":"i-1234567890abcdef0","state":"terminated"}',
            "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
            **{"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2"},
        )
    ],
}
OTHER_MESSAGES = (
    "kinesis_batch_powertools_example",
    "eventbridge_codebuild_state_change",
    "s3_eventbridge_restore_completed",
)


def test_event(case_name: str, case: Any, expected: Any) -> None:
    if case_name in EVENTS:
        decoded = events.decode(case)
        assert [summary(event) for event in decoded] == EVENTS[case_name]
        assert {event.provider for event in decoded} == {"aws"}
        for name, value in expected.items():
            assert getattr(decoded[0], name) == value
    elif case_name in OTHER_MESSAGES:
        assert [type(event) for event in events.decode(case)] == [Message] * len(case.get("Records", [case]))
    else:  # requests, responses, and sources that no handler can be declared for
        with pytest.raises(InvalidEvent, match=r"found|tells of no object") as raised:
            events.decode(case)
        source = (case.get("Records") or [case])[0].get("eventSource")
        if source and not case_name.startswith(HTTP) and source != "aws:s3":
            assert repr(source) in str(raised.value)
