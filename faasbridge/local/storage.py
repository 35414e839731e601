"""The storage endpoint: GET and PUT of one object by a signed URL, as a browser does it. Bodies stream through."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from ..drivers import Binding
from ..errors import FaaSBridgeError, InvalidEvent, NotFound, PayloadTooLarge, PermissionDenied
from ..resources import BlobInfo
from .drivers.bucket import BucketDriver
from .signing import Signed, signing_secret, verify
from .store import Store
from .web import Receive, Scope, Send, send_json, send_response

CHUNK = 256 * 1024
_CORS = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "etag, content-length, content-range, accept-ranges"),
]
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (InvalidEvent, 400),
    (PermissionDenied, 403),
    (NotFound, 404),
    (PayloadTooLarge, 413),
    (FaaSBridgeError, 507),
)
# What an uploaded page could run scripts with, in the origin of the app itself, were it shown and not sandboxed.
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_SHOWN = ("image/", "audio/", "video/", "text/plain", "application/pdf")


class Storage:
    """An ASGI application."""

    def __init__(self, store: Store, app: str, stage: str) -> None:
        self._store = store
        self._names = app, stage
        self._drivers: dict[str, BucketDriver] = {}
        self._threads = ThreadPoolExecutor(16, "faasbridge-storage")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "OPTIONS":
            await self._preflight(scope, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        try:
            path = scope["raw_path"].decode("ascii", "replace")
            # A HEAD is what a GET would answer, without the body.
            asked = "GET" if method == "HEAD" else method
            signed = verify(await self._run(signing_secret, self._store), asked, path, query, headers, time.time())
            if asked == "PUT":
                await self._put(signed, headers, receive, send)
            else:
                await self._get(signed, method, headers, send)
        except Exception as error:
            for kind, status in _STATUS:
                if isinstance(error, kind):
                    wrong_type = kind is PermissionDenied and "Content-Type" in str(error)
                    await self._refuse(send, 415 if wrong_type else status, str(error))
                    return
            raise

    async def _put(self, signed: Signed, headers: dict[str, str], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()

        def chunks() -> Iterator[bytes]:
            size = 0
            while True:
                message = asyncio.run_coroutine_threadsafe(_received(receive), loop).result()
                if message["type"] == "http.disconnect":
                    raise ConnectionAbortedError
                part: bytes = message.get("body", b"")
                size += len(part)
                if signed.max_bytes is not None and size > signed.max_bytes:
                    raise PayloadTooLarge(f"the URL is signed for up to {signed.max_bytes:,} bytes; this body has more")
                if part:
                    yield part
                if not message.get("more_body"):
                    return

        content_type = headers.get("content-type") or None
        driver = self._driver(signed.bucket)
        try:
            info: BlobInfo = await self._run(driver.put, signed.key, chunks(), content_type, {}, False, None)
        except ConnectionAbortedError:
            return
        await send_response(send, "PUT", 200, [*_CORS, ("etag", f'"{info.etag}"')], b"")

    async def _get(self, signed: Signed, method: str, asked: dict[str, str], send: Send) -> None:
        driver = self._driver(signed.bucket)
        info, file = await self._run(_open, driver, signed.key)
        try:
            span = _range(asked.get("range"), info.size)
            if span is None:
                await self._refuse(
                    send, 416, "the range lies outside of the object", ("content-range", f"bytes */{info.size}")
                )
                return
            start, end = span
            headers = [
                *_CORS,
                ("content-type", info.content_type),
                ("content-length", str(end - start)),
                ("etag", f'"{info.etag}"'),
                ("accept-ranges", "bytes"),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", _SANDBOX),
                (
                    "content-disposition",
                    "inline"
                    if info.content_type.startswith(_SHOWN) and "svg" not in info.content_type
                    else "attachment",
                ),
            ]
            partial = "range" in asked and (start, end) != (0, info.size)
            if partial:
                headers.append(("content-range", f"bytes {start}-{end - 1}/{info.size}"))
            raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
            await send({"type": "http.response.start", "status": 206 if partial else 200, "headers": raw})
            if method != "HEAD":
                await self._run(file.seek, start)
                left = end - start
                while left > 0:
                    data = await self._run(file.read, min(CHUNK, left))
                    if not data:
                        break
                    left -= len(data)
                    await send({"type": "http.response.body", "body": data, "more_body": left > 0})
                if end > start:
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            file.close()

    async def _preflight(self, scope: Scope, send: Send) -> None:
        wanted = dict(scope["headers"]).get(b"access-control-request-headers", b"content-type").decode("latin-1")
        headers = [
            *_CORS,
            ("access-control-allow-methods", "GET, HEAD, PUT"),
            ("access-control-allow-headers", wanted),
            ("access-control-max-age", "600"),
        ]
        await send_response(send, "OPTIONS", 204, headers, b"")

    async def _refuse(self, send: Send, status: int, text: str, *headers: tuple[str, str]) -> None:
        given = [*_CORS, ("content-type", "application/json"), ("connection", "close"), *headers]
        await send_response(send, "", status, given, json.dumps({"error": text}).encode())

    def _driver(self, bucket: str) -> BucketDriver:
        if bucket not in self._drivers:
            address = str(self._store.folder)
            self._drivers[bucket] = BucketDriver(Binding("local", *self._names, "bucket", bucket, {}, address))
        return self._drivers[bucket]

    async def _run(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


async def _received(receive: Receive) -> Any:
    return await receive()


async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, 404, {"error": "Not Found"})


def _open(driver: BucketDriver, key: str) -> tuple[BlobInfo, BinaryIO]:
    """One version's file with what is known of that version."""
    while True:
        info = driver.head(key)
        file = driver.open(key)
        if driver.head(key).etag == info.etag:
            return info, file
        file.close()


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """Start and end of what is to be sent: all of it where no single range is asked for. None: outside."""
    unit, _, spec = (text or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in spec or not (first + last).isdecimal():
        return 0, size
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None
