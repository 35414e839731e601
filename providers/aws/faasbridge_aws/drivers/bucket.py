"""Buckets: S3. The binding's address is the bucket's name.

A deployed function reads and writes whole objects through `objects` (obstore, a few milliseconds to import); whatever
that cannot do right, and everything for tools, goes through `s3` (botocore).
"""

from __future__ import annotations

import os

from faasbridge._typing import TYPE_CHECKING

from .clients import of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, BinaryIO

    from faasbridge.drivers import Binding
    from faasbridge.resources import BlobInfo, Page

    from .objects import Objects
    from .s3 import S3

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # where Lambda puts them; SnapStart: second


class BucketDriver:
    """A signed URL ends with the credentials that signed it, whatever its own time: those of a function last for some
    hours. Source: S3 User Guide, "Sharing objects with presigned URLs"."""

    def __init__(self, binding: Binding) -> None:
        self._bucket = binding.address
        self._what = f"bucket {binding.name!r}"
        self._clients = of(binding.options)
        self._full: S3 | None = None
        self._quick: Objects | None = None
        if "clients" not in binding.options and any(name in os.environ for name in _CREDENTIALS):
            from .objects import Objects

            self._quick = Objects(self._bucket, self._what, self._clients)

    @property
    def client(self) -> Any:
        """botocore's client of S3."""
        return self._s3().client

    def get(self, key: str) -> bytes:
        return self._for(key).get(key)

    def open(self, key: str) -> BinaryIO:
        return self._for(key).open(key)

    def put(
        self,
        key: str,
        data: bytes | BinaryIO | Iterable[bytes],
        content_type: str | None,
        metadata: Mapping[str, str],
        if_absent: bool,
        if_match: str | None,
    ) -> BlobInfo:
        if isinstance(data, bytes) and not if_absent and if_match is None:
            return self._for(key).put(key, data, content_type, metadata)
        return self._s3().put(key, data, content_type, metadata, if_absent=if_absent, if_match=if_match)

    def delete(self, key: str) -> None:
        self._for(key).delete(key)

    def head(self, key: str) -> BlobInfo:
        return self._for(key).head(key)

    def list(self, prefix: str, size: int, cursor: str | None) -> Page[BlobInfo]:
        return self._s3().list(prefix, size, cursor)

    def copy(self, key: str, to: str) -> BlobInfo:
        return self._s3().copy(key, to)

    def sign_get(self, key: str, expires_s: int) -> str:
        return self._s3().sign("get_object", expires_s, Key=key)

    def sign_put(self, key: str, expires_s: int, content_type: str | None, max_bytes: int | None) -> str:
        """`max_bytes` is not kept: S3 has no such condition for a PUT."""
        typed = {} if content_type is None else {"ContentType": content_type}
        return self._s3().sign("put_object", expires_s, Key=key, **typed)

    def _for(self, key: str) -> Objects | S3:
        quick = self._quick
        return quick if quick is not None and quick.takes(key) else self._s3()

    def _s3(self) -> S3:
        if self._full is None:
            from .s3 import S3

            self._full = S3(self._bucket, self._what, self._clients.get("s3"))
        return self._full
