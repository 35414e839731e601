"""One encoding of rows and messages for every driver: JSON, with tags for what JSON cannot say.

Exact both ways for None, bool, int within 2**53, float (1.0 stays a float; nan and infinities too), str, bytes, aware
datetime, list and dict with str keys, nested at will. Tuples come back as lists. Ordinary JSON means itself.

A tagged value is an object of one member whose name starts with `$fb:`. A dict that looks like one is wrapped in
`$fb:map`, so every dict survives.
"""

from __future__ import annotations

import json

from ._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

MAX_INT = 2**53
"""Cosmos DB and JavaScript keep numbers as IEEE doubles: beyond it integers lose digits there."""

_BYTES, _TIME, _FLOAT, _MAP = "$fb:bytes", "$fb:time", "$fb:float", "$fb:map"
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dumps(value: object) -> str:
    """`value` as text. Raises TypeError or ValueError that says where in the value, and what to use instead."""
    try:
        return _to_json(encode(value))
    except RecursionError:
        raise ValueError("value: nested too deeply to be stored") from None


def loads(text: str | bytes) -> Any:
    """What `dumps` was given. Raises ValueError for what is not JSON."""
    return decode(json.loads(text))


def encode_body(body: object) -> bytes:
    """A message's body as bytes: bytes and str as they are, anything else through `dumps`."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    return (body if isinstance(body, str) else dumps(body)).encode()


def encode(value: object, where: str = "value") -> Any:
    """`value` in terms of JSON's own types."""
    kind = type(value)
    if kind is str:
        _check_text(value, where)  # type: ignore[arg-type]
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if not -MAX_INT <= value <= MAX_INT:  # type: ignore[operator]
            raise ValueError(f"{where}: integers must lie within 2**53; store {value} as a string")
        return value
    if kind is float:
        text = repr(value)
        # A number that a JavaScript engine or a decimal store could hand back as an integer is spelt out.
        return value if "." in text and not text.endswith(".0") and "e" not in text else {_FLOAT: text}
    if isinstance(value, dict):
        encoded = {_key(k, where): encode(v, f"{where}[{k!r}]") for k, v in value.items()}
        return {_MAP: encoded} if len(encoded) == 1 and next(iter(encoded)).startswith("$fb:") else encoded
    if isinstance(value, (list, tuple)):
        return [encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
    return _encode_other(value, where)


def decode(value: Any) -> Any:
    """What `encode` was given."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name.startswith("$fb:"):
                return _untag(name, inner)
        return {k: decode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value


def _encode_other(value: object, where: str) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        from binascii import b2a_base64

        return {_BYTES: b2a_base64(value, newline=False).decode()}
    from datetime import datetime

    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{where}: a datetime needs a time zone; use datetime.now(timezone.utc)")
        return {_TIME: value.isoformat()}
    if isinstance(value, str):  # subclasses, such as enum members, whose own __str__ says something else
        return encode(str.__str__(value), where)
    for plain in (int, float):
        if isinstance(value, plain):
            return encode(plain(value), where)
    raise TypeError(
        f"{where}: {type(value).__name__} cannot be stored; use None, bool, int, float, str, bytes, "
        "datetime, list or dict"
    )


def _untag(name: str, inner: Any) -> Any:
    try:
        if name == _FLOAT:
            return float(inner)
        if name == _BYTES:
            from binascii import a2b_base64

            return a2b_base64(inner)
        if name == _TIME:
            from datetime import datetime

            return datetime.fromisoformat(inner)
        if name == _MAP:
            return {k: decode(v) for k, v in inner.items()}
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{name} holds {inner!r}: {error}") from error
    return {name: decode(inner)}  # somebody else's member of that name


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{where}: the key {key!r} is not a string")
    _check_text(key, where)
    return str.__str__(key)


def _check_text(text: str, where: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{where}: the text holds a lone surrogate, which is no valid Unicode") from None
