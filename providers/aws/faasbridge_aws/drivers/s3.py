"""Objects of S3 through botocore: every operation, every key.

What is larger than a part is uploaded in parts and there all at once, with its condition, when the last one is;
uploads that break are aborted. Sources: S3 User Guide, "Uploading and copying objects using multipart upload", "Add
preconditions to S3 operations with conditional requests" (412: not met, 409: another write was under way, try again),
"Amazon S3 multipart upload limits".
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import cursors
from faasbridge.adapter.streams import blocks, reader
from faasbridge.errors import Conflict, NotFound
from faasbridge.media_types import media_type
from faasbridge.resources import BlobInfo, Page

from .errors import call, code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, BinaryIO

_PART = 8 * 1024 * 1024
_COPY_AT_ONCE, _COPY_PART = 5 * 1024**3, 1024**3
_READ = 256 * 1024
_TRIES = 8


class S3:
    def __init__(self, bucket: str, what: str, client: Any) -> None:
        self._bucket = bucket
        self._what = what
        self.client = client

    def get(self, key: str) -> bytes:
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str) -> BinaryIO:
        """Where the connection breaks, the rest of the same version is asked for."""
        answer = self._call(self.client.get_object, key)
        body = [answer["Body"]]

        def next_piece(position: int) -> bytes:
            for turn in range(_TRIES):
                try:
                    if turn:
                        rest = self._call(
                            self.client.get_object, key, Range=f"bytes={position}-", IfMatch=answer["ETag"]
                        )
                        body[0] = rest["Body"]
                    return body[0].read(_READ)  # type: ignore[no-any-return]
                except Exception as error:
                    if turn == _TRIES - 1 or not type(error).__module__.startswith(("botocore", "urllib3")):
                        raise
            raise AssertionError("unreachable")

        def close() -> None:
            body[0].close()

        return reader(next_piece, close)

    def put(
        self,
        key: str,
        data: bytes | BinaryIO | Iterable[bytes],
        content_type: str | None,
        metadata: Mapping[str, str],
        *,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> BlobInfo:
        condition: dict[str, str] = {}
        if if_absent:
            condition["IfNoneMatch"] = "*"
        elif if_match is not None:
            condition["IfMatch"] = f'"{if_match}"'
        type = content_type or media_type(key)
        about: dict[str, Any] = {"ContentType": type, "Metadata": dict(metadata)}
        parts = iter((data,)) if isinstance(data, bytes) else blocks(data, _PART)
        first = next(parts)
        if isinstance(data, bytes) or len(first) < _PART:
            answer = self._conditional(key, lambda: self._put(key, Body=first, **about, **condition))
            size, etag = len(first), answer["ETag"]
        else:
            size, etag = self._put_parts(key, first, parts, about, condition)
        return BlobInfo(
            key,
            size=size,
            etag=etag.strip('"'),
            content_type=type,
            metadata=dict(metadata),
            modified=datetime.now(UTC),
        )

    def delete(self, key: str) -> None:
        call(self._what, self.client.delete_object, Bucket=self._bucket, Key=key)

    def head(self, key: str) -> BlobInfo:
        answer = self._call(self.client.head_object, key)
        return BlobInfo(
            key,
            size=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            content_type=answer.get("ContentType", ""),
            metadata=answer.get("Metadata", {}),
            modified=answer["LastModified"],
        )

    def list(self, prefix: str, size: int, cursor: str | None) -> Page[BlobInfo]:
        """S3 lists neither types nor metadata: `head` has them."""
        listing = [self._bucket, prefix]
        after = {} if cursor is None else {"StartAfter": cursors.decode(listing, cursor, 1)[0]}
        answer = call(
            self._what, self.client.list_objects_v2, Bucket=self._bucket, Prefix=prefix, MaxKeys=size, **after
        )
        items = [
            BlobInfo(
                entry["Key"],
                size=entry["Size"],
                etag=entry["ETag"].strip('"'),
                content_type="",
                metadata={},
                modified=entry["LastModified"],
            )
            for entry in answer.get("Contents", ())
        ]
        return Page(items, cursors.encode(listing, [items[-1].key]) if answer.get("IsTruncated") and items else None)

    def copy(self, key: str, to: str) -> BlobInfo:
        info = self.head(key)
        source = {"Bucket": self._bucket, "Key": key}
        same = {"CopySource": source, "CopySourceIfMatch": f'"{info.etag}"'}
        about = {"ContentType": info.content_type, "Metadata": dict(info.metadata)}
        if info.size <= _COPY_AT_ONCE:
            # An object is copied over itself only where something is replaced.
            answer = call(
                self._what,
                self.client.copy_object,
                Bucket=self._bucket,
                Key=to,
                MetadataDirective="REPLACE",
                **same,
                **about,
            )
            etag = answer["CopyObjectResult"]["ETag"]
        else:
            starts = range(0, info.size, _COPY_PART)
            ranges = [f"bytes={start}-{min(start + _COPY_PART, info.size) - 1}" for start in starts]

            def copied(number: int, part: str, upload: dict[str, Any]) -> str:
                answer = call(
                    self._what,
                    self.client.upload_part_copy,
                    PartNumber=number,
                    CopySourceRange=part,
                    **same,
                    **upload,
                )
                return answer["CopyPartResult"]["ETag"]  # type: ignore[no-any-return]

            etag = self._multipart(to, about, {}, ranges, copied)
        return BlobInfo(
            to,
            size=info.size,
            etag=etag.strip('"'),
            content_type=info.content_type,
            metadata=info.metadata,
            modified=datetime.now(UTC),
        )

    def sign(self, operation: str, expires_s: int, **parameters: str) -> str:
        # A signature's time is cut to whole seconds, which would take up to one from the URL's life.
        url: str = self.client.generate_presigned_url(
            operation, Params={"Bucket": self._bucket, **parameters}, ExpiresIn=expires_s + 1
        )
        return url

    def _put(self, key: str, **parameters: Any) -> Any:
        return self.client.put_object(Bucket=self._bucket, Key=key, **parameters)

    def _put_parts(
        self, key: str, first: bytes, rest: Iterator[bytes], about: dict[str, Any], condition: dict[str, str]
    ) -> tuple[int, str]:
        size = 0

        def parts() -> Iterator[bytes]:
            yield first
            yield from rest

        def sent(number: int, part: bytes, upload: dict[str, Any]) -> str:
            nonlocal size
            size += len(part)
            answer = call(self._what, self.client.upload_part, PartNumber=number, Body=part, **upload)
            return answer["ETag"]  # type: ignore[no-any-return]

        etag = self._multipart(key, about, condition, (part for part in parts() if part), sent)
        return size, etag

    def _multipart(
        self,
        key: str,
        about: dict[str, Any],
        condition: dict[str, str],
        parts: Iterable[Any],
        send: Callable[[int, Any, dict[str, Any]], str],
    ) -> str:
        place = {"Bucket": self._bucket, "Key": key}
        upload = {
            **place,
            "UploadId": call(self._what, self.client.create_multipart_upload, **place, **about)["UploadId"],
        }
        try:
            done = [{"PartNumber": n, "ETag": send(n, part, upload)} for n, part in enumerate(parts, 1)]
            answer = self._conditional(
                key,
                lambda: self.client.complete_multipart_upload(MultipartUpload={"Parts": done}, **upload, **condition),
            )
        except BaseException as error:
            try:
                self.client.abort_multipart_upload(**upload)
            except Exception as fault:  # noqa: BLE001 - what broke first is what the caller has to know
                error.add_note(f"its parts are still in {self._what}: {fault}")
            raise
        return answer["ETag"]  # type: ignore[no-any-return]

    def _conditional(self, key: str, write: Callable[[], Any]) -> Any:
        for turn in range(_TRIES):
            try:
                return write()
            except Exception as error:
                code = code_of(error)
                if code in ("PreconditionFailed", "412", "NoSuchKey", "404"):
                    raise Conflict(
                        f"{self._what}: object {key!r} is there already, or is not the version that was asked for"
                    ) from error
                if code in ("ConditionalRequestConflict", "409") and turn < _TRIES - 1:
                    time.sleep(random.uniform(0, 0.05 * 2**turn))  # noqa: S311 - jitter
                    continue
                call(self._what, _raise, error=error)
        raise AssertionError("unreachable")

    def _call(self, method: Callable[..., Any], key: str, **parameters: Any) -> Any:
        try:
            return call(self._what, method, Bucket=self._bucket, Key=key, **parameters)
        except NotFound as error:
            if code_of(error.__cause__) == "NoSuchBucket":  # type: ignore[arg-type]
                raise
            raise NotFound(f"{self._what} has no object {key!r}") from error.__cause__


def _raise(error: Exception) -> None:
    raise error
