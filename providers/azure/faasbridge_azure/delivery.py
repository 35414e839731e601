"""One delivery to an event function: what is raised makes the host send it again, what is not ends it.

The host counts a queue message's deliveries and moves it to the poison queue after `maxDequeueCount` of the function
app. Where functions share an app that number is the largest of theirs, so the attempts of `max_attempts` are kept here.
A message has one outcome, however many events are in it; so has each message of a batch, but of those the host can only
be told that all come again.
Source: Azure Functions documentation, "Azure Functions error handling and retries", "Azure Queue storage trigger".
"""

from __future__ import annotations

import logging

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.delivery import BaseDelivery
from faasbridge.errors import ConfigError, InvalidEvent

from . import events

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.dispatch import Failure
    from faasbridge.http import Request

log = logging.getLogger("faasbridge")


class Delivery(BaseDelivery):
    """The deliveries of one function.

    `dead_letter(native, reason)` puts a delivery (what the trigger bound: a QueueMessage, say) into the dead letters
    and returns when it is there. Where there is no such callable, or it raises, the delivery counts as failed and gets
    there after the host's last attempt.
    """

    __slots__ = ()

    def deliver(self, native: Any, id: str | None = None) -> bool:
        """Hands over what the trigger bound; whether it was handled, and not put into the dead letters.

        Raises InvalidEvent, ConfigError, or the first failure that needs another attempt.
        """
        try:
            left, buried = self._left(native, id)
        except (InvalidEvent, ConfigError) as error:
            if not self.unreadable(native, error):
                raise
            return False
        if left:
            raise left[0]
        return not buried

    def unreadable(self, native: Any, error: Exception) -> bool:
        """Whether a message that cannot be read had its last attempt, and is in the dead letters now."""
        return hasattr(native, "dequeue_count") and self.settled(native, error, attempt_of(native))

    def webhook(self, request: Request, id: str | None = None) -> tuple[int, str]:
        """The status to answer Event Grid's request with, and what was wrong: 200 for handled, 400 (no further attempt,
        but the subscription's dead-letter container) for what is no event of this function's, 500 for another one."""
        try:
            left, _ = self._left(request.native, id)
        except InvalidEvent as error:
            return 400, str(error)
        return (500, f"{type(left[0]).__name__}: the log has more") if left else (200, "")

    def _left(self, native: Any, id: str | None) -> tuple[list[BaseException], bool]:
        """Why the host has to send it again, nothing where it is done; and whether any of it is in the dead letters.
        Raises InvalidEvent, ConfigError."""
        try:
            if events.is_batch(native):
                units = [(each, [events.decode_at(native, i)]) for i, each in enumerate(native)]
            else:
                units = [(native, events.decode(native, as_messages=self.messages))]
            fitting = [(each, self.fitting(found)) for each, found in units]
        except InvalidEvent as error:
            log.error("%s cannot take this delivery: %s", self.runner.name, error)
            raise
        every = [event for _, found in fitting for event in found]
        if not every:
            return [], False
        attempts = [attempt_of(each) for each, found in fitting for _ in found]
        failures = {failure.event: failure for failure in self.runner.deliver(every, attempts=attempts, id=id)}
        left: list[BaseException] = []
        buried = False
        for each, found in fitting:
            failed = [failures[event] for event in found if event in failures]
            fault = self._outcome(each, attempt_of(each), failed) if failed else None
            if fault is not None:
                left.append(fault)
            elif failed:
                buried = True
        return left, buried

    def _outcome(self, native: Any, tries: int, failures: list[Failure]) -> BaseException | None:
        """None where the delivery is over: every event of it that failed has had its last attempt."""
        for failure in failures:
            if not failure.rejected and tries < self.max_attempts:
                return failure.error
        return None if self.buried(native, failures[0].error) else failures[0].error


def attempt_of(native: Any) -> int:
    """Which delivery of it this is, from 1, where its trigger counts them; a webhook's header counts from 0."""
    if events.is_request(native):
        count = native.headers.get("aeg-delivery-count") or ""
        return int(count) + 1 if count.isascii() and count.isdigit() else 1
    return max(1, int(getattr(native, "dequeue_count", None) or getattr(native, "delivery_count", None) or 1))
