"""Cloud Logging: what functions wrote, listed by filter and followed.

Source: https://cloud.google.com/logging/docs/reference/v2/rpc/google.logging.v2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import total_ordering
from typing import Any

from google.cloud.logging_v2 import types as api
from google.logging.type import log_severity_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped, unused-ignore]

from ..entries import Entries
from ..filters import Filter, FilterError, compiled
from ..masks import page
from ..rpc import Servicer, invalid, rpc


@total_ordering
class _Severity:
    def __init__(self, number: int) -> None:
        self._number = number

    @staticmethod
    def reads(value: str) -> _Severity:
        names = log_severity_pb2.LogSeverity
        known = value.upper() in names.keys()  # noqa: SIM118 - an enum wrapper, not a dict
        return _Severity(names.Value(value.upper()) if known else int(value) if value.isdigit() else -1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Severity) and self._number == other._number

    def __lt__(self, other: _Severity) -> bool:
        return self._number < other._number

    def __hash__(self) -> int:
        return hash(self._number)


class _Time(datetime):
    @staticmethod
    def reads(value: str) -> datetime:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise invalid(f"Unparseable filter: '{value}' is no timestamp") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)


class Logging(Servicer):
    service = "google.logging.v2.LoggingServiceV2"
    api_name = "logging.googleapis.com"

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    @rpc(api.ListLogEntriesRequest)
    async def list_log_entries(self, request: api.ListLogEntriesRequest) -> api.ListLogEntriesResponse:
        wanted = _filter(request.filter)
        for _ in range(5):  # what functions wrote before is in their pipes: let it be read
            await asyncio.sleep(0)
        found = [
            entry for entry in self._entries.all() if _of(entry, request.resource_names) and wanted(_lookup(entry))
        ]
        descending = request.order_by.strip().endswith("desc")
        found.sort(key=lambda entry: entry.timestamp, reverse=descending)
        items, token = page(found, request.page_size, request.page_token)
        return api.ListLogEntriesResponse(entries=items, next_page_token=token)

    @rpc(api.TailLogEntriesRequest, stream=True)
    async def tail_log_entries(
        self, requests: AsyncIterator[api.TailLogEntriesRequest]
    ) -> AsyncIterator[api.TailLogEntriesResponse]:
        request = await anext(aiter(requests), None)
        if request is None:
            return
        wanted = _filter(request.filter)
        queue = self._entries.follow()
        try:
            while True:  # until the caller hangs up
                entry = await queue.get()
                if _of(entry, request.resource_names) and wanted(_lookup(entry)):
                    yield api.TailLogEntriesResponse(entries=[entry])
        finally:
            self._entries.leave(queue)

    @rpc(api.ListLogsRequest)
    async def list_logs(self, request: api.ListLogsRequest) -> api.ListLogsResponse:
        names = sorted({entry.log_name for entry in self._entries.all() if entry.log_name.startswith(request.parent)})
        return api.ListLogsResponse(log_names=names)

    @rpc(api.WriteLogEntriesRequest)
    async def write_log_entries(self, request: api.WriteLogEntriesRequest) -> api.WriteLogEntriesResponse:
        for given in request.entries:
            given.log_name = given.log_name or request.log_name
            given.timestamp = given.timestamp or datetime.now(UTC)
            if not given.resource.type:
                given.resource = request.resource
            self._entries.add(given)
        return api.WriteLogEntriesResponse()

    @rpc(api.DeleteLogRequest)
    async def delete_log(self, request: api.DeleteLogRequest) -> empty_pb2.Empty:
        kept = [entry for entry in self._entries.all() if entry.log_name != request.log_name]
        self._entries.clear()
        for entry in kept:
            self._entries.add(entry)
        return empty_pb2.Empty()


def _filter(text: str) -> Filter:
    try:
        return compiled(text, implicit_and=True)
    except FilterError as error:
        raise invalid(f"Unparseable filter: {error}") from error


def _of(entry: api.LogEntry, resources: Any) -> bool:
    return any(entry.log_name.startswith(f"{name}/") for name in resources)


def _lookup(entry: api.LogEntry) -> Callable[[str], Any]:
    """A field by its path, in the JSON's names or the messages'."""

    whole: dict[str, Any] = {}

    def look(path: str) -> Any:
        if path == "timestamp":
            return _Time.fromtimestamp(entry.timestamp.timestamp(), UTC)
        if path == "severity":
            return _Severity(int(entry.severity))
        if not whole:
            whole.update(MessageToDict(api.LogEntry.pb(entry)))
        if path == "*":
            return str(whole)
        found: Any = whole
        for piece in path.replace('"', "").split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(piece, found.get(_camel(piece)))
        return found

    return look


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
