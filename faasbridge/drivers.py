"""What a vendor implements under the portable types: small, synchronous interfaces.

The portable types in `resources/` check arguments and encode bodies before a driver is called, so a driver gets
clean values: keys are non-empty strings, bodies bytes, datetimes aware. A driver raises the faults of `errors`, with
the vendor's error as `__cause__`. One driver object serves all threads of a process.

A driver is built as `Driver(binding)` on first use. It may have asynchronous methods as well, named with a leading `a`
(`aget`); where it has none, the portable type runs the synchronous one in a thread.
"""

from __future__ import annotations

from ._typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any, BinaryIO

    from .resources import BlobInfo, Page


class Binding:
    """Which physical thing a driver drives. `address` is the vendor's id of it: a bucket's name, a queue's URL."""

    __slots__ = ("address", "app", "kind", "name", "options", "provider", "stage")

    def __init__(
        self, provider: str, app: str, stage: str, kind: str, name: str, options: Mapping[str, Any], address: str
    ) -> None:
        self.provider = provider
        self.app = app
        self.stage = stage
        self.kind = kind
        self.name = name
        self.options = options
        self.address = address


class Driver(Protocol):
    """What all drivers have: the vendor's own client, for `resource.native()`."""

    @property
    def client(self) -> Any: ...


class BucketDriver(Driver, Protocol):
    """Objects by key. Read after write. Every change is an event to the bucket's handlers."""

    def get(self, key: str) -> bytes:
        """The whole object. Raises NotFound."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A readable stream that holds one version of the object, however large. Raises NotFound."""
        ...

    def put(
        self,
        key: str,
        data: bytes | BinaryIO | Iterable[bytes],
        content_type: str | None,
        metadata: Mapping[str, str],
        if_absent: bool,
        if_match: str | None,
    ) -> BlobInfo:
        """Writes all or nothing. `if_match` is an etag. Of several `if_absent` writers one wins, others get Conflict.

        Without a `content_type` the object gets `media_types.media_type(key)`.
        """
        ...

    def delete(self, key: str) -> None:
        """Idempotent; an event only where something was deleted."""
        ...

    def head(self, key: str) -> BlobInfo:
        """Raises NotFound."""
        ...

    def list(self, prefix: str, size: int, cursor: str | None) -> Page[BlobInfo]:
        """Up to `size` entries in the order of their keys' code points."""
        ...

    def copy(self, key: str, to: str) -> BlobInfo:
        """Within the bucket, content type and metadata included. Raises NotFound."""
        ...

    def sign_get(self, key: str, expires_s: int) -> str: ...

    def sign_put(self, key: str, expires_s: int, content_type: str | None, max_bytes: int | None) -> str:
        """A SignedUrl where the PUT has to bring other headers than its `content_type`."""
        ...


class TableDriver(Driver, Protocol):
    """Rows by key and, where the table has one, sort key. Read after write; conditions are atomic.

    Rows survive exactly as `codec` says. Expired rows are never returned and count as absent. `binding.options`: `key`,
    `sort_key`, `indexes` (name -> [key field, sort field]). A condition that is not met raises Conflict; a field
    compared with None matches null and missing. Values compare as in Python (1 equals 1.0), but True is not 1, and a
    tuple is a list. A write that leaves row and expiry as they were is no change and makes no event.
    """

    def get(self, key: str, sort: str | None) -> dict[str, Any] | None: ...

    def put(
        self,
        item: dict[str, Any],
        if_absent: bool,
        if_match: Mapping[str, object] | None,
        expires_at: datetime | None,
    ) -> None:
        """Replaces the whole row and its expiry. A row that is missing does not meet `if_match`."""
        ...

    def update(
        self,
        key: str,
        sort: str | None,
        set: Mapping[str, object],
        increment: Mapping[str, int | float],
        remove: Sequence[str],
        if_match: Mapping[str, object] | None,
    ) -> dict[str, Any]:
        """The new row. A missing row: NotFound, or Conflict with `if_match`. A missing field counts from 0; a field
        that is no number raises Conflict. The expiry stays."""
        ...

    def delete(self, key: str, sort: str | None, if_match: Mapping[str, object] | None) -> None:
        """Idempotent without `if_match`."""
        ...

    def query(
        self,
        key: str,
        index: str | None,
        begins_with: str | None,
        between: tuple[str, str] | None,
        reverse: bool,
        size: int,
        cursor: str | None,
    ) -> Page[dict[str, Any]]:
        """Rows of one key (or of one key of an index) in the order of the sort key's code points; `between` is
        inclusive. Rows that lack an index's fields are not in it."""
        ...

    def scan(self, size: int, cursor: str | None) -> Page[dict[str, Any]]:
        """All rows, in no order that is promised."""
        ...


class QueueDriver(Driver, Protocol):
    """Messages to the one handler of a queue; they wait where there is none yet."""

    def send(self, body: bytes, attributes: Mapping[str, str], delay_s: int) -> str:
        """The event id that the handler will see. Returns when the message is accepted for good."""
        ...

    def send_many(self, bodies: Sequence[bytes]) -> None:
        """All accepted, or an error; then some may have been."""
        ...


class TopicDriver(Driver, Protocol):
    """Messages to every handler of a topic, each with retries and dead letters of its own; dropped where none is."""

    def publish(self, body: bytes, attributes: Mapping[str, str]) -> str: ...

    def publish_many(self, bodies: Sequence[bytes]) -> None: ...


class SecretDriver(Driver, Protocol):
    def get(self) -> str:
        """The current value. Raises NotFound. The portable type caches it for `cache_s` seconds."""
        ...

    cache_s: float
