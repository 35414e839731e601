"""Everything that a test may have left is gone, and nothing of before arrives; what is deployed stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ministack.services import cloudwatch_logs, dynamodb, lambda_svc, s3, secretsmanager, sqs

from . import sources
from .pool import Pool

_ARTIFACTS = "faasbridge-artifacts-"
_QUIET_S = 30.0
_OBJECT_STATES = ("_object_tags", "_object_acl", "_object_annotations", "_object_versions", "_multipart_uploads")

_paused = threading.Event()


def install() -> None:
    """Lets the poller of queues be paused."""
    poll = lambda_svc._poll_sqs
    lambda_svc._poll_sqs = lambda: False if _paused.is_set() else poll()


def empty(pool: Pool) -> None:
    """Raises RuntimeError where what runs does not end."""
    with _quiet(pool):
        _queues()
        _buckets()
        _tables()
        _logs()
        _secrets()
        sources.forget_streams()


@contextmanager
def _quiet(pool: Pool) -> Iterator[None]:
    """No invocation runs and none begins."""
    _paused.set()
    try:
        with sources._pipes_lock:
            deadline = time.monotonic() + _QUIET_S
            while pool.busy() or sum(lambda_svc._esm_inflight.values()):
                pool.end_busy()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"functions do not end: {', '.join(pool.busy())}")
                time.sleep(0.005)
            yield
    finally:
        _paused.clear()


def _queues() -> None:
    with sqs._queues_lock:
        for queue in list(sqs._queues._data.values()):
            queue["messages"] = []
            queue["dedup_cache"] = {}
    lambda_svc._esm_backoff_until._data.clear()


def _buckets() -> None:
    for (*_, name), bucket in list(s3._buckets._data.items()):
        if not str(name).startswith(_ARTIFACTS):
            bucket["objects"].clear()
    for state in _OBJECT_STATES:
        found = getattr(s3, state)._data
        for key in [key for key in found if not _is_artifact(key)]:
            del found[key]


def _is_artifact(key: Any) -> bool:
    """Keys are tuples of tuples, the bucket's name somewhere in them."""
    if isinstance(key, tuple):
        return any(_is_artifact(part) for part in key)
    return str(key).startswith(_ARTIFACTS)


def _tables() -> None:
    with dynamodb._lock:
        for table in list(dynamodb._tables._data.values()):
            table["items"].clear()
            table["ItemCount"] = table["TableSizeBytes"] = 0


def _logs() -> None:
    with cloudwatch_logs._log_events_lock:
        for group in list(cloudwatch_logs._log_groups._data.values()):
            group["streams"].clear()


def _secrets() -> None:
    for secret in list(secretsmanager._secrets._data.values()):
        secret["Versions"].clear()
