"""What all native events share: base64, times, and saying what was found where nothing was understood."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any


def found_in(native: object) -> str:
    """`found eventSource 'aws:kafka' and the keys eventSource, records`."""
    if not isinstance(native, dict):
        return f"found {type(native).__name__}"
    records = native.get("Records")
    first = records[0] if isinstance(records, list) and records and isinstance(records[0], dict) else native
    source = first.get("eventSource") or first.get("EventSource") or first.get("source")
    name = first.get("eventName")
    named = f"eventSource {source!r}{f', eventName {name!r}' if name else ''} and " if source else ""
    keys = ", ".join(sorted(map(str, first))) or "nothing in it"
    return f"found {named}the keys {keys}"


def from_base64(text: str, what: str) -> bytes:
    from binascii import Error, a2b_base64

    try:
        return a2b_base64(text)
    except (Error, ValueError) as error:
        raise InvalidEvent(f"{what} should be base64: {error}") from None


def epoch_time(value: Any) -> datetime | None:
    """Seconds or milliseconds since 1970, as number or text: AWS writes either."""
    if not value:
        return None
    from datetime import UTC, datetime

    seconds = float(value)
    return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)


def last_of_arn(arn: str) -> str:
    return arn.rpartition(":")[2]
