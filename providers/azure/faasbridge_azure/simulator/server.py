"""`python -m faasbridge_azure.simulator.server --folder F --attached|--detached [--test]`: the simulator's one process.

See `faasbridge.simulation.servers` for what such a server promises. It keeps nothing for its next start: the emulators
hold their data in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.local.state import Lock, make_folder
from faasbridge.simulation import servers

from .cloud import Cloud

log = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faasbridge_azure.simulator.server")
    parser.add_argument("--folder", type=Path, required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--attached", action="store_true", help="end when the standard input is closed")
    how.add_argument("--detached", action="store_true")
    parser.add_argument("--test", action="store_true", help="immediate retries, no schedules")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(arguments.folder.absolute(), attached=arguments.attached, test=arguments.test))
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


async def serve(folder: Path, *, attached: bool, test: bool) -> None:
    """Until it is told to stop. Raises ConfigError where it cannot start."""
    make_folder(folder)
    lock = Lock(folder)
    lock.acquire()
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    if attached:
        loop.add_reader(sys.stdin.fileno(), lambda: _read(loop, ending))
    cloud, token = Cloud(folder, test=test), secrets.token_urlsafe(24)
    try:
        starting, stopping = asyncio.create_task(cloud.start()), asyncio.create_task(ending.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        starting.result()
        port = await cloud.listening.start(_control(cloud, token, ending.set), tls=False)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        url = f"http://127.0.0.1:{port}"
        servers.record(folder, servers.Server(os.getpid(), url, token, started, cloud.details()))
        await stopping
    finally:
        (folder / servers.RECORD).unlink(missing_ok=True)
        await cloud.stop()
        lock.release()


def _control(cloud: Cloud, token: str, stop: Any) -> Any:
    from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

    async def handle(request: Any) -> Any:
        await request.read()
        if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()):
            error = {"error": "the simulator's control API wants the token of its record"}
            return web.json_response(error, status=401)
        try:
            match (request.method, request.path):
                case ("POST", "/reset"):
                    await cloud.reset()
                    return web.json_response({})
                case ("GET", "/left"):
                    return web.json_response(await cloud.left())
                case ("GET", "/deployments"):
                    return web.json_response(cloud.deployments())
                case ("GET", "/logs"):
                    since = float(request.query.get("since", "0"))
                    return web.json_response(cloud.traces.since(since))
                case ("POST", "/stop"):
                    stop()
                    return web.json_response({})
        except Exception as error:
            log.exception("%s failed", request.path)
            return web.json_response({"error": f"the simulator failed: {error!r}"}, status=500)
        return web.json_response({"error": f"the simulator knows no {request.method} {request.path}"}, status=404)

    return handle


def _read(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    """Nothing is expected from there but its end."""
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        ending.set()


if __name__ == "__main__":
    main()
