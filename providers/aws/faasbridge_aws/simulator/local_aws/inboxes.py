"""Messages of queues reach functions, one batch an invocation, and those that failed come again.

ministack leaves the messages of a failed invocation hidden for the queue's visibility time-out, at least six times the
function's, as AWS does. Here they come again after `retry_s` seconds, doubling to a minute: at once in tests. It also
waits fifty milliseconds between two looks at the queues; here it looks as soon as there is something.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.services import lambda_svc, sqs

from .pool import MOST_PER_FUNCTION

_MOST_RETRY_S = 60.0


def install(retry_s: float) -> None:
    allowed = lambda_svc._sqs_esm_concurrency

    def concurrency(*args: Any, **options: Any) -> int:
        """More invocations than sandboxes would only wait, their messages' time-outs running."""
        return min(int(allowed(*args, **options)), MOST_PER_FUNCTION)

    def run_batch(
        esm: dict[str, Any], function: dict[str, Any], event: Any, batch: list[dict[str, Any]], url: str, queue: str
    ) -> None:
        result = lambda_svc._execute_function(function, event)
        failed = _failed(esm, result, batch)
        handles = {m["receipt_handle"] for m in batch if m["id"] not in failed and m.get("receipt_handle")}
        if handles:
            sqs._delete_messages_for_esm(url, handles)
        with sqs._queues_lock:
            for message in batch:
                if message["id"] in failed:
                    tried = message.get("receive_count", 1)
                    message["visible_at"] = time.time() + min(retry_s * 2 ** (tried - 1), _MOST_RETRY_S)
        esm["LastProcessingResult"] = "FAILED" if result.get("error") else f"OK - {len(batch)} records"

    lambda_svc._sqs_esm_concurrency = concurrency
    lambda_svc._run_sqs_batch = run_batch
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.002


def wake() -> None:
    """The pollers look now."""
    esm_wake.set()


def _failed(esm: dict[str, Any], result: dict[str, Any], batch: list[dict[str, Any]]) -> set[str]:
    """Message ids. An answer that names a message which is not in the batch fails all of it.

    Source: Lambda Developer Guide, "Handling errors for an SQS event source in Lambda", "Success and failure
    conditions".
    """
    every = {message["id"] for message in batch}
    if result.get("error"):
        return every
    if "ReportBatchItemFailures" not in esm.get("FunctionResponseTypes", ()):
        return set()
    body = result.get("body")
    failures = body.get("batchItemFailures") if isinstance(body, dict) else None
    if not failures:
        return set()
    named = {failure.get("itemIdentifier") for failure in failures}
    return named if named <= every else every
