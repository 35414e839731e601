"""Messages in groups, as SQS's and SNS's batch operations take them: ten, and so many bytes, in one request."""

from __future__ import annotations

import random
import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import FaaSBridgeError, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    Entry = dict[str, Any]

_MOST = 10
_TRIES = 5


def grouped(entries: Iterable[tuple[Entry, int]], most_bytes: int) -> Iterator[list[Entry]]:
    """Entries with their sizes -> groups that fit. One that is too large by itself is a group: AWS says so best."""
    group: list[Entry] = []
    total = 0
    for entry, size in entries:
        if group and (len(group) == _MOST or total + size > most_bytes):
            yield group
            group, total = [], 0
        group.append(entry)
        total += size
    if group:
        yield group


def send_all(what: str, entries: Sequence[Entry], send: Callable[[list[Entry]], Any]) -> None:
    """Sends a group, and those again that AWS could not take for no fault of theirs. Raises Throttled, or
    FaaSBridgeError with what AWS said of the first that it refused."""
    left = [{**entry, "Id": str(i)} for i, entry in enumerate(entries)]
    for turn in range(_TRIES):
        failed = {fault["Id"]: fault for fault in send(left).get("Failed", ())}
        if not failed:
            return
        for fault in failed.values():
            if fault.get("SenderFault"):
                raise FaaSBridgeError(f"{what}: AWS refused a message ({fault['Code']}): {fault.get('Message', '')}")
        left = [entry for entry in left if entry["Id"] in failed]
        if turn < _TRIES - 1:
            time.sleep(random.uniform(0, 0.1 * 2**turn))  # noqa: S311 - jitter
    raise Throttled(f"{what}: AWS did not take {len(left)} of {len(entries)} messages, also after {_TRIES} tries")


def size_of(text: str, attributes: dict[str, str]) -> int:
    """What counts against the limit: body, and attributes with names and types."""
    return len(text.encode()) + sum(len(k.encode()) + len(v.encode()) + len("String") for k, v in attributes.items())


def as_attributes(attributes: dict[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
