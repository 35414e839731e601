"""The kinds of events that handlers are given, the same on every vendor, but for requests, which are in `http`."""

from __future__ import annotations

from ._typing import TYPE_CHECKING, Generic, Item
from .event import Event as Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any, Literal


class BlobEvent(Event):
    """An object was created (written or overwritten) or deleted. `size` in bytes; both it and `etag` are empty on
    delete."""

    __slots__ = ("bucket", "etag", "key", "kind", "size")

    def __init__(
        self,
        bucket: str,
        key: str,
        *,
        size: int = 0,
        etag: str = "",
        kind: Literal["create", "delete"] = "create",
        **event: Any,
    ) -> None:
        super().__init__(**event)
        self.bucket = bucket
        self.key = key
        self.size = size
        self.etag = etag
        self.kind: Literal["create", "delete"] = kind


class Message(Event):
    """A message of a queue or topic. `attempt` counts from 1; `enqueued_at` is aware, or None where the vendor hides
    it."""

    __slots__ = ("attempt", "attributes", "body", "enqueued_at")

    def __init__(
        self,
        body: Mapping[str, object] | Sequence[object] | str | bytes = b"",
        *,
        attributes: Mapping[str, str] | None = None,
        attempt: int = 1,
        enqueued_at: datetime | None = None,
        **event: Any,
    ) -> None:
        super().__init__(**event)
        if not isinstance(body, bytes):
            from .codec import encode_body

            body = encode_body(body)
        self.body = body
        self.attributes: Mapping[str, str] = attributes or {}
        self.attempt = attempt
        self.enqueued_at = enqueued_at

    def text(self) -> str:
        """The body as UTF-8. Raises UnicodeDecodeError, a ValueError."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON; what `send` was given as dict or list comes back exactly. Raises ValueError."""
        from .codec import loads

        return loads(self.body.decode())


class Change(Event, Generic[Item]):
    """A row changed: `old` is None on insert, `new` on delete. `key` is the partition key's value."""

    __slots__ = ("key", "kind", "new", "old", "table")

    def __init__(
        self,
        table: str,
        key: str,
        kind: Literal["insert", "update", "delete"],
        *,
        old: Item | None = None,
        new: Item | None = None,
        **event: Any,
    ) -> None:
        super().__init__(**event)
        self.table = table
        self.key = key
        self.kind: Literal["insert", "update", "delete"] = kind
        self.old = old
        self.new = new


class Tick(Event):
    """A schedule fired. `scheduled_for` is aware, in the schedule's time zone; `late_s` is the delay in seconds."""

    __slots__ = ("late_s", "scheduled_for")

    def __init__(self, scheduled_for: datetime, *, late_s: float = 0.0, **event: Any) -> None:
        super().__init__(**event)
        self.scheduled_for = scheduled_for
        self.late_s = late_s
