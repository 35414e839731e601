"""Whole objects of S3 through obstore, for keys that its paths can hold.

Its paths have no empty parts and none of `.` and `..`, so other keys go through `s3`; so do conditions (it does not
tell 412 from 409), listings (its prefixes are folders) and URLs with a content type.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import obstore
from obstore.store import S3Store

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import obstore_faults
from faasbridge.adapter.streams import reader
from faasbridge.errors import FaaSBridgeError, NotFound, PermissionDenied, Throttled
from faasbridge.media_types import media_type
from faasbridge.resources import BlobInfo

from .clients import CONNECT_S, READ_S, TRIES, is_local

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, BinaryIO

    from obstore.store import ClientConfig, RetryConfig, S3Config

    from .clients import Clients

_PIECE = 1024 * 1024
_LONGEST = timedelta(minutes=15)  # a function's life: the default of 30 s would cut large objects off


class Objects:
    def __init__(self, bucket: str, what: str, clients: Clients) -> None:
        endpoint = clients.endpoint_of("s3")
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "read_timeout": timedelta(seconds=READ_S),
            "timeout": _LONGEST,
        }
        region = clients.region or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        if endpoint is None and region.startswith("cn-"):  # obstore knows one domain only
            endpoint = f"https://s3.{region}.amazonaws.com.cn"
        config: S3Config = {
            "region": region,
            "disable_bulk_delete": True,
        }
        if endpoint is not None:
            config["aws_endpoint_url_s3"] = endpoint
            client["allow_http"] = is_local(endpoint)
        else:
            config["virtual_hosted_style_request"] = "." not in bucket  # a dot does not fit AWS's certificate
        retries: RetryConfig = {"max_retries": TRIES - 1, "retry_timeout": timedelta(minutes=3)}
        self._what = what
        self._store = S3Store(bucket, config=config, client_options=client, retry_config=retries)

    def takes(self, key: str) -> bool:
        return not {"", ".", ".."}.intersection(key.split("/"))

    def get(self, key: str) -> bytes:
        data: bytes = self._call(key, "GetObject", lambda: obstore.get(self._store, key).bytes().to_bytes())
        return data

    def open(self, key: str) -> BinaryIO:
        pieces: Any = self._call(key, "GetObject", lambda: iter(obstore.get(self._store, key).stream(_PIECE)))

        def next_piece(_: int) -> bytes:
            piece: bytes = self._call(key, "GetObject", lambda: bytes(next(pieces, b"")))
            return piece

        return reader(next_piece)

    def head(self, key: str) -> BlobInfo:
        found = self._call(key, "GetObject", lambda: obstore.get(self._store, key, options={"head": True}))
        metadata = {name: value for name, value in found.attributes.items() if name not in _HEADERS}
        return _info(
            key,
            size=found.meta["size"],
            etag=found.meta["e_tag"],
            content_type=found.attributes.get("Content-Type", ""),
            metadata=metadata,
            modified=found.meta["last_modified"],
        )

    def put(self, key: str, data: bytes, content_type: str | None, metadata: Mapping[str, str]) -> BlobInfo:
        type = content_type or media_type(key)
        attributes = {"Content-Type": type, **metadata}
        result = self._call(
            key,
            "PutObject",
            lambda: obstore.put(self._store, key, data, attributes=attributes, use_multipart=False),
        )
        return _info(
            key,
            size=len(data),
            etag=result["e_tag"],
            content_type=type,
            metadata=dict(metadata),
            modified=datetime.now(UTC),
        )

    def delete(self, key: str) -> None:
        self._call(key, "DeleteObject", lambda: obstore.delete(self._store, key))

    def _call(self, key: str, operation: str, act: Callable[[], Any]) -> Any:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            return act()
        except FileNotFoundError as error:
            raise NotFound(f"{self._what} has no object {key!r}") from error
        except PermissionDeniedError as error:
            raise PermissionDenied(
                f"{self._what}: AWS does not allow s3:{operation} on {key!r}. Name the operation in the function's "
                "uses= and deploy; where it is there, look at the bucket's, key's or organisation's policies"
            ) from error
        except UnauthenticatedError as error:
            raise PermissionDenied(f"{self._what}: AWS does not accept the credentials: renew them") from error
        except BaseError as error:
            if obstore_faults.status_of(error) in (429, 503) or obstore_faults.has_code(error, "SlowDown"):
                raise Throttled(f"{self._what}: S3 throttles, also after {TRIES} tries") from error
            if obstore_faults.has_code(error, "NoSuchBucket"):
                raise NotFound(f"{self._what} does not exist in AWS") from error
            raise FaaSBridgeError(f"{self._what}: {error}") from error


_HEADERS = frozenset(
    ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Storage-Class")
)


def _info(key: str, *, etag: str | None, **about: Any) -> BlobInfo:
    return BlobInfo(key, etag=(etag or "").strip('"'), **about)
