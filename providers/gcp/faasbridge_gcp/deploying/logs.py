"""Functions' logs out of Cloud Logging.

An entry is told by its insert id: several may have one timestamp, and they arrive late and out of order. So following
asks again for a while that was seen before, and leaves out what it gave already.
Sources: Cloud Logging documentation, "Logging query language"; Cloud Run documentation, "Viewing logs" (a request's own
entry is in another log); the source of Google's buildpacks, `pkg/gcpbuildpack/exit.go`, for how a build's log ends.
"""

from __future__ import annotations

import json
import re
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
_WAITS_S = (0.0, 1.0, 3.0)  # entries arrive late
_BUILD = re.compile(r"/cloud-build/builds;region=[\w-]+/([\w-]+)")
_STEP = re.compile(r'Step #\d+( - "[^"]*")?: ?')
_FAREWELLS = ("Sorry your project couldn't be built", "ERROR: failed to build", "ERROR: build step", "Finished Step")


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


def last_words(cloud: Cloud, function: str, fault: str) -> str:
    """The end of the log that Google's own words of a failure point to: of the build, or of a function that does not
    start. Empty where they point to none, nothing is there after some seconds, or it cannot be read."""
    build = _BUILD.search(fault)
    if build is None and "Logs for this revision" not in fault:
        return ""
    service = function.rpartition("/")[2]
    of_build = f'resource.type="build" AND resource.labels.build_id="{build[1]}"' if build else ""
    for pause_s in _WAITS_S:
        time.sleep(pause_s)
        start = datetime.now(UTC) - timedelta(minutes=5)
        try:
            found = list(_listed(cloud, of_build, start) if build else _entries(cloud, {service: service}, start))
        except exceptions.GoogleAPICallError:
            return ""
        if found:
            lines = [line.rstrip() for entry in found for line in _text(entry).splitlines()]
            return " / ".join(_telling(lines) if build else [line.strip() for line in lines if line.strip()][-_LAST:])
    return ""


def _telling(lines: list[str]) -> list[str]:
    """Of a build: without the names of its steps, and without what the builder says in the end of every failure."""
    found = []
    for line in lines:
        plain = _STEP.sub("", line).strip()
        if plain.startswith(_FAREWELLS):
            break
        if plain.strip("-"):
            found.append(plain)
    return found[-_LAST:]


def _entries(cloud: Cloud, services: Mapping[str, str], start: datetime) -> Iterator[Any]:
    if not services:
        return
    names = " OR ".join(f'resource.labels.service_name="{name}"' for name in services)
    yield from _listed(
        cloud,
        f'resource.type="cloud_run_revision" AND ({names})'
        f' AND log_name!="projects/{cloud.project}/logs/run.googleapis.com%2Frequests"',
        start,
    )


def _listed(cloud: Cloud, wanted: str, start: datetime) -> Iterator[Any]:
    request = {
        "resource_names": [f"projects/{cloud.project}"],
        "filter": f'{wanted} AND timestamp>="{start.isoformat()}"',
        "order_by": "timestamp asc",
    }
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
