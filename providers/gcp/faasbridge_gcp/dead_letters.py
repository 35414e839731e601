"""Dead letters with their reason: a message of an inbox as the entry publishes it to the dead letters, and back.

Data, attributes and ordering key are the original's. One attribute more, `MARK`, holds JSON: `reason`, `attempts`,
`time` (ISO 8601, UTC) and the `id` that Pub/Sub had given the message, which is another one in the new topic. What
Pub/Sub itself moves there, after a crash or a time-out, has no mark but attributes of Pub/Sub's own.
Source: Pub/Sub documentation, "Dead-letter topics", attributes of forwarded messages. No SDK is needed here before the
first burial.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

CRASHED = "the last attempt did not come back: the function crashed or ran out of time"
MARK = wire.MARK
_MARK_BYTES = 1024
_MOST_ATTRIBUTES = 100


def mark(attributes: Mapping[str, str], reason: str, attempts: int, time: datetime, id: str = "") -> dict[str, str]:
    """The message's attributes as a dead letter's. Raises ValueError where Pub/Sub has no room for the mark."""
    found = unmarked(attributes)
    if len(found) >= _MOST_ATTRIBUTES:
        raise ValueError(f"message {id} has {len(found)} attributes, Pub/Sub takes no more")
    reason = reason.encode(errors="replace").decode()  # of surrogates, which Pub/Sub does not take
    while True:
        note = {"reason": reason, "attempts": attempts, "time": time.isoformat(), "id": id}
        text = json.dumps(note, ensure_ascii=False, separators=(",", ":"))
        over = len(text.encode()) - _MARK_BYTES
        if over <= 0:
            return {**found, MARK: text}
        reason = reason[: len(reason) - max(1, over // 6)]


def read(attributes: Mapping[str, str]) -> tuple[dict[str, str], str, int, str, str]:
    """The message's attributes without marks, the reason, the number of attempts, when it died (ISO 8601, UTC; empty
    where nobody knows), and its id in the inbox."""
    plain = unmarked(attributes)
    try:
        note = json.loads(attributes[MARK])
        return plain, str(note["reason"]), int(note["attempts"]), str(note["time"]), str(note["id"])
    except (KeyError, TypeError, ValueError):
        count = attributes.get(f"{wire.DEAD_LETTER_PREFIX}DeliveryCount", "")
        return plain, CRASHED, int(count) if count.isdigit() else 0, "", ""


def unmarked(attributes: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in attributes.items()
        if name not in (MARK, wire.FOR) and not name.startswith(wire.DEAD_LETTER_PREFIX)
    }


class DeadLetters:
    """The topic of that name, `projects/P/topics/T`, as `delivery.Delivery` needs it."""

    __slots__ = ("_topic",)

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def __call__(self, native: Any, reason: str) -> None:
        """Returns when Pub/Sub has it. Raises what the client raises, and ValueError for no message of an inbox."""
        from .events_pubsub import attempt_of, is_envelope

        if not is_envelope(native):
            raise ValueError("only a message of an inbox can be put into the dead letters; this event was pushed")
        from datetime import UTC, datetime

        from .drivers.clients import default
        from .events_common import from_base64

        content = native["message"]
        id = content.get("messageId") or content.get("message_id") or ""
        message = {
            "data": from_base64(content.get("data") or "", "data"),
            "attributes": mark(
                content.get("attributes") or {}, reason, attempt_of(native) or 1, datetime.now(UTC), str(id)
            ),
            "ordering_key": content.get("orderingKey") or content.get("ordering_key") or "",
        }
        default().get("publisher").publish(topic=self._topic, messages=[message])
