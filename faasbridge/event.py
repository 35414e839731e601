"""What every event has. It is apart from the kinds in `events` since a function that answers HTTP has none of these."""

from __future__ import annotations

from ._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any


class Event:
    """One event; its attributes are named as in CloudEvents.

    `id` is the same on every redelivery; `state` is a dict for middleware; `native` the raw payload.
    """

    __slots__ = ("id", "native", "provider", "source", "state", "subject", "time", "type")

    def __init__(
        self,
        *,
        id: str = "",
        source: str = "",
        type: str = "",
        subject: str = "",
        time: datetime | None = None,
        provider: str = "local",
        native: Any = None,
    ) -> None:
        self.id = id
        self.source = source
        self.type = type
        self.subject = subject
        self.time = time
        self.provider = provider
        self.native: Any = native
        self.state: dict[str, Any] = {}
