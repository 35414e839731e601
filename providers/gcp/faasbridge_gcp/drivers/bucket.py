"""Buckets: Cloud Storage. The binding's address is the bucket's name. An etag is the object's generation."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import NotFound
from faasbridge.media_types import media_type
from faasbridge.resources import BlobInfo, Page
from faasbridge.resources.bucket import SignedUrl

from .clients import of
from .errors import call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, BinaryIO

    from faasbridge.drivers import Binding

SIZE = "x-goog-content-length-range"
_IN_MEMORY = 8 * 1024 * 1024
_TIMEOUT_S = 60.0


class BucketDriver:
    def __init__(self, binding: Binding) -> None:
        self._what = f"bucket {binding.name!r}"
        self._clients = of(binding.options)
        self.client: Any = self._clients.get("storage")
        self._bucket = self.client.bucket(binding.address)

    def get(self, key: str) -> bytes:
        data: bytes = call(self._object(key), self._bucket.blob(key).download_as_bytes, raw_download=True)
        return data

    def open(self, key: str) -> BinaryIO:
        from google.cloud.storage.retry import DEFAULT_RETRY  # type: ignore[import-untyped, unused-ignore]

        stream: BinaryIO = call(self._object(key), DEFAULT_RETRY(self._stream), key)
        return stream

    def _stream(self, key: str) -> BinaryIO:
        """One answer, read bit by bit: the client's own reader asks again for each bit, of what may be another version
        by then."""
        from urllib.parse import quote

        from google.api_core import exceptions

        url = f"{self.client.api_endpoint}/download/storage/v1/b/{self._bucket.name}/o/{quote(key, safe='')}?alt=media"
        answer = self.client._http.get(url, stream=True, timeout=_TIMEOUT_S, headers={"accept-encoding": "gzip"})
        if answer.status_code != 200:
            fault: Any = exceptions
            raise fault.from_http_response(answer)
        stream: BinaryIO = answer.raw
        return stream

    def put(
        self,
        key: str,
        data: bytes | BinaryIO | Iterable[bytes],
        content_type: str | None,
        metadata: Mapping[str, str],
        if_absent: bool,
        if_match: str | None,
    ) -> BlobInfo:
        from tempfile import SpooledTemporaryFile

        blob = self._bucket.blob(key)
        blob.metadata = dict(metadata) or None
        condition: dict[str, int] = {}
        if if_absent:
            condition["if_generation_match"] = 0
        elif if_match is not None:
            condition["if_generation_match"] = int(if_match) if if_match.isdigit() else -1
        with SpooledTemporaryFile(_IN_MEMORY) as file:  # a source that breaks has written nothing
            for piece in [data] if isinstance(data, bytes) else data:
                file.write(piece)
            size = file.tell()
            call(
                self._object(key),
                blob.upload_from_file,
                file,
                rewind=True,
                size=size,
                content_type=content_type or media_type(key),
                **condition,
            )
        return _info(blob)

    def delete(self, key: str) -> None:
        try:
            call(self._object(key), self._bucket.blob(key).delete)
        except NotFound:
            return

    def head(self, key: str) -> BlobInfo:
        blob = self._bucket.blob(key)
        call(self._object(key), blob.reload)
        return _info(blob)

    def list(self, prefix: str, size: int, cursor: str | None) -> Page[BlobInfo]:
        found = self.client.list_blobs(self._bucket, prefix=prefix, page_size=size, page_token=cursor)
        page = call(self._what, next, found.pages, ())
        return Page([_info(blob) for blob in page], found.next_page_token)

    def copy(self, key: str, to: str) -> BlobInfo:
        return _info(call(self._object(key), self._bucket.copy_blob, self._bucket.blob(key), self._bucket, to))

    def sign_get(self, key: str, expires_s: int) -> str:
        return self._signed(key, "GET", expires_s, None, {})

    def sign_put(self, key: str, expires_s: int, content_type: str | None, max_bytes: int | None) -> str:
        """`max_bytes` is a header that is signed, so a PUT without it or with another is refused.

        Source: XML API reference, "x-goog-content-length-range".
        """
        headers = {} if max_bytes is None else {SIZE: f"0,{max_bytes}"}
        return SignedUrl(self._signed(key, "PUT", expires_s, content_type, headers), headers)

    def _signed(
        self, key: str, method: str, expires_s: int, content_type: str | None, headers: Mapping[str, str]
    ) -> str:
        from datetime import timedelta

        from .signing import credentials

        url: str = call(
            self._object(key),
            self._bucket.blob(key).generate_signed_url,
            version="v4",
            expiration=timedelta(seconds=expires_s + 1),  # it counts from the second that has begun
            method=method,
            content_type=content_type,
            headers=dict(headers),
            api_access_endpoint=self._clients.endpoints.get("storage") or self.client.api_endpoint,
            credentials=credentials(self._clients, self._bucket.name, method, self._what),
        )
        return url

    def _object(self, key: str) -> str:
        return f"{self._what}, object {key!r},"


def _info(blob: Any) -> BlobInfo:
    return BlobInfo(
        blob.name,
        size=blob.size,
        etag=str(blob.generation),
        content_type=blob.content_type or "",
        metadata=dict(blob.metadata or {}),
        modified=blob.updated,
    )
