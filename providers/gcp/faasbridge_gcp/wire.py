"""How one of our messages travels through Pub/Sub: the drivers pack it, `events_pubsub` unpacks it. Pure.

Pub/Sub takes bytes, and 100 attributes of at most 256 bytes of name and 1,024 of value, names not starting with `goog`.
Every message of ours carries the attribute `faasbridge`, JSON with

- `id`: the event's id. A message id of Pub/Sub is another one after a replay from the dead letters; this one stays.
- `head`: where there are attributes that Pub/Sub cannot hold, the length in bytes of a JSON object with those, which
  stands before the body. The others are ordinary attributes, which filters and other programs see.

The attribute also says that the body is the sender's word: without it a message that looks like a storage notification,
a tick or a forwarded event is decoded as such.
Source: Pub/Sub documentation, "Quotas and limits" and the reference of PubsubMessage.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTRIBUTE = "faasbridge"
MARK = "faasbridge-dead-letter"
"""On a dead letter that the entry put there; see `dead_letters`."""
FOR = "faasbridge-for"
"""On a message that only one of a topic's inboxes is to take: the function's name."""
DEAD_LETTER_PREFIX = "CloudPubSubDeadLetterSource"
"""Begins the names of the attributes that Pub/Sub adds to a dead letter."""
OURS = frozenset((ATTRIBUTE, MARK, FOR))
_MOST_ATTRIBUTES = 90  # a hundred, less ours and those that Pub/Sub adds


def pack(body: bytes, attributes: Mapping[str, str], id: str) -> tuple[bytes, dict[str, str]]:
    """The data to publish, and the attributes to publish with it."""
    plain: dict[str, str] = {}
    other: dict[str, str] = {}
    for name, value in attributes.items():
        into = plain if len(plain) < _MOST_ATTRIBUTES and _is_plain(name, value) else other
        into[name] = value
    envelope: dict[str, object] = {"id": id}
    if other:
        head = json.dumps(other, separators=(",", ":")).encode()
        envelope["head"] = len(head)
        body = head + body
    return body, {**plain, ATTRIBUTE: json.dumps(envelope, separators=(",", ":"))}


def unpack(data: bytes, attributes: Mapping[str, str]) -> tuple[bytes, dict[str, str], str]:
    """Body, attributes and id of a message that has our attribute. Raises ValueError where that was tampered with."""
    plain = dict(attributes)
    envelope = json.loads(plain.pop(ATTRIBUTE))
    if not isinstance(envelope, dict):
        raise ValueError(f"its attribute `{ATTRIBUTE}` is no object")
    size = envelope.get("head", 0)
    if size:
        other = json.loads(data[:size])
        if not isinstance(other, dict):
            raise ValueError("what stands before its body is no object")
        plain.update(other)
    return data[size:], plain, str(envelope.get("id", ""))


def _is_plain(name: str, value: str) -> bool:
    return (
        value != ""
        and 0 < len(name.encode()) <= 256
        and len(value.encode()) <= 1024
        and name not in OURS
        and not name.lower().startswith("goog")
        and not name.startswith(DEAD_LETTER_PREFIX)
    )
