"""A queue's message as it arrived, and as its sender wrote it: without a dead letter's mark, with what it claims."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

from . import wire
from .events_queue import is_message

if TYPE_CHECKING:
    from typing import Any


class Arrival:
    """A QueueMessage with another body; everything else is `native`'s. `claim` names the blob that the body was in."""

    __slots__ = ("_body", "claim", "native")

    def __init__(self, native: Any, body: bytes, claim: str | None) -> None:
        self.native = native
        self.claim = claim
        self._body = body

    def get_body(self) -> bytes:
        return self._body

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)

    def handled(self) -> None:
        """What it claimed is needed no more. What stays behind by mistake, the container's life-cycle rule deletes."""
        if self.claim is None:
            return
        from .drivers import claim_check
        from .drivers.clients import default

        try:
            claim_check.delete(default(), self.claim)
        except Exception:
            import logging

            logging.getLogger("faasbridge").warning("the claim %s could not be deleted", self.claim, exc_info=True)


def opened(native: Any) -> Any:
    """An Arrival where there is something to open, else `native`. Raises InvalidEvent for a claim that leads nowhere,
    and what reading it raises."""
    if not is_message(native):
        return native
    content = native.get_body()
    plain, _ = wire.unmarked(content)
    claim = None
    if b'"claim"' in plain and not wire.is_packed(plain):
        from .drivers import claim_check
        from .drivers.clients import default

        plain, claim = claim_check.redeemed(default(), plain)
    return native if plain is content else Arrival(native, plain, claim)


def original_of(native: Any) -> bytes:
    """The body as it was in the queue."""
    return native.native.get_body() if isinstance(native, Arrival) else native.get_body()  # type: ignore[no-any-return]
