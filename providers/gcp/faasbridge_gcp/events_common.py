"""What all native events share: base64, times, and saying what was found where nothing was understood."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

if TYPE_CHECKING:
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
