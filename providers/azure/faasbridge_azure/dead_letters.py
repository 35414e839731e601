"""Dead letters with their reason: a message of an inbox as the entry puts it into the poison queue, and back.

What the host itself moves there, after a crash or a time-out, has no mark. `wire` says what a mark is; no SDK is needed
here before the first burial.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

CRASHED = "the last attempt did not come back: the function crashed or ran out of time"
_REASON_CHARS = 1000


def mark(content: bytes, reason: str, attempts: int, time: datetime, id: str = "") -> bytes:
    """The message as a dead letter. `id` is the queue's own, which is another one in the poison queue."""
    note = {"reason": reason[:_REASON_CHARS], "attempts": attempts, "time": time.isoformat(), "id": id}
    return wire.mark(content, note)


def read(content: bytes, attempts: int, time: datetime | None) -> tuple[bytes, str, int, str]:
    """The message without the mark, the reason, the number of attempts, and when it died (ISO 8601).

    `attempts` and `time` are what stands there where no mark tells it: the app's `maxDequeueCount`, and when the
    message came into the poison queue; the reason is `CRASHED` then.
    """
    plain, note = wire.unmarked(content)
    try:
        return plain, str(note["reason"]), int(note["attempts"]), str(note["time"])
    except (KeyError, TypeError, ValueError):
        return plain, CRASHED, attempts, time.isoformat() if time is not None else ""


class DeadLetters:
    """The poison queue at `url`, as `delivery.Delivery` needs it."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, native: Any, reason: str) -> None:
        """Returns when the queue has it. Raises what the driver raises, and ValueError for no message of a queue."""
        from .arrivals import original_of
        from .delivery import attempt_of
        from .events_queue import is_message

        if not is_message(native):
            raise ValueError("only a queue's message can be put into the dead letters; this event was pushed")
        from datetime import UTC, datetime

        from .drivers import claim_check, messages
        from .drivers.clients import default

        clients, what = default(), "the dead letters"
        content = original_of(native)
        letter = mark(content, reason, attempt_of(native), datetime.now(UTC), native.id or "")
        if len(letter) > wire.MOST_BYTES:
            claim = wire.claim(claim_check.deposit(clients, what, wire.unmarked(content)[0]))
            letter = mark(claim, reason, attempt_of(native), datetime.now(UTC), native.id or "")
        messages.put(clients, self._url, what, letter)
