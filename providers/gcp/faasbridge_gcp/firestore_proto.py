"""Firestore's DocumentEventData, protobuf -> the JSON that protobuf defines for it.

Written by hand, since importing Google's classes takes 400 ms of a cold start. It reads the messages below and skips
every field that it does not know, as protobuf demands.
Sources: google/events/cloud/firestore/v1/data.proto; Protocol Buffers, "Encoding" and "ProtoJSON Format".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def document_event(body: bytes) -> dict[str, Any]:
    """`{"value": document, "oldValue": document}`, each where it is there. Raises InvalidEvent."""
    event: dict[str, Any] = {}
    try:
        for field, value in _fields(memoryview(body)):
            if field == 1:
                event["value"] = _document(value)
            elif field == 2:
                event["oldValue"] = _document(value)
    except (IndexError, TypeError, ValueError, OverflowError) as error:
        raise InvalidEvent(f"this is no protobuf of a Firestore event: {error}") from error
    return event


def _document(data: memoryview) -> dict[str, Any]:
    document: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for field, value in _fields(data):
        if field == 1:
            document["name"] = _text(value)
        elif field == 2:
            _entry(value, fields)
        elif field in (3, 4):
            document["createTime" if field == 3 else "updateTime"] = _timestamp(value)
    if fields:
        document["fields"] = fields
    return document


def _entry(data: memoryview, into: dict[str, Any]) -> None:
    """One member of a map: key and value, each its default where it is missing."""
    name, content = "", {"nullValue": None}
    for field, value in _fields(data):
        if field == 1:
            name = _text(value)
        elif field == 2:
            content = _value(value)
    into[name] = content


def _value(data: memoryview) -> dict[str, Any]:
    result: dict[str, Any] = {"nullValue": None}
    for field, value in _fields(data):  # a oneof: the last wins
        kind = _KINDS.get(field)
        if kind is not None:
            result = {kind[0]: kind[1](value)}
    return result


def _map(data: memoryview) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for field, value in _fields(data):
        if field == 1:
            _entry(value, fields)
    return {"fields": fields}


def _list(data: memoryview) -> dict[str, Any]:
    return {"values": [_value(value) for field, value in _fields(data) if field == 1]}


def _point(data: memoryview) -> dict[str, Any]:
    found = {field: _double(value) for field, value in _fields(data)}
    return {"latitude": found.get(1, 0.0), "longitude": found.get(2, 0.0)}


def _timestamp(data: memoryview) -> str:
    """Nanoseconds are kept in the text; who reads it cuts them."""
    from datetime import UTC, datetime, timedelta

    found = {field: _signed(value) for field, value in _fields(data)}
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=found.get(1, 0))
    return f"{moment.replace(tzinfo=None).isoformat()}.{found.get(2, 0):09}Z"


def _double(data: memoryview) -> float:
    from struct import unpack

    if len(data) != 8:
        raise ValueError(f"a double of {len(data)} bytes")
    return unpack("<d", data)[0]  # type: ignore[no-any-return]


def _text(data: memoryview) -> str:
    return str(data, "utf-8")


def _base64(data: memoryview) -> str:
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode()


def _signed(number: int) -> int:
    """int64 travels as the varint of its two's complement."""
    return number - (1 << 64) if number >> 63 else number


_KINDS: dict[int, tuple[str, Callable[[Any], Any]]] = {
    1: ("booleanValue", bool),
    2: ("integerValue", lambda value: str(_signed(value))),
    3: ("doubleValue", _double),
    5: ("referenceValue", _text),
    6: ("mapValue", _map),
    8: ("geoPointValue", _point),
    9: ("arrayValue", _list),
    10: ("timestampValue", _timestamp),
    11: ("nullValue", lambda value: None),
    17: ("stringValue", _text),
    18: ("bytesValue", _base64),
}


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Field number and content: an int for a varint, bytes for the rest."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + size > len(data):
            raise ValueError(f"it ends within field {key >> 3}")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number of more than ten bytes at byte {at}")
