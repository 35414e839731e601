"""What a delivery is to every vendor's event function: events that fit it, a number of attempts, and dead letters."""

from __future__ import annotations

import logging

from .._typing import TYPE_CHECKING
from ..errors import Reject
from .fitting import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..dispatch import Runner
    from ..events import Event

    DeadLetter = Callable[[Any, str], None]

log = logging.getLogger("faasbridge")


class BaseDelivery:
    """The deliveries of one function that is no api's.

    `dead_letter(native, reason)` puts a delivery, in the vendor's own form, into the dead letters and returns when it
    is there. Where there is no such callable, or it raises, the delivery counts as failed and gets there after the
    vendor's last attempt.
    """

    __slots__ = ("dead_letter", "function", "max_attempts", "messages", "runner")

    def __init__(self, runner: Runner, dead_letter: DeadLetter | None) -> None:
        assert runner.function is not None
        self.runner = runner
        self.function = runner.function
        self.messages = self.function.trigger in ("message", "batch")
        of_resource = self.function.resource.options if self.function.resource is not None else {}
        self.max_attempts: int = self.function.options.get("max_attempts") or of_resource.get("max_attempts") or 5
        self.dead_letter = dead_letter

    def fitting(self, found: Iterable[Event]) -> list[Event]:
        """Those that the function asked for, in its names. Raises InvalidEvent and ConfigError as `fit` does."""
        return [event for event in found if fit(self.function, event) is not None]

    def settled(self, native: Any, error: BaseException, attempt: int) -> bool:
        """Whether a delivery that failed is over: it had its last attempt, or was rejected, and is in the dead letters
        now."""
        return (isinstance(error, Reject) or attempt >= self.max_attempts) and self.buried(native, error)

    def buried(self, native: Any, error: BaseException) -> bool:
        """Whether the delivery is in the dead letters now."""
        if self.dead_letter is None:
            return False
        try:
            self.dead_letter(native, str(error) or type(error).__name__)
        except Exception:
            log.exception("%s could not put a delivery into the dead letters; it comes again", self.runner.name)
            return False
        return True
