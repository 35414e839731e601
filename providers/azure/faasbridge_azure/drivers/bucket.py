"""Buckets: Blob Storage. The binding's address is the container's URL.

Whole objects are read and written through `objects` (obstore, a few milliseconds to import); whatever that cannot do
right goes through `blobs`, the vendor's SDK, which is imported then.
"""

from __future__ import annotations

from itertools import chain

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.streams import blocks
from faasbridge.resources.bucket import SignedUrl

from .clients import of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, BinaryIO

    from faasbridge.drivers import Binding
    from faasbridge.resources import BlobInfo, Page

    from .blobs import Blobs
    from .objects import Objects

_BLOCK = 8 * 1024 * 1024


class BucketDriver:
    def __init__(self, binding: Binding) -> None:
        self._url = binding.address.rstrip("/")
        self._what = f"bucket {binding.name!r}"
        self._clients = of(binding.options)
        self._quick = self._clients.objects(self._url, self._what)
        self._full: Blobs | None = None

    @property
    def client(self) -> Any:
        """`azure.storage.blob.ContainerClient`"""
        return self._blobs().client

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
        if not isinstance(data, bytes):
            parts = blocks(data, _BLOCK)
            first = next(parts)
            if len(first) == _BLOCK:
                rest = chain((first,), filter(None, parts))
                return self._blobs().put(key, rest, content_type, metadata, if_absent, if_match)
            data = first
        return self._for(key).put(key, data, content_type, metadata, if_absent, if_match)

    def delete(self, key: str) -> None:
        self._blobs().delete(key)

    def head(self, key: str) -> BlobInfo:
        return self._for(key).head(key)

    def list(self, prefix: str, size: int, cursor: str | None) -> Page[BlobInfo]:
        return self._blobs().list(prefix, size, cursor)

    def copy(self, key: str, to: str) -> BlobInfo:
        return self._blobs().copy(key, to)

    def sign_get(self, key: str, expires_s: int) -> str:
        return self._blobs().sign(key, expires_s, read=True)

    def sign_put(self, key: str, expires_s: int, content_type: str | None, max_bytes: int | None) -> str:
        """Azure binds neither type nor size to the URL; see `limits`."""
        return SignedUrl(self._blobs().sign(key, expires_s, read=False), {"x-ms-blob-type": "BlockBlob"})

    def _for(self, key: str) -> Objects | Blobs:
        return self._quick if self._quick.takes(key) else self._blobs()

    def _blobs(self) -> Blobs:
        if self._full is None:
            from .blobs import Blobs

            self._full = Blobs(self._url, self._what, self._clients)
        return self._full
