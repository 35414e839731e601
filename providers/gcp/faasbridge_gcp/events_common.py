"""What all native events share: base64, times, and saying what was found where nothing was understood."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any


def found_in(native: object) -> str:
    """`found type 'com.example.x' and the keys id, type`."""
    if not isinstance(native, dict):
        return f"found {type(native).__name__}"
    kind = native.get("type") or native.get("eventType")
    named = f"type {kind!r} and " if isinstance(kind, str) else ""
    keys = ", ".join(sorted(map(str, native))) or "nothing in it"
    return f"found {named}the keys {keys}"


def object_in(native: dict[str, Any], name: str) -> dict[str, Any]:
    """The member, an object; empty where it is missing or null. Raises InvalidEvent for anything else."""
    value = native.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidEvent(f"{name} should be an object; {found_in(value)}")
    return value


def from_base64(text: str, what: str) -> bytes:
    from binascii import Error, a2b_base64

    try:
        return a2b_base64(text)
    except (Error, ValueError, TypeError) as error:
        raise InvalidEvent(f"{what} should be base64: {error}") from None


def iso_time(text: object) -> datetime | None:
    """`2023-04-12T20:43:38.021Z`, digits beyond microseconds cut off. A sample's invented text gives None: a time is
    not worth an event."""
    if not text:
        return None
    from datetime import UTC, datetime

    if isinstance(text, datetime):
        moment = text
    else:
        try:
            moment = datetime.fromisoformat(str(text))
        except ValueError:
            return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
