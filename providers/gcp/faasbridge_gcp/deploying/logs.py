"""Functions' logs out of Cloud Logging.

An entry is told by its insert id: several may have one timestamp, and they arrive late and out of order. So following
asks again for a while that was seen before, and leaves out what it gave already.
Sources: Cloud Logging documentation, "Logging query language"; Cloud Run documentation, "Viewing logs" (a request's own
entry is in another log).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core import exceptions

from faasbridge.provider import LogLine

from .connection import Cloud

_OVERLAP = timedelta(seconds=60)
_PAUSE_S = 1.0
_LAST = 4


def read(cloud: Cloud, services: Mapping[str, str], *, since_s: float, follow: bool) -> Iterator[LogLine]:
    """The lines of the functions (name of the service -> function) in the order of their times; endless with
    `follow`."""
    start = datetime.now(UTC) - timedelta(seconds=since_s)
    seen: dict[str, datetime] = {}
    while True:
        for entry in _entries(cloud, services, start):
            if entry.insert_id not in seen:
                seen[entry.insert_id] = entry.timestamp
                yield _line(entry, services.get(entry.resource.labels.get("service_name", ""), ""))
        if not follow:
            return
        if seen:
            start = max(start, max(seen.values()) - _OVERLAP)
            seen = {id: at for id, at in seen.items() if at >= start}
        time.sleep(_PAUSE_S)


def last_words(cloud: Cloud, function: str) -> str:
    """The end of what a function wrote within the last minutes, for one that does not start; empty where it wrote
    nothing, or its log cannot be read."""
    service = function.rpartition("/")[2]
    try:
        found = list(_entries(cloud, {service: service}, datetime.now(UTC) - timedelta(minutes=5)))
    except exceptions.GoogleAPICallError:
        return ""
    lines = [line for entry in found for line in _text(entry).splitlines() if line.strip()]
    return " / ".join(line.strip() for line in lines[-_LAST:])


def _entries(cloud: Cloud, services: Mapping[str, str], start: datetime) -> Iterator[Any]:
    if not services:
        return
    names = " OR ".join(f'resource.labels.service_name="{name}"' for name in services)
    wanted = (
        f'resource.type="cloud_run_revision" AND ({names}) AND timestamp>="{start.isoformat()}"'
        f' AND log_name!="projects/{cloud.project}/logs/run.googleapis.com%2Frequests"'
    )
    request = {"resource_names": [f"projects/{cloud.project}"], "filter": wanted, "order_by": "timestamp asc"}
    yield from cloud.get("logging").list_log_entries(request=request)


def _line(entry: Any, function: str) -> LogLine:
    moment = entry.timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    from google.logging.type import log_severity_pb2  # type: ignore[import-untyped, unused-ignore]

    level = log_severity_pb2.LogSeverity.Name(int(entry.severity))
    invocation = entry.labels.get("execution_id", "")
    return LogLine(moment, function, invocation, "INFO" if level == "DEFAULT" else level, _text(entry))


def _text(entry: Any) -> str:
    if entry.text_payload:
        return str(entry.text_payload)
    payload = dict(entry.json_payload or {})
    message = payload.get("message")
    return message if isinstance(message, str) else json.dumps(payload, ensure_ascii=False, default=str)
