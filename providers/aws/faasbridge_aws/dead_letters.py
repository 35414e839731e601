"""Dead letters with their reason: a record as the entry sends it to the dead-letter queue, and back. Needs no SDK here.

Body and attributes are the original's. One attribute more, `MARK`, holds JSON: `reason`, `attempts`, `time` (ISO 8601,
UTC) and the `id` that SQS had given the message, which is another one in the new queue. What SQS itself moves there,
after a crash or a time-out, has no mark. All records are in the form that Lambda hands over.
Source: SQS API Reference, SendMessage and MessageAttributeValue.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING

from .wire import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

MOST_ATTRIBUTES = 10
CRASHED = "the last attempt did not come back: the function crashed or ran out of time"
_REASON_CHARS = 1000


def mark(record: Mapping[str, Any], reason: str, attempts: int, time: datetime) -> dict[str, Any]:
    """The record as a dead letter. Raises ValueError where SQS has no room for the mark."""
    attributes = unmarked(record)
    if len(attributes) >= MOST_ATTRIBUTES:
        raise ValueError(f"message {record.get('messageId')} has {len(attributes)} attributes, SQS takes no more")
    note = {
        "reason": reason[:_REASON_CHARS],
        "attempts": attempts,
        "time": time.isoformat(),
        "id": record.get("messageId", ""),
    }
    attributes[MARK] = {"stringValue": json.dumps(note, separators=(",", ":")), "dataType": "String"}
    return {**record, "messageAttributes": attributes}


def read(record: Mapping[str, Any], attempts: int = 0) -> tuple[dict[str, Any], str, int, str]:
    """The record without the mark, the reason, the number of attempts, and when it died (ISO 8601, UTC).

    `attempts` is the number where no mark tells it: the inbox's `maxReceiveCount`; so is then the reason `CRASHED` and
    the time that of its first receipt.
    """
    plain = {**record, "messageAttributes": unmarked(record)}
    system = record.get("attributes") or {}
    try:
        note = json.loads((record.get("messageAttributes") or {})[MARK]["stringValue"])
        return plain, str(note["reason"]), int(note["attempts"]), str(note["time"])
    except (KeyError, TypeError, ValueError):
        from datetime import UTC, datetime

        first_ms = int(system.get("ApproximateFirstReceiveTimestamp") or system.get("SentTimestamp") or 0)
        died_at = datetime.fromtimestamp(first_ms / 1000, UTC).isoformat()
        return plain, CRASHED, attempts or int(system.get("ApproximateReceiveCount") or 1), died_at


def unmarked(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's attributes without the mark."""
    return {name: value for name, value in (record.get("messageAttributes") or {}).items() if name != MARK}


def sendable(record: Mapping[str, Any], *, fifo: bool, deduplication_id: str = "") -> dict[str, Any]:
    """What SendMessage takes to send the record again: body, attributes and, in a FIFO queue, its group."""
    from binascii import a2b_base64

    attributes: dict[str, Any] = {}
    for name, value in (record.get("messageAttributes") or {}).items():
        sent = attributes[name] = {"DataType": value["dataType"]}
        if value.get("stringValue") is not None:
            sent["StringValue"] = value["stringValue"]
        else:
            sent["BinaryValue"] = a2b_base64(value.get("binaryValue") or "")
    message: dict[str, Any] = {"MessageBody": record["body"], "MessageAttributes": attributes}
    if fifo:
        message["MessageGroupId"] = (record.get("attributes") or {}).get("MessageGroupId") or "0"
        message["MessageDeduplicationId"] = deduplication_id or record["messageId"]
    return message


class DeadLetters:
    """The dead-letter queue at `url`, as `batches.Delivery` needs it. The SDK is imported by the first burial."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, record: Any, reason: str) -> None:
        """Returns when SQS has it. Raises what SQS or the SDK raises, and ValueError for no message of a queue."""
        if not isinstance(record, dict) or record.get("eventSource") != "aws:sqs":
            raise ValueError("only a queue's message can be put into the dead letters; this event was pushed")
        from datetime import UTC, datetime

        from .drivers.clients import default
        from .events_sqs import attempt_of

        letter = mark(record, reason, attempt_of(record), datetime.now(UTC))
        default().get("sqs").send_message(QueueUrl=self._url, **sendable(letter, fifo=self._url.endswith(".fifo")))
