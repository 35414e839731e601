"""aiohttp servers on free ports of this machine, and the certificate that they share."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from pathlib import Path
from typing import Any, Literal

_DRAIN_S = 2.0  # of what is being answered when it stops
_HANDSHAKE = b"\x16"  # the first byte of a TLS connection; no method of HTTP begins with it

CHECKED = "127.1"
"""This machine as well. azure-cosmos checks no certificate of the usual names, and warns that it does not."""


class Listening:
    """`ca` is the file that clients trust."""

    def __init__(self, folder: Path) -> None:
        import trustme  # type: ignore[import-not-found, import-untyped, unused-ignore]

        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost", CHECKED).configure_cert(self.tls)
        self._runners: dict[int, Any] = {}
        self._both: dict[int, tuple[socket.socket, asyncio.Task[None]]] = {}

    async def start(self, handler: Any, *, tls: bool | Literal["both"]) -> int:
        """The port, on which every request goes to `handler`; with `both` it takes http as well as https."""
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        loop = asyncio.get_running_loop()

        def unlimited(*parts: Any) -> Any:
            return web.BaseRequest(*parts, loop, client_max_size=sys.maxsize)

        server = web.Server(handler, request_factory=unlimited, access_log=None)
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=_DRAIN_S)
        await runner.setup()
        if tls == "both":
            return self._listen(server, runner)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls if tls else None)
        await site.start()
        port: int = runner.addresses[0][1]
        self._runners[port] = runner
        return port

    async def stop(self, port: int) -> None:
        runner = self._runners.pop(port, None)
        listener, accepting = self._both.pop(port, (None, None))
        if accepting is not None and listener is not None:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            listener.close()
        if runner is not None:
            await runner.shutdown()
            await runner.cleanup()

    async def stop_all(self) -> None:
        for port in list(self._runners):
            await self.stop(port)

    def _listen(self, server: Any, runner: Any) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        listener.setblocking(False)
        port: int = listener.getsockname()[1]
        self._runners[port] = runner
        self._both[port] = listener, asyncio.create_task(self._accept(listener, server))
        return port

    async def _accept(self, listener: socket.socket, server: Any) -> None:
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                connection, _ = await loop.sock_accept(listener)
                task = asyncio.create_task(self._serve(connection, server))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            for task in tasks:
                task.cancel()

    async def _serve(self, connection: socket.socket, server: Any) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        readable = asyncio.Event()
        loop.add_reader(connection, readable.set)
        try:
            await readable.wait()
        except asyncio.CancelledError:
            loop.remove_reader(connection)
            connection.close()
            raise
        loop.remove_reader(connection)
        with contextlib.suppress(OSError, ssl.SSLError):
            first = connection.recv(1, socket.MSG_PEEK)
            context = self.tls if first == _HANDSHAKE else None
            await loop.connect_accepted_socket(server, connection, ssl=context)
