"""Says in the log where a function is, shortly before Lambda kills it: a kill leaves no trace of its own.

It is a timer of the operating system, since a thread would cost every invocation fifty microseconds. The timer is left
running between invocations and set anew only when it fires, which leaves two assignments an invocation. It works in
the main thread only, which is where the runtime client calls handlers; an app that has taken SIGALRM for itself keeps
it, and has no warnings.
"""

from __future__ import annotations

import logging
from functools import partial
from time import monotonic

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

log = logging.getLogger("faasbridge")
BEFORE_S = 0.5
_NEVER = float("inf")


class TimeoutWarning:
    """`arm` at the start of an invocation, `disarm` at its end."""

    __slots__ = ("_handler_now", "_set_timer", "fires", "function", "warns_at")
    _handler_now: Callable[[], object]
    _set_timer: Callable[[float], object]

    def __init__(self, function: str) -> None:
        self.function = function
        self.warns_at = _NEVER
        self.fires = _NEVER
        """When the timer fires, never where it does not run; by the monotonic clock, as `warns_at`."""

    def install(self) -> bool:
        """Whether there will be warnings. Must be called in the main thread."""
        # What `signal` wraps, without the enumerations that it makes of it: most of a millisecond of a cold start.
        import _signal as signal  # type: ignore[import-not-found]

        try:
            taken = signal.getsignal(signal.SIGALRM)
            if taken is not signal.SIG_DFL and not isinstance(taken, TimeoutWarning):
                return False
            signal.signal(signal.SIGALRM, self)
            self._handler_now = partial(signal.getsignal, signal.SIGALRM)
            self._set_timer = partial(signal.setitimer, signal.ITIMER_REAL)
        except (ValueError, AttributeError):  # another thread, or Windows
            return False
        return True

    def arm(self, remaining_s: float) -> None:
        now = monotonic()
        self.warns_at = now + remaining_s - BEFORE_S
        if not now < self.fires <= self.warns_at and remaining_s > BEFORE_S:
            self._set(remaining_s - BEFORE_S)

    def disarm(self) -> None:
        self.warns_at = _NEVER

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.fires = _NEVER
        if self.warns_at == _NEVER:
            return
        left = self.warns_at - monotonic()
        if left > 0.001:
            self._set(left)
            return
        from traceback import format_stack

        where = "".join(format_stack(frame, limit=10)) if frame is not None else ""
        log.warning("%s has %d ms left before Lambda ends it; it is at\n%s", self.function, BEFORE_S * 1000, where)

    def _set(self, seconds: float) -> None:
        if self._handler_now() is not self:  # taken by the app since
            return
        self.fires = monotonic() + seconds
        self._set_timer(seconds)
