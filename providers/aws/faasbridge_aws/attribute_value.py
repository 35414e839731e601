"""Rows in DynamoDB's own terms: what a table driver writes and what a stream's images hold.

A row keeps each field as an attribute of its name, in DynamoDB's native type, so that consoles, queries and other
programs read it: str S, bytes B, bool BOOL, None NULL, list L, dict M, int N, and N for a float with a fraction. What
DynamoDB cannot keep exactly is written as `codec` tags it, a map of one member: `{"$fb:float": "1.0"}` (a number
without a fraction comes back as an integer; nan, infinities and exponents it refuses or rewrites), `{"$fb:time": "…"}`,
and `{"$fb:map": …}` around a dict that looks like a tag.

Attributes whose names start with `$fb:` are ours; a field of such a name is written with `$fb:=` before it.

Foreign rows read as well: sets become lists in the order given, numbers with a fraction floats, others integers of any
size. Source: DynamoDB API Reference, AttributeValue; Developer Guide, "Supported data types and naming rules".
"""

from __future__ import annotations

from faasbridge import codec
from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

EXPIRY = "$fb:expires_at"
"""The attribute that holds a row's expiry, N, in seconds since 1970: what the table's time to live is set to."""

EXPIRY_US = "$fb:expires_us"
"""The same in microseconds, which decides; EXPIRY is rounded up to the whole seconds that time to live demands."""

NULLS = "$fb:nulls"
"""A set of the fields that are None and keys of an index: DynamoDB takes nothing but strings there."""

_OURS, _ESCAPE, _BYTES, _MAP = "$fb:", "$fb:=", "$fb:bytes", "$fb:map"


def row_to_attributes(row: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Field -> AttributeValue, with B as bytes. Raises TypeError or ValueError that names the field."""
    return {attribute_name(name): to_attribute(value, name) for name, value in row.items()}


def attributes_to_row(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The inverse, for rows of others too; B may be bytes or, as in a stream, base64. Raises InvalidEvent."""
    row = {}
    for name, value in attributes.items():
        if name.startswith(_ESCAPE):
            row[name[len(_ESCAPE) :]] = from_attribute(value, name)
        elif not name.startswith(_OURS):
            row[name] = from_attribute(value, name)
        elif name == NULLS:
            row.update(dict.fromkeys(value["SS"]))
    return row


def attribute_name(field: str) -> str:
    return _ESCAPE + field if field.startswith(_OURS) else field


def to_attribute(value: object, where: str = "value") -> dict[str, Any]:
    return _typed(codec.encode(value, where))


def from_attribute(attribute: Mapping[str, Any], where: str = "value") -> Any:
    try:
        return codec.decode(_untyped(attribute))
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"{where} is no DynamoDB value: {error}") from None


def _typed(value: Any) -> dict[str, Any]:
    """An AttributeValue for a value in the codec's terms."""
    kind = type(value)
    if kind is str:
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if kind is bool:
        return {"BOOL": value}
    if kind is int or kind is float:
        return {"N": repr(value)}
    if kind is list:
        return {"L": [_typed(item) for item in value]}
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name == _BYTES:
            from binascii import a2b_base64

            return {"B": a2b_base64(inner)}
        if name == _MAP:
            return {"M": {_MAP: {"M": {key: _typed(item) for key, item in inner.items()}}}}
    return {"M": {key: _typed(item) for key, item in value.items()}}


def _untyped(attribute: Mapping[str, Any]) -> Any:
    """The codec's terms for an AttributeValue."""
    ((kind, value),) = attribute.items()
    if kind in ("S", "BOOL"):
        return value
    if kind == "N":
        return _number(value)
    if kind == "M":
        return {name: _untyped(item) for name, item in value.items()}
    if kind == "L":
        return [_untyped(item) for item in value]
    if kind == "NULL":
        return None
    if kind == "B":
        return _bytes(value)
    if kind == "SS":
        return list(value)
    if kind == "NS":
        return [_number(item) for item in value]
    if kind == "BS":
        return [_bytes(item) for item in value]
    raise ValueError(f"there is no type {kind!r}")


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _bytes(value: bytes | str) -> dict[str, str]:
    if isinstance(value, str):
        return {_BYTES: value}
    from binascii import b2a_base64

    return {_BYTES: b2a_base64(bytes(value), newline=False).decode()}
