"""Says in the log where a function is, shortly before Lambda kills it: a kill leaves no trace of its own.

A timer of the operating system, since it costs a microsecond an invocation; a thread would cost fifty. It works in the
main thread only, which is where the runtime client calls handlers; an app that has taken SIGALRM for itself keeps it.
"""

from __future__ import annotations

import logging
import signal

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

log = logging.getLogger("faasbridge")
BEFORE_S = 0.5


def install(function: str) -> bool:
    """Whether there will be warnings. Must be called in the main thread."""
    try:
        if signal.getsignal(signal.SIGALRM) not in (signal.SIG_DFL, None) and not _installed():
            return False
        signal.signal(signal.SIGALRM, _Warn(function))
    except (ValueError, AttributeError):  # another thread, or Windows
        return False
    return True


def arm(remaining_s: float) -> None:
    if remaining_s > BEFORE_S:
        signal.setitimer(signal.ITIMER_REAL, remaining_s - BEFORE_S)


def disarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.0)


class _Warn:
    def __init__(self, function: str) -> None:
        self.function = function

    def __call__(self, number: int, frame: FrameType | None) -> None:
        from traceback import format_stack

        where = "".join(format_stack(frame, limit=-10)) if frame is not None else ""
        log.warning("%s has %d ms left before Lambda ends it; it is at\n%s", self.function, BEFORE_S * 1000, where)


def _installed() -> bool:
    return isinstance(signal.getsignal(signal.SIGALRM), _Warn)
