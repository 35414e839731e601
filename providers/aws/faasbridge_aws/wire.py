"""How one of our messages travels through SQS and SNS: the drivers pack it, `events` unpacks it. Pure.

SQS takes text that XML can hold, one character at least, and ten attributes with names of its own alphabet and values
that are not empty. What does not fit is told in the attribute `faasbridge`, which every message of ours carries: JSON
with

- `id`: the event's id. A message id of SQS is another one after SNS or a replay from the dead letters; this one stays.
- `base64`: true where the body is base64.
- `attributes`: those that SQS cannot hold; the others are ordinary attributes, which filters and other programs see.

The attribute also says that the body is the sender's word: without it a body that looks like a notification is
unwrapped.
Source: SQS API Reference, SendMessage and MessageAttributeValue.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ATTRIBUTE = "faasbridge"
MARK = "faasbridge-dead-letter"
"""The attribute that `dead_letters` adds; it is of no message that is sent."""

_MOST_ATTRIBUTES = 8  # ten, less these two
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def pack(body: bytes, attributes: Mapping[str, str], id: str) -> tuple[str, dict[str, str]]:
    """The text to send, and the string attributes to send with it."""
    envelope: dict[str, Any] = {"id": id}
    text = _as_text(body)
    if text is None:
        from binascii import b2a_base64

        text = b2a_base64(body, newline=False).decode() or "="  # no bytes at all, in the one character SQS demands
        envelope["base64"] = True
    plain: dict[str, str] = {}
    for name, value in attributes.items():
        if len(plain) < _MOST_ATTRIBUTES and _is_plain(name, value):
            plain[name] = value
        else:
            envelope.setdefault("attributes", {})[name] = value
    return text, {**plain, ATTRIBUTE: json.dumps(envelope, separators=(",", ":"))}


def unpack(text: str, attributes: Mapping[str, str]) -> tuple[bytes, dict[str, str], str]:
    """Body, attributes and id of a message that has our attribute. Raises ValueError where that was tampered with."""
    plain = dict(attributes)
    envelope = json.loads(plain.pop(ATTRIBUTE))
    if not isinstance(envelope, dict):
        raise ValueError("its attribute `faasbridge` is no object")
    body = text.encode()
    if envelope.get("base64"):
        from binascii import a2b_base64

        body = a2b_base64(body)
    return body, {**plain, **envelope.get("attributes", {})}, str(envelope.get("id", ""))


def _as_text(body: bytes) -> str | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if text and _is_xml(text) else None


def _is_plain(name: str, value: str) -> bool:
    return (
        value != ""
        and _is_xml(value)
        and 0 < len(name) <= 256
        and _NAME.issuperset(name)
        and not (name.startswith(".") or name.endswith(".") or ".." in name)
        and not name.lower().startswith(("aws.", "amazon."))
        and name not in (ATTRIBUTE, MARK)
    )


def _is_xml(text: str) -> bool:
    """Every character is one of XML 1.0's."""
    if text.isprintable():
        return True
    return all((c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff") or c in "\t\n\r" for c in text)
