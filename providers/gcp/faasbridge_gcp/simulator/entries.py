"""Log entries as Cloud Logging keeps them, made of what functions write.

A line that is a JSON object is structured: `severity`, `message`, `time` and the `logging.googleapis.com/...` fields
go where the entry has them, the rest stays the payload. Any other line is a text.
Source: https://cloud.google.com/logging/docs/structured-logging.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from google.cloud.logging_v2.types import LogEntry
from google.logging.type import log_severity_pb2  # type: ignore[import-untyped, unused-ignore]

MOST = 50_000
_PREFIX = "logging.googleapis.com/"


@dataclass(frozen=True)
class Origin:
    """What writes: one revision of a function's service."""

    project: str
    region: str
    service: str
    revision: str

    def entry(self, log: str, time: datetime) -> LogEntry:
        entry = LogEntry(
            log_name=f"projects/{self.project}/logs/run.googleapis.com%2F{log}",
            insert_id=token_hex(8),
            timestamp=time,
            receive_timestamp=datetime.now(UTC),
            labels={"goog-managed-by": "cloudfunctions", "goog-drz-cloudfunctions-id": self.service},
        )
        entry.resource.type = "cloud_run_revision"
        entry.resource.labels.update(
            project_id=self.project,
            location=self.region,
            service_name=self.service,
            revision_name=self.revision,
            configuration_name=self.service,
        )
        return entry


class Entries:
    """The newest ones, in the order in which they came; who follows is told of each."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=MOST)
        self._followers: set[asyncio.Queue[LogEntry]] = set()

    def add(self, entry: LogEntry) -> None:
        self._entries.append(entry)
        for queue in self._followers:
            queue.put_nowait(entry)

    def line(self, origin: Origin, stream: str, text: str) -> None:
        """One line of a function's `stdout` or `stderr`."""
        if text.strip():
            self.add(_parsed(origin, stream, text))

    def build(self, project: str, id: str, failure: str) -> None:
        """What Cloud Build writes of a build that failed for that, an entry a line."""
        step = 'Step #1 - "build": '
        said = ["Sorry your project couldn't be built.", "ERROR: failed to build: exit status 1"]
        lines = [f'starting build "{id}"', *(step + line for line in [*failure.splitlines(), "-" * 80, *said]), "ERROR"]
        for line in lines:
            entry = LogEntry(
                log_name=f"projects/{project}/logs/cloudbuild",
                insert_id=token_hex(8),
                timestamp=datetime.now(UTC),
                text_payload=line,
            )
            entry.resource.type = "build"
            entry.resource.labels.update(project_id=project, build_id=id, build_trigger_id="")
            self.add(entry)

    def request(self, origin: Origin, request: dict[str, Any], labels: dict[str, str], trace: str) -> None:
        """The entry that Cloud Run writes of each request."""
        entry = origin.entry("requests", datetime.now(UTC))
        pb = LogEntry.pb(entry)
        for name, value in request.items():
            if name == "latency_s":
                pb.http_request.latency.FromNanoseconds(int(value * 1e9))
            else:
                setattr(pb.http_request, name, value)
        status = request["status"]
        level = "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"
        entry.severity = log_severity_pb2.LogSeverity.Value(level)
        entry.trace = trace
        entry.labels.update(labels)
        self.add(entry)

    def all(self) -> list[LogEntry]:
        return list(self._entries)

    def clear(self) -> None:
        self._entries.clear()

    def follow(self) -> asyncio.Queue[LogEntry]:
        queue: asyncio.Queue[LogEntry] = asyncio.Queue()
        self._followers.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[LogEntry]) -> None:
        self._followers.discard(queue)


def _parsed(origin: Origin, stream: str, text: str) -> LogEntry:
    entry = origin.entry(stream, datetime.now(UTC))
    payload: Any = None
    if text.lstrip().startswith("{"):
        try:
            payload = json.loads(text)
        except ValueError:
            payload = None
    if not isinstance(payload, dict):
        entry.text_payload = text
        return entry
    severity = str(payload.pop("severity", "") or "DEFAULT").upper()
    if severity not in log_severity_pb2.LogSeverity.keys():  # noqa: SIM118 - an enum wrapper, not a dict
        severity = "DEFAULT"
    entry.severity = log_severity_pb2.LogSeverity.Value(severity)
    entry.trace = str(payload.pop(f"{_PREFIX}trace", "") or "")
    entry.span_id = str(payload.pop(f"{_PREFIX}spanId", "") or "")
    entry.trace_sampled = bool(payload.pop(f"{_PREFIX}trace_sampled", False))
    labels = payload.pop(f"{_PREFIX}labels", None)
    if isinstance(labels, dict):
        entry.labels.update({str(key): str(value) for key, value in labels.items()})
    at = payload.pop("time", None) or payload.pop("timestamp", None)
    if isinstance(at, str):
        try:
            entry.timestamp = datetime.fromisoformat(at)
        except ValueError:
            payload["time"] = at
    if set(payload) == {"message"} and isinstance(payload["message"], str):
        entry.text_payload = payload["message"]
    else:
        entry.json_payload = payload
    return entry
