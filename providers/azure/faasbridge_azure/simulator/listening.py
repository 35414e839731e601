"""aiohttp servers on free ports of this machine, and the certificate that they share."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any


class Listening:
    """`ca` is the file that clients trust."""

    def __init__(self, folder: Path) -> None:
        import trustme  # type: ignore[import-not-found, import-untyped, unused-ignore]

        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.tls)
        self._runners: dict[int, Any] = {}

    async def start(self, handler: Any, *, tls: bool) -> int:
        """The port, on which every request goes to `handler`."""
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        runner = web.ServerRunner(web.Server(handler, access_log=None), handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls if tls else None)
        await site.start()
        port: int = runner.addresses[0][1]
        self._runners[port] = runner
        return port

    async def stop(self, port: int) -> None:
        runner = self._runners.pop(port, None)
        if runner is not None:
            await runner.shutdown()
            await runner.cleanup()

    async def stop_all(self) -> None:
        for port in list(self._runners):
            await self.stop(port)
