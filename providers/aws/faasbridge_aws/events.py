"""Native event -> neutral events: which source it is, and who reads that source. Pure.

`decode` takes what a Lambda function is handed by S3, SQS, SNS, DynamoDB, Kinesis, EventBridge (rules, Scheduler,
Pipes), and our own payloads inside those.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

from .events_common import found_in

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.events import Event


def decode(native: Any) -> list[Event]:
    """The events of one delivery, in its order; S3's test notification holds none.

    Raises InvalidEvent that names what was found where the shape is unknown or broken.
    """
    if isinstance(native, list):  # a Pipe that invokes a function hands it the bare records
        return [event for record in native for event in decode_record(record)]
    if isinstance(native, dict):
        records = native.get("Records")
        if isinstance(records, list):
            return [event for record in records for event in decode_record(record)]
        if is_event(native):
            return decode_one(native)
    raise InvalidEvent(f"this is no event that FaaSBridge knows; {found_in(native)}")


def source_of(record: Any) -> str:
    """Where a record comes from: `sqs`, `dynamodb`, `kinesis`, `sns`, `s3`, or empty."""
    if not isinstance(record, dict):
        return ""
    source = record.get("eventSource") or record.get("EventSource") or ("aws:s3" if "s3" in record else "")
    return _SOURCES.get(source, "")


def decode_record(record: Any) -> list[Event]:
    """The events of one member of `Records`: an SQS message may bring several, or none."""
    source = source_of(record)
    try:
        if source == "sqs":
            from .events_sqs import decode as decode_sqs

            return decode_sqs(record)
        if source == "s3":
            from .events_s3 import decode as decode_s3

            return decode_s3(record)
        if source == "sns":
            from .events_sns import decode as decode_sns

            return decode_sns(record["Sns"])
        if source == "dynamodb":
            from .events_dynamodb import decode as decode_dynamodb

            return [decode_dynamodb(record)]
        if source == "kinesis":
            from .events_kinesis import decode as decode_kinesis

            return [decode_kinesis(record)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidEvent(f"the {source} record is broken ({error!r}); {found_in(record)}") from error
    raise InvalidEvent(f"this is no record that FaaSBridge knows; {found_in(record)}")


def is_event(value: Any) -> bool:
    """Whether an object, perhaps the body of a message, is an event by itself."""
    if not isinstance(value, dict):
        return False
    if value.get("Event") == "s3:TestEvent" or _is_own(value):
        return True
    if source_of(value) == "dynamodb":
        return True
    if "detail-type" in value:
        return "source" in value and "detail" in value
    records = value.get("Records")
    return isinstance(records, list) and bool(records) and source_of(records[0]) == "s3"


def decode_one(native: dict[str, Any], sent_ms: str | None = None) -> list[Event]:
    """The events of an object that `is_event`. `sent_ms`: when it was sent, where it came in a message."""
    try:
        if native.get("Event") == "s3:TestEvent":
            return []
        if _is_own(native):
            from .events_common import epoch_time
            from .events_own import own

            return [own.decode(native, epoch_time(sent_ms))]
        if "detail-type" in native:
            from .events_eventbridge import decode as decode_eventbridge

            return [decode_eventbridge(native)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidEvent(f"the event is broken ({error!r}); {found_in(native)}") from error
    return [event for record in native.get("Records", (native,)) for event in decode_record(record)]


def _is_own(value: dict[str, Any]) -> bool:
    if "faasbridge" not in value:
        return False
    from faasbridge.adapter.own_events import is_own

    return is_own(value)


_SOURCES = {"aws:sqs": "sqs", "aws:s3": "s3", "aws:sns": "sns", "aws:dynamodb": "dynamodb", "aws:kinesis": "kinesis"}
