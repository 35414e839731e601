"""The control API, `/_faasbridge/control/*`: for the command line and tests, never for a web page.

It wants the token of `run.json` (which only the user can read), and a Host and Origin of this machine, so that
neither a page
that the user visits nor a name that is made to point here reaches it.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import FaaSBridgeError
from .client import PREFIX as PREFIX
from .frames import Decoder, pack
from .pool import StartFailure
from .stages import stage_from_json

if TYPE_CHECKING:
    from .pool import Pool
    from .server import LocalServer

_LOCAL = {"127.0.0.1", "localhost"}


class Control:
    """An ASGI application."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._actions: dict[tuple[str, str], Callable[[Request, str], Awaitable[Response]]] = {
            ("GET", "status"): self._status,
            ("POST", "invoke"): self._invoke,
            ("POST", "request"): self._request,
            ("POST", "reset"): self._reset,
            ("POST", "reload"): self._reload,
            ("POST", "stop"): self._stop,
            ("PUT", "secret"): self._secret,
            ("DELETE", "secret"): self._secret,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        response = self._refusal(request) or await self._answer(request)
        await response(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        origin = request.headers.get("origin")
        if host not in _LOCAL or (origin is not None and urlsplit(origin).netloc != request.headers["host"]):
            return _error(403, "the control API answers to this machine only")
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not secrets.compare_digest(token.encode(), self._server.token.encode()):
            return _error(401, "the control API wants the token of run.json")
        return None

    async def _answer(self, request: Request) -> Response:
        action, _, name = request.url.path.removeprefix(PREFIX).partition("/")
        answer = self._actions.get((request.method, action))
        if answer is None:
            return _error(404, f"the control API has no {request.method} {action!r}")
        try:
            return await answer(request, name)
        except FaaSBridgeError as error:
            return _error(400, str(error))

    async def _status(self, request: Request, name: str) -> Response:
        return JSONResponse(await self._server.status())

    async def _invoke(self, request: Request, name: str) -> Response:
        engine = self._server.engine
        assert engine.spec is not None
        pool = engine.pools[engine.spec.function(name).name]
        event = await request.body()
        if request.query_params.get("wait") == "0":
            return JSONResponse({}, 202, background=BackgroundTask(self._unwatched, pool, event))
        try:
            answer, content, id = await engine.request(pool, {"t": "invoke"}, event, "by hand")
        except StartFailure as failure:
            return _error(500, f"the app cannot be loaded: {failure}")
        except TimeoutError:
            return _error(503, f"all workers of {name} are busy")
        if answer["out"] != "ok":
            return JSONResponse({"error": answer.get("why") or answer["out"], "id": id}, 500)
        return Response(content, media_type="application/json", headers={"x-faasbridge-id": id})

    async def _unwatched(self, pool: Pool, event: bytes) -> None:
        """What becomes of it is in the function's log."""
        with contextlib.suppress(StartFailure, TimeoutError):
            await self._server.engine.request(pool, {"t": "invoke"}, event, "by hand")

    async def _request(self, request: Request, name: str) -> Response:
        """An HTTP request as one frame, `claims` in its header, and the answer as another."""
        ((header, body),) = list(Decoder().feed(await request.body()))
        app = self._server.api(name)
        status, headers, content = await app.answer({**header, "t": "http"}, body)
        return Response(pack({"status": status, "headers": headers}, content), media_type="application/octet-stream")

    async def _reset(self, request: Request, name: str) -> Response:
        await self._server.engine.reset()
        return JSONResponse({})

    async def _reload(self, request: Request, name: str) -> Response:
        text = (await request.body()).decode()
        problem = await self._server.reload(stage_from_json(text) if text else None)
        return _error(400, problem) if problem else JSONResponse({})

    async def _stop(self, request: Request, name: str) -> Response:
        self._server.ask_to_stop()
        return JSONResponse({"pid": self._server.pid})

    async def _secret(self, request: Request, name: str) -> Response:
        value = (await request.body()).decode() if request.method == "PUT" else None
        await self._server.set_secret(name, value)
        return JSONResponse({})


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)
