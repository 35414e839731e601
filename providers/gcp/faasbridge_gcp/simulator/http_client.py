"""One HTTP request over a fresh connection, to a function's socket or to a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

Headers = list[tuple[str, str]]


@dataclass
class Answer:
    """Header names are as they were sent; `body` is whole, without its transfer encoding."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


class _Response:
    """What the parser tells while it reads."""

    def __init__(self) -> None:
        self.headers: Headers = []
        self.body: list[bytes] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


async def send(where: str, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Answer:
    """`where`: the path of a Unix socket, or `127.0.0.1:port`. Raises OSError (ConnectionError where the other side
    ends before it has answered)."""
    if where.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(where)
    else:
        host, _, port = where.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(_request(method, target, headers, body))
        await writer.drain()
        return await _response(reader, method)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def post(url: str, headers: Iterable[tuple[str, str]], body: bytes, timeout_s: float) -> Answer:
    """A POST to a URL of this machine. Raises OSError and TimeoutError."""
    address = urlsplit(url)
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    where = f"{address.hostname}:{address.port or 80}"
    async with asyncio.timeout(timeout_s):
        return await send(where, "POST", target, [("host", address.netloc), *headers], body)


def _request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(body)}")
    lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


async def _response(reader: asyncio.StreamReader, method: str) -> Answer:
    response = _Response()
    parser = httptools.HttpResponseParser(response)
    while not response.complete:
        data = await reader.read(65536)
        if not data:
            break
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionError(f"what came is not HTTP: {error}") from error
        if method == "HEAD" and parser.get_status_code():
            break
    status = parser.get_status_code()
    has_length = any(name.lower() in ("content-length", "transfer-encoding") for name, _ in response.headers)
    if not status or (has_length and not response.complete and method != "HEAD"):
        raise ConnectionError("the connection ended before the answer")
    return Answer(status, response.headers, b"".join(response.body))
