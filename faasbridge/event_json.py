"""A neutral event as a plain dict and back: what the local cloud stores, forwarders pass on and `invoke --event` reads.

The dict's `kind` is `message`, `blob`, `change`, `tick` or `http`; its other members are the event's own attributes
without `native` and `state`. Bodies are bytes, times datetimes: write it as text with `codec.dumps`.
"""

from __future__ import annotations

from ._typing import TYPE_CHECKING
from .errors import InvalidEvent
from .events import BlobEvent, Change, Event, Message, Tick
from .http import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

_COMMON = ("id", "source", "type", "subject", "time", "provider")
_FIELDS: dict[str, tuple[type[Event], tuple[str, ...]]] = {
    "message": (Message, ("body", "attributes", "attempt", "enqueued_at")),
    "blob": (BlobEvent, ("bucket", "key", "size", "etag", "kind")),
    "change": (Change, ("table", "key", "kind", "old", "new")),
    "tick": (Tick, ("scheduled_for", "late_s")),
    "http": (Request, ("method", "path", "raw_path", "headers", "query", "cookies", "body", "client_ip", "claims")),
}
_TIMES = ("time", "enqueued_at", "scheduled_for")
_TEXTS = frozenset("id source type subject provider bucket key table method path etag change_kind".split())
_MEMBER = {"kind": "change_kind"}  # an event's own `kind` (create, insert), beside the dict's


def to_dict(event: Event) -> dict[str, Any]:
    """The event without what is empty."""
    kind = next((kind for kind, (cls, _) in _FIELDS.items() if isinstance(event, cls)), None)
    if kind is None:
        raise InvalidEvent(f"{type(event).__name__} is no event that can be written down")
    names = _FIELDS[kind][1]
    result: dict[str, Any] = {"kind": kind}
    for name in (*_COMMON, *names):
        value = getattr(event, name)
        if isinstance(value, dict) and hasattr(value, "pairs"):
            value = [list(pair) for pair in value.pairs]
        if value not in ("", None, b"", [], {}):
            result[_MEMBER.get(name, name)] = value
    return result


def from_dict(raw: Mapping[str, Any]) -> Event:
    """The inverse. Raises InvalidEvent that names what is wrong."""
    if not isinstance(raw, dict) or raw.get("kind") not in _FIELDS:
        raise InvalidEvent(f"an event is an object whose kind is one of {', '.join(_FIELDS)}")
    cls, names = _FIELDS[raw["kind"]]
    values = {name: raw[member] for name in (*_COMMON, *names) if (member := _MEMBER.get(name, name)) in raw}
    unknown = set(raw) - {_MEMBER.get(name, name) for name in (*_COMMON, *names)} - {"kind"}
    if unknown:
        raise InvalidEvent(
            f"a {raw['kind']} event has no {sorted(unknown)[0]!r}; it has {', '.join((*_COMMON, *names))}"
        )
    for name, value in raw.items():
        if name in _TEXTS and not isinstance(value, str):
            raise InvalidEvent(f"the {raw['kind']} event's {name} is a string, not {value!r}")
    try:
        for name in ("headers", "query", "cookies"):
            if isinstance(values.get(name), list):
                values[name] = [(key, value) for key, value in values[name]]
        for name in _TIMES:
            if isinstance(values.get(name), str):
                values[name] = _time(values[name])
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise InvalidEvent(f"the {raw['kind']} event is incomplete: {error}") from None


def _time(text: str) -> datetime:
    """Written by hand, a time is ISO 8601 text."""
    from datetime import UTC, datetime

    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
