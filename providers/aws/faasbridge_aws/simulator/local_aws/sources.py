"""What feeds queues, where ministack's own is missing or differs from AWS's.

- Pipes: ministack delivers streams to SNS and Step Functions only; here also to SQS, a record a message.
- Objects' events are on their way when the request that made them is answered, so that nothing is in flight unseen.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ministack.services import pipes, s3, sqs

from . import inboxes

_LOOK_S = 0.01


def install() -> None:
    pipes._deliver_batch = _deliver
    pipes._poll_loop = _poll_pipes
    s3._fire_s3_event_async = _fire_at_once


def waiting_in_pipes() -> dict[str, int]:
    """Name of a pipe -> records of its stream that it has not delivered."""
    from ministack.services import dynamodb

    found = {}
    for account, region, pipe in pipes._iter_all_pipes():
        source = pipes._dynamodb_stream_source(pipe.get("Source", ""))
        if source is not None:
            scope = {"account_id": account, "region": region}
            end = dynamodb.stream_end_position(source[1], **scope)
            start = dynamodb.stream_start_position(source[1], **scope)
            behind = end - max(_position(account, region, pipe["Arn"]), start)
            if behind > 0:
                found[str(pipe["Name"])] = behind
    return found


def forget_streams() -> None:
    """What was written so far is never delivered."""
    from ministack.services import dynamodb

    for account, region, pipe in pipes._iter_all_pipes():
        source = pipes._dynamodb_stream_source(pipe.get("Source", ""))
        if source is not None:
            end = dynamodb.stream_end_position(source[1], account_id=account, region=region)
            pipes._positions.set_scoped(account, region, pipe["Arn"], end)


_pipes_lock = threading.Lock()


def _position(account: str, region: str, arn: str) -> int:
    return int(pipes._positions.get_scoped(account, region, arn, 0) or 0)


def _poll_pipes() -> None:
    while True:
        try:
            with _pipes_lock:
                pipes._poll_once()
        except Exception as error:  # noqa: BLE001 - other pipes go on
            pipes.logger.error("Pipes poller error: %s", error)
        time.sleep(_LOOK_S)


def _deliver(pipe: dict[str, Any], batch: list[dict[str, Any]]) -> bool:
    """Source: EventBridge User Guide, "Amazon SQS queue as a target": without a batch size each record is a message."""
    queue = sqs._queue_by_arn(pipe.get("Target", ""))
    if queue is None:
        return False
    url = sqs._queue_url(queue["attributes"]["QueueArn"].rpartition(":")[2])
    for record in batch:
        sqs._act_send_message({"QueueUrl": url, "MessageBody": json.dumps(record, default=str)}, url)
    inboxes.wake()
    return True


def _fire_at_once(
    bucket_name: str,
    key: str,
    event_name: str,
    size: int = 0,
    etag: str = "",
    deletion_type: str | None = None,
    version_id: str | None = None,
    object_extra: dict[str, Any] | None = None,
    record_extra: dict[str, Any] | None = None,
) -> None:
    if bucket_name in s3._bucket_notifications:
        s3._fire_s3_event(
            bucket_name,
            key,
            event_name,
            size,
            etag,
            deletion_type,
            version_id=version_id,
            sequencer=s3._next_event_sequencer(event_name),
            object_extra=object_extra,
            record_extra=record_extra,
        )
