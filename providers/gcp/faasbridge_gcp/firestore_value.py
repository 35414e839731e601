"""Rows in Firestore's own terms: what a table driver writes and what a trigger's documents hold.

A row keeps each field in a field of its name, in Firestore's native type, so that consoles, queries and other programs
read it: null, boolean, integer, double (1.0, nan and infinities too), string, bytes, array, map, and timestamp for a
datetime in UTC. What Firestore cannot keep exactly is a map of one member: `{"$fb:time": "…"}` for a datetime with an
offset, `{"$fb:list": […]}` for a list in a list, `{"$fb:json": "…"}` for what is nested deeper than Firestore allows,
and `{"$fb:map": …}` around a dict that looks like such a tag.

Fields of a document whose names start with `$fb:` are ours. A field of such a name, of none, or of one that Firestore
reserves (`__x__`) is written with `$fb:=` before it; so are the names in maps that Firestore does not take.

Values are in the terms of Google's client library: None, bool, int, float, str, bytes, datetime, list, dict.
`from_json` and `to_json` translate those to the REST API's `{"stringValue": …}`. Foreign rows read as well: a geo point
is a dict of latitude and longitude, a reference the path of its document, an integer of any size.
Sources: Firestore documentation, "Supported data types", "Usage and limits"; REST reference, Value.
"""

from __future__ import annotations

import json

from faasbridge import codec
from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.errors import InvalidEvent

from .events_common import from_base64

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

EXPIRY = "$fb:expires_at"
"""The field that holds a row's expiry, a timestamp: what the time-to-live policy is set to."""

_OURS, _ESCAPE = "$fb:", "$fb:="
_BYTES, _TIME, _FLOAT, _MAP = "$fb:bytes", "$fb:time", "$fb:float", "$fb:map"
_LIST, _JSON = "$fb:list", "$fb:json"
_DEEPEST = 16  # of Firestore's 20, since a list in a list and a tag take a level each


def row_to_fields(row: Mapping[str, object]) -> dict[str, Any]:
    """Field -> value, as Google's client takes it. Raises TypeError or ValueError that names the field."""
    return {field_name(name): to_value(value, name) for name, value in row.items()}


def fields_to_row(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse, for documents of others too. Raises InvalidEvent that names the field."""
    row = {}
    for name, value in fields.items():
        if name.startswith(_ESCAPE) or not name.startswith(_OURS):
            try:
                row[name.removeprefix(_ESCAPE)] = from_value(value)
            except (TypeError, ValueError, AttributeError) as error:
                raise InvalidEvent(f"field {name!r} is no value of FaaSBridge's or Firestore's: {error}") from None
    return row


def field_name(field: str) -> str:
    return _ESCAPE + field if field.startswith(_OURS) or _refused(field) else field


def to_value(value: object, where: str = "value") -> Any:
    return _to(codec.encode(value, where), 1)


def from_value(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name == _LIST:
                return [from_value(item) for item in inner]
            if name == _JSON:
                return codec.loads(inner)
            if name == _MAP:
                return _from_map(inner)
            if name == _TIME:
                return codec.decode(value)
        return _from_map(value)
    if kind is list:
        return [from_value(item) for item in value]
    if value is None or kind in (str, bool, int, float, bytes):
        return value
    return _from_object(value)


def from_json(value: Mapping[str, Any]) -> Any:
    """`{"integerValue": "3"}` -> 3, in the client's terms. Raises InvalidEvent."""
    try:
        ((kind, content),) = value.items()
        if kind == "mapValue":
            return fields_from_json(content.get("fields") or {})
        if kind == "arrayValue":
            return [from_json(item) for item in content.get("values") or ()]
        return _FROM_JSON[kind](content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"this is no value of Firestore's ({error!r}): {str(value)[:100]}") from None


def fields_from_json(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_json(value) for name, value in fields.items()}


def to_json(value: Any) -> dict[str, Any]:
    """The inverse of `from_json`, for what `to_value` gives."""
    kind = type(value)
    if kind is str:
        return {"stringValue": value}
    if value is None:
        return {"nullValue": None}
    if kind is bool:
        return {"booleanValue": value}
    if kind is int:
        return {"integerValue": str(value)}
    if kind is float:
        return {"doubleValue": value if value - value == 0 else _SPECIAL[repr(value)]}
    if kind is bytes:
        from binascii import b2a_base64

        return {"bytesValue": b2a_base64(value, newline=False).decode()}
    if kind is list:
        return {"arrayValue": {"values": [to_json(item) for item in value]}}
    if kind is dict:
        return {"mapValue": {"fields": {name: to_json(item) for name, item in value.items()}}}
    return {"timestampValue": value.isoformat().replace("+00:00", "Z")}


def _to(value: Any, depth: int) -> Any:
    """The codec's terms -> the client's."""
    kind = type(value)
    if kind is list:
        if depth > _DEEPEST and value:
            return {_JSON: json.dumps(value)}
        items = [_to(item, depth + (2 if type(item) is list else 1)) for item in value]
        return [{_LIST: item} if type(item) is list else item for item in items]
    if kind is not dict:
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name == _FLOAT:
            return float(inner)
        if name == _BYTES:
            return from_base64(inner, name)
        if name == _TIME:
            moment = iso_time(inner)
            assert moment is not None
            return value if moment.utcoffset() else moment
        if name == _MAP and depth <= _DEEPEST:
            return {_MAP: _to_map(inner, depth + 1)}
    return {_JSON: json.dumps(value)} if depth > _DEEPEST and value else _to_map(value, depth)


def _to_map(members: dict[str, Any], depth: int) -> dict[str, Any]:
    return {
        (_ESCAPE + name if name.startswith(_ESCAPE) or _refused(name) else name): _to(item, depth + 1)
        for name, item in members.items()
    }


def _from_map(members: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(_ESCAPE): from_value(item) for name, item in members.items()}


def _refused(name: str) -> bool:
    return not name or (name.startswith("__") and name.endswith("__"))


def _from_object(value: Any) -> Any:
    if hasattr(value, "latitude"):
        return {"latitude": value.latitude, "longitude": value.longitude}
    if hasattr(value, "isoformat"):
        from datetime import UTC, datetime

        # The client's own subclass with nanoseconds pickles and compares otherwise than a datetime.
        plain = datetime(
            value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, value.tzinfo
        )
        return plain if plain.tzinfo else plain.replace(tzinfo=UTC)
    path = getattr(value, "_document_path", None)
    if isinstance(path, str):
        return path
    raise TypeError(f"it holds a {type(value).__name__}")


def _time(text: str) -> Any:
    moment = iso_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is no time")
    return moment


_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_FROM_JSON: Mapping[str, Any] = {
    "nullValue": lambda content: None,
    "booleanValue": bool,
    "integerValue": int,
    "doubleValue": float,
    "timestampValue": _time,
    "stringValue": str,
    "bytesValue": lambda content: from_base64(content, "bytesValue"),
    "referenceValue": str,
    "geoPointValue": lambda content: {
        "latitude": float(content.get("latitude", 0)),
        "longitude": float(content.get("longitude", 0)),
    },
}
