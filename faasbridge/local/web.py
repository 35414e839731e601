"""HTTP: each api on a port of its own, requests converted faithfully, answers given back as they are."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from ..errors import ConfigError
from .engine import Engine
from .pool import StartFailure

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

INTERNAL = "/_faasbridge/"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection"}


class Disconnected(Exception):
    """Who asked is gone, perhaps in the middle of the body: nobody is there to answer, and there is nothing to do."""


class ApiApp:
    """The ASGI application of one api. `internal` answers below `/_faasbridge/`."""

    def __init__(self, engine: Engine, api: str, internal: Asgi) -> None:
        self._engine = engine
        self._api = api
        self._internal = internal
        self.max_bytes: int | None = None
        self.max_response: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        raw_path = scope["raw_path"].decode("utf-8", "replace")
        if raw_path.startswith(INTERNAL):
            await self._internal(scope, receive, send)
            return
        body = await read_body(scope, receive, self.max_bytes)
        if body is None:
            text = f"the body has more than the {self.max_bytes:,} bytes that the app's targets take"
            await send_json(send, 413, {"error": text})
            return
        header = {
            "t": "http",
            "method": scope["method"],
            "raw_path": raw_path,
            "query": scope["query_string"].decode("latin-1"),
            "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            "client_ip": scope["client"][0] if scope.get("client") else "",
        }
        status, headers, content = await self.answer(header, body)
        await send_response(send, scope["method"], status, headers, content)

    async def answer(self, header: dict[str, Any], body: bytes) -> tuple[int, list[Any], bytes]:
        """Status, headers and body; what goes wrong outside of the handler is an answer as well."""
        pool = self._engine.pools.get(self._api)
        if pool is None:
            return _json(404, {"error": "Not Found"})
        trigger = f"{header['method']} {header['raw_path']}"
        try:
            answer, content, id = await self._engine.request(pool, header, body, trigger)
        except StartFailure as failure:
            return _json(500, {"error": f"the app cannot be loaded: {failure}"})
        except TimeoutError:
            return _json(503, {"error": f"all {pool.size} workers of {self._api} are busy"})
        if answer["out"] == "timed out":
            return _json(504, {"error": f"no answer within {pool.function.timeout_s:g} s", "id": id})
        if answer["out"] == "crashed":
            return _json(502, {"error": "the handler's process ended", "id": id})
        if self.max_response is not None and len(content) > self.max_response:
            text = f"the answer has {len(content):,} bytes, the app's targets take {self.max_response:,}"
            return _json(502, {"error": text, "id": id})
        return answer["status"], answer["headers"], content


async def read_body(scope: Scope, receive: Receive, limit: int | None) -> bytes | None:
    """The whole body, or None where it is longer than `limit`. Raises Disconnected, which `HttpServer` expects."""
    if limit is not None:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        if part := message.get("body"):
            size += len(part)
            if limit is not None and size > limit:
                return None
            parts.append(part)
        if not message.get("more_body"):
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def send_response(send: Send, method: str, status: int, headers: list[Any], content: bytes) -> None:
    given = [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in headers
        if name not in _HOP_BY_HOP and (name != "content-length" or method == "HEAD")
    ]
    if method != "HEAD" and status >= 200 and status not in (204, 304):
        given.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": content})


async def send_json(send: Send, status: int, value: Any) -> None:
    await send_response(send, "", *_json(status, value))


def _json(status: int, value: Any) -> tuple[int, list[Any], bytes]:
    return status, [("content-type", "application/json")], json.dumps(value).encode()


def listen(port: int, *, exact: bool) -> socket.socket:
    """A socket on 127.0.0.1. A port that is taken raises ConfigError where it must be this one, else the next
    free one is taken."""
    for candidate in (port, *(range(port + 1, min(port + 50, 65535)) if not exact and port else ()), 0):
        # Without its protocol's number asyncio leaves Nagle's algorithm on, which can cost 40 ms an answer.
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", candidate))
            found.listen(1024)
        except OSError as error:
            found.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES) and exact and candidate:
                taken = "is in use" if error.errno == errno.EADDRINUSE else "may not be used"
                raise ConfigError(
                    f"port {port} {taken}; choose another one with --port, or --port 0 for any free one"
                ) from error
            if not candidate:
                raise
            continue
        return found
    raise AssertionError


class HttpServer:
    """uvicorn on one socket, without its signal handlers and logs."""

    def __init__(self, app: Asgi, sock: socket.socket) -> None:
        self._socket = sock
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}"

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            with contextlib.suppress(Disconnected):
                await app(scope, receive, send)

        config = uvicorn.Config(
            answer,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=3,
        )
        self._server = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Accepts nothing more; returns when the requests that run are answered, or after three seconds."""
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._socket.close()


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
