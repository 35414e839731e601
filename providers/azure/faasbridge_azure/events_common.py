"""What all native events share: times, text of values, and saying what was found where nothing was understood."""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

if TYPE_CHECKING:
    from typing import Any


def found_in(native: object) -> str:
    """`found eventType 'a.b.C' and the keys id, topic`."""
    if isinstance(native, (bytes, str)):
        return f"found {type(native).__name__} {native[:40]!r}"
    if not isinstance(native, dict):
        return f"found {type(native).__name__}"
    kind = next((name for name in ("eventType", "type", "faasbridge") if isinstance(native.get(name), str)), None)
    named = f"{kind} {native[kind]!r} and " if kind is not None else ""
    keys = ", ".join(sorted(map(str, native))) or "nothing in it"
    return f"found {named}the keys {keys}"


def texts(values: object) -> dict[str, str]:
    """Properties as attributes: what is no string stands there as JSON."""
    if not isinstance(values, dict):
        return {}
    return {
        str(name): value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in values.items()
        if value is not None
    }


def parsed(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidEvent(f"the event's body is no JSON: {error}") from None
