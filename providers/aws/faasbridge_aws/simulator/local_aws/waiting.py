"""What is in flight: messages that a function will get, records on their way through Pipes.

A thing on its way from one place to another is in one of them at any time, but not while each is looked at in turn. So
all is settled only where nothing ran and nothing was written between two looks.
"""

from __future__ import annotations

from typing import Any

from ministack.services import dynamodb, lambda_svc, sqs

from . import sources


def left() -> dict[str, str]:
    """Inbox -> a sentence; empty where nothing is in flight."""
    before = _written()
    found = {
        f"pipe {name}": f"{count} records wait in the pipe {name}" for name, count in sources.waiting_in_pipes().items()
    }
    found |= _queues()
    running = sum(lambda_svc._esm_inflight.values())
    if running and not found:
        found["functions"] = f"{running} invocations run"
    if not found and _written() != before:
        found["functions"] = "events have just been handled"
    return found


def queues() -> list[str]:
    """The names of those that hold messages."""
    return [str(queue["name"]) for queue in list(sqs._queues._data.values()) if queue["messages"]]


def _written() -> int:
    """Grows with each record of a stream."""
    return sum(
        dynamodb.stream_end_position(name, account_id=account, region=region)
        for account, region, name in list(dynamodb._tables._data)
    )


def _queues() -> dict[str, str]:
    found = {}
    for _, _, esm in lambda_svc._iter_all_esms():
        queue = sqs._queue_by_arn(esm.get("EventSourceArn", ""))
        messages: list[dict[str, Any]] = list(queue["messages"]) if queue is not None else []
        if messages:
            name = str(esm["EventSourceArn"]).rpartition(":")[2]
            tried = max(message.get("receive_count", 0) for message in messages)
            count = f"{len(messages)} message{'s' if len(messages) != 1 else ''}"
            found[name] = f"{name} holds {count}" + (f", received up to {tried} times" if tried else "")
    return found
