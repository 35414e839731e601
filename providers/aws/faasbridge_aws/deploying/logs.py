"""Functions' logs out of CloudWatch.

A line is told by its event id: several may have one timestamp, and they arrive late and out of order. So following asks
again for a while that was seen before, and leaves out what it gave already.
Source: CloudWatch Logs API Reference, FilterLogEvents; Lambda Developer Guide, "Log formats".
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from faasbridge.provider import LogLine

from .connection import THROTTLED, Clients, code_of

_OVERLAP_MS = 60_000
_PAUSE_S = 1.0
_GROUPS_A_SECOND = 5  # CloudWatch Logs takes some requests a second of an account, all callers together
_PLATFORM = re.compile(r"(START|END|REPORT) RequestId: |(INIT_START|RESTORE_START) Runtime Version: |XRAY TraceId: ")
_TEXT = re.compile(r"\[(\w+)\]\t(\S+Z)\t([0-9a-f-]{36})\t(.*)", re.DOTALL)
_LEVELS = {"FATAL": "CRITICAL", "WARN": "WARNING"}


def read(clients: Clients, groups: Mapping[str, str], *, since_s: float, follow: bool) -> Iterator[LogLine]:
    """The lines of the functions (log group -> function) in the order of their times; endless with `follow`, where a
    group that AWS throttles is read in the next turn."""
    start = int((time.time() - since_s) * 1000)
    followed = [_Group(name, function, start) for name, function in groups.items()]
    while True:
        found: list[tuple[int, str, str]] = []
        for group in followed:
            found += group.fresh(clients, patient=follow)
        for timestamp, message, function in sorted(found, key=lambda each: each[0]):  # stable: as they came
            line = parse(function, message, timestamp)
            if line is not None:
                yield line
        if not follow:
            return
        time.sleep(max(_PAUSE_S, len(groups) / _GROUPS_A_SECOND))


class _Group:
    def __init__(self, name: str, function: str, start_ms: int) -> None:
        self._name = name
        self._function = function
        self._start_ms = start_ms
        self._seen: dict[str, int] = {}  # event id -> timestamp

    def fresh(self, clients: Clients, *, patient: bool) -> list[tuple[int, str, str]]:
        """Timestamp, message and function of what was not given yet."""
        from botocore.exceptions import ClientError

        try:
            events = list(_events(clients, self._name, self._start_ms))
        except ClientError as error:
            if not (patient and code_of(error) in THROTTLED):
                raise
            return []
        found = [(e["timestamp"], e["message"], self._function) for id, e in events if id not in self._seen]
        self._seen |= {id: event["timestamp"] for id, event in events}
        if self._seen:
            self._start_ms = max(self._start_ms, max(self._seen.values()) - _OVERLAP_MS)
            self._seen = {id: timestamp for id, timestamp in self._seen.items() if timestamp >= self._start_ms}
        return found


def parse(function: str, message: str, timestamp_ms: int) -> LogLine | None:
    """One of an app's lines; None for the platform's own, of which only a failure is told."""
    text = message.rstrip("\n")
    moment = _iso(timestamp_ms)
    raw: Any = None
    if text.startswith("{"):
        try:
            raw = json.loads(text)
        except ValueError:
            raw = None
    if isinstance(raw, dict) and str(raw.get("type", "")).startswith("platform."):
        return _platform(function, raw, moment)
    if isinstance(raw, dict) and "level" in raw and ("message" in raw or "errorMessage" in raw):
        return LogLine(
            str(raw.get("timestamp") or moment),
            function,
            str(raw.get("requestId") or raw.get("AWSRequestId") or ""),
            _LEVELS.get(level := str(raw["level"]).upper(), level),
            _with_error(raw),
        )
    if _PLATFORM.match(text):
        return None
    if found := _TEXT.match(text):
        return LogLine(found[2], function, found[3], found[1], found[4])
    return LogLine(moment, function, "", "INFO", text)


def _platform(function: str, raw: Mapping[str, Any], moment: str) -> LogLine | None:
    record = raw.get("record") or {}
    failed = record.get("status") in ("error", "failure", "timeout")
    if raw["type"] != "platform.report" or not failed:
        return None
    error = record.get("errorType", "")
    text = f"the invocation ended: {record['status']}{f', {error}' if error else ''}"
    return LogLine(str(raw.get("time") or moment), function, str(record.get("requestId", "")), "ERROR", text)


def _with_error(raw: Mapping[str, Any]) -> str:
    """The message; of an exception also where it came from."""
    text = raw.get("message", "")
    said = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    error = f"{raw.get('errorType', 'Error')}: {raw['errorMessage']}" if raw.get("errorMessage") else ""
    if error and error not in said:
        said = f"{said}\n{error}" if said else error
    trace = raw.get("stackTrace")
    if isinstance(trace, list):
        said = "\n".join((said, *(str(line).rstrip("\n") for line in trace)))
    return said


def _events(clients: Clients, group: str, start_ms: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """With their ids. A page may be empty and not the last. Nothing of a group that is not there yet."""
    from botocore.exceptions import ClientError

    pages = clients.get("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start_ms)
    alike: Counter[str] = Counter()
    try:
        for page in pages:
            for event in page["events"]:
                yield event.get("eventId") or _made_up_id(event, alike), event
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise


def _made_up_id(event: Mapping[str, Any], alike: Counter[str]) -> str:
    """The id is optional. Lines that are alike in everything are told apart by their number."""
    same = f"{event.get('logStreamName')} {event['timestamp']} {event['message']}"
    alike[same] += 1
    return f"{same} {alike[same]}"


def _iso(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
