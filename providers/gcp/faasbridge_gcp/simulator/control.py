"""The control API: what `faasbridge.simulation.servers` describes, on loopback, for who holds the token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from secrets import compare_digest
from typing import TYPE_CHECKING, Any

from faasbridge.local.web import Asgi, HttpServer, Receive, Scope, Send, read_body, send_json

from .listening import listen

if TYPE_CHECKING:
    from .cloud import Cloud

log = logging.getLogger(__name__)


class Control:
    def __init__(self, cloud: Cloud, token: str, stop: Callable[[], None]) -> None:
        self._cloud = cloud
        self._token = token
        self._stop = stop
        self._http = HttpServer(self._asgi, listen())
        self.url = self._http.url

    async def start(self) -> None:
        await self._http.start()

    async def stop(self) -> None:
        await self._http.stop()

    async def _answer(self, asked: tuple[str, str]) -> Any:
        if asked == ("POST", "/reset"):
            await self._cloud.reset()
        elif asked == ("GET", "/left"):
            return await self._cloud.left()
        elif asked == ("GET", "/deployments"):
            return self._cloud.deployed()
        elif asked == ("POST", "/stop"):
            self._stop()
        else:
            raise LookupError(f"the simulator knows no {' '.join(asked)}")
        return {}

    @property
    def _asgi(self) -> Asgi:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            await read_body(scope, receive, None)
            given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
            if not compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                await send_json(send, 401, {"error": "the simulator's control API wants the token of its record"})
                return
            try:
                answer = await self._answer((scope["method"], scope["path"]))
            except LookupError as error:
                await send_json(send, 404, {"error": str(error)})
            except Exception as error:
                log.exception("%s failed", scope["path"])
                await send_json(send, 500, {"error": f"the simulator failed: {error!r}"})
            else:
                await send_json(send, 200, answer)

        return app
