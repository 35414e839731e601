"""Access lines of the answers that no invocation is behind: a body too large, an app that cannot be loaded, no worker
free in time."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any

from .engine import invoked
from .records import Invocation, OutcomeName, new_id
from .web import INTERNAL, Asgi, Receive, Scope, Send


class Shown:
    """Around the application of an api: `tell` is told of them as it is of invocations."""

    def __init__(self, app: Asgi, api: str, tell: Callable[[Invocation], None]) -> None:
        self._app = app
        self._api = api
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 0

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        invoked.set(False)
        await self._app(scope, receive, sending)
        path = scope["raw_path"].decode("utf-8", "replace")
        if not status or invoked.get() or path.startswith(INTERNAL):
            return
        ms = round((time.perf_counter() - began) * 1000, 3)
        outcome: OutcomeName = "ok" if status < 500 else "failed"
        self._tell(Invocation(new_id(), self._api, f"{scope['method']} {path}", outcome, ms, status=status))
