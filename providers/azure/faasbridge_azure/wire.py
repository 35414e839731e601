"""How a message of ours travels through Storage Queues and Event Grid: drivers pack it, `events` unpacks it. Pure.

A queue takes bytes (the host and the drivers put base64 around them) and nothing beside them. A message of ours is a
line of JSON, the head, and then the body as it is, so that binary costs no more than text:

    {"faasbridge":"message","id":ID,"attributes":{NAME:VALUE}}
    BODY

Event Grid takes JSON: there the `data` of an event of the type `faasbridge.message` is the head, with the body in its
member `body`, or, where it is no text, as base64 in `base64`.

What a queue has no room for lies in a container of ours, and a claim goes in its place: `{"faasbridge":"claim","blob":
NAME}`, as a message, or as the data of Event Grid's event. A dead letter is the message as it was under a line more:

    {"faasbridge":"dead","reason":TEXT,"attempts":N,"time":TIME,"id":ID}

`id` is the event's: the queue's own is another one after a replay of the dead letters. The head also says that the body
is the sender's word: without it a message that looks like an event of Event Grid, a tick or a forwarded event is
decoded as such.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MESSAGE_TYPE = "faasbridge.message"
MOST_BYTES = 48 * 1024
"""Of a queue's message, which is 64 KB of base64."""
_START = b'{"faasbridge":"message",'
_DEAD = b'{"faasbridge":"dead",'
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def pack(body: bytes, attributes: Mapping[str, str], id: str) -> bytes:
    """What to put into a queue. As base64 it must not be longer than 64 KB: that is for the driver to say."""
    return _to_json(_head(attributes, id)).encode() + b"\n" + body


def is_packed(content: bytes) -> bool:
    return content.startswith(_START)


def unpack(content: bytes) -> tuple[bytes, dict[str, str], str]:
    """Body, attributes and id of what `pack` gave. Raises ValueError where that was tampered with."""
    head, _, body = content.partition(b"\n")
    attributes, id = _read(json.loads(head))
    return body, attributes, id


def claim(blob: str) -> bytes:
    return _to_json(claim_data(blob)).encode()


def claim_data(blob: str) -> dict[str, str]:
    return {"faasbridge": "claim", "blob": blob}


def claimed(value: Any) -> str | None:
    """The blob's name where `value`, JSON that was read, is a claim."""
    if not isinstance(value, dict) or value.get("faasbridge") != "claim":
        return None
    blob = value.get("blob")
    return blob if isinstance(blob, str) else None


def mark(content: bytes, note: Mapping[str, Any]) -> bytes:
    """The message `content` as a dead letter; `note` has the other members of the line."""
    return _to_json({"faasbridge": "dead", **note}).encode() + b"\n" + unmarked(content)[0]


def unmarked(content: bytes) -> tuple[bytes, dict[str, Any]]:
    """The message without its line, and what that says; nothing where there is none."""
    if not content.startswith(_DEAD):
        return content, {}
    head, _, rest = content.partition(b"\n")
    try:
        note = json.loads(head)
    except ValueError:
        return content, {}
    return (rest, note) if isinstance(note, dict) else (content, {})


def pack_data(body: bytes, attributes: Mapping[str, str], id: str) -> dict[str, Any]:
    """What to publish as the data of an event of `MESSAGE_TYPE`."""
    data = _head(attributes, id)
    try:
        data["body"] = body.decode()
    except UnicodeDecodeError:
        from binascii import b2a_base64

        data["base64"] = b2a_base64(body, newline=False).decode()
    return data


def unpack_data(data: Any) -> tuple[bytes, dict[str, str], str]:
    """The same for what `pack_data` gave. Raises ValueError."""
    attributes, id = _read(data)
    if "base64" in data:
        from binascii import a2b_base64

        try:
            return a2b_base64(data["base64"]), attributes, id
        except TypeError as error:
            raise ValueError(f"its base64 is none: {error}") from None
    body = data.get("body")
    if not isinstance(body, str):
        raise ValueError("it has neither body nor base64")
    return body.encode(), attributes, id


def _head(attributes: Mapping[str, str], id: str) -> dict[str, Any]:
    return {"faasbridge": "message", "id": id, "attributes": dict(attributes)}


def _read(head: Any) -> tuple[dict[str, str], str]:
    attributes = head.get("attributes") if isinstance(head, dict) else None
    if not isinstance(attributes, dict) or not isinstance(head.get("id"), str):
        raise ValueError("its head has no id or no attributes")
    return attributes, head["id"]
