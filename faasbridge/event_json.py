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
_REQUIRED = {"blob": ("bucket", "key"), "change": ("table", "key", "change_kind"), "tick": ("scheduled_for",)}
_TIMES = ("time", "enqueued_at", "scheduled_for")
_PAIRS = ("headers", "query", "cookies")
_MEMBER = {"kind": "change_kind"}  # an event's own `kind` (create, insert), beside the dict's
_KINDS = {"blob": ("create", "delete"), "change": ("insert", "update", "delete")}
_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    **dict.fromkeys(
        "id source type subject provider bucket key table method path etag client_ip raw_path change_kind".split(),
        ("a string", (str,)),
    ),
    "size": ("a number of bytes", (int,)),
    "attempt": ("a number", (int,)),
    "late_s": ("a number", (int, float)),
    "attributes": ("an object of strings", (dict,)),
    **dict.fromkeys(("claims", "old", "new"), ("an object", (dict,))),
    **dict.fromkeys(_PAIRS, ("an object of strings, or a list of pairs", (dict, list))),
    "query": ("an object of strings, a list of pairs, or a query string", (dict, list, str)),
}


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
    """The inverse; a member that is None is as good as absent. Raises InvalidEvent that names what is wrong."""
    if not isinstance(raw, dict) or not isinstance(raw.get("kind"), str) or raw["kind"] not in _FIELDS:
        raise InvalidEvent(f"an event is an object whose kind is one of {', '.join(_FIELDS)}")
    kind = raw["kind"]
    cls, names = _FIELDS[kind]
    values = {name: value for name in (*_COMMON, *names) if (value := raw.get(_MEMBER.get(name, name))) is not None}
    unknown = set(raw) - {_MEMBER.get(name, name) for name in (*_COMMON, *names)} - {"kind"}
    if unknown:
        raise InvalidEvent(f"a {kind} event has no {sorted(unknown)[0]!r}; it has {', '.join((*_COMMON, *names))}")
    for name, value in raw.items():
        expected = _TYPES.get(name)
        if expected and value is not None and (isinstance(value, bool) or not isinstance(value, expected[1])):
            raise _wrong(kind, name, expected[0], value)
    if raw.get("change_kind") is not None and raw["change_kind"] not in _KINDS[kind]:
        raise _wrong(kind, "change_kind", f"one of {', '.join(_KINDS[kind])}", raw["change_kind"])
    if kind == "http" and not isinstance(values.get("body", ""), (bytes, str)):
        raise _wrong(kind, "body", "a string", values["body"])
    try:
        for name in _PAIRS:
            if isinstance(values.get(name), (dict, list)):
                values[name] = _texts(kind, name, values[name])
        if values.get("attributes"):
            _texts(kind, "attributes", values["attributes"])
        for name in _TIMES:
            if isinstance(values.get(name), str):
                values[name] = _time(values[name])
            elif name in values and not hasattr(values[name], "utcoffset"):
                raise _wrong(kind, name, "a time, such as 2030-01-01T12:00:00Z", values[name])
        return cls(**values)
    except (TypeError, ValueError) as error:
        missing = [member for member in _REQUIRED.get(kind, ()) if raw.get(member) is None]
        why = f"it needs {', '.join(missing)}" if missing else error
        raise InvalidEvent(f"the {kind} event is wrong or incomplete: {why}") from None


def _texts(kind: str, name: str, value: Any) -> list[tuple[str, str]]:
    pairs = []
    for pair in value.items() if isinstance(value, dict) else value:
        if not (isinstance(pair, (list, tuple)) and [type(text) for text in pair] == [str, str]):
            raise _wrong(kind, name, _TYPES[name][0], value)
        pairs.append((pair[0], pair[1]))
    return pairs


def _wrong(kind: str, name: str, expected: str, value: object) -> InvalidEvent:
    shown = repr(value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}…"
    return InvalidEvent(f"the {kind} event's {name} is {expected}, not {shown}")


def _time(text: str) -> datetime:
    """Written by hand, a time is ISO 8601 text."""
    from datetime import UTC, datetime

    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
