"""The server process of a simulator that is written here: its command line, its life and its control API.

`servers` says what is promised of such a process; a vendor's package has a `Cloud` and calls `main`.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import logging
import os
import secrets
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..local.state import Lock, make_folder
from ..local.web import HttpServer, Receive, Scope, Send, listen, read_body, send_json
from . import servers

log = logging.getLogger(__name__)


class Cloud(ABC):
    """What such a process simulates. `views`: further paths of the control API, and what answers there."""

    views: Mapping[str, Callable[[], Any]] = {}

    @abstractmethod
    async def start(self) -> Mapping[str, Any]:
        """Gives the `details` of the server's record. Raises ConfigError where it cannot start."""

    @abstractmethod
    async def stop(self) -> None:
        """Ends whatever of it was started."""

    async def broken(self) -> str:
        """Returns once it cannot go on, and says why."""
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    @abstractmethod
    async def reset(self) -> None:
        """Empties everything that holds data; what deployments made stays. Nothing of before is delivered."""

    @abstractmethod
    async def left(self) -> Mapping[str, str]:
        """Inbox -> what is in flight there; empty once all is settled."""

    @abstractmethod
    def queues(self) -> list[str]:
        """Those that may hold messages."""

    @abstractmethod
    def deployed(self) -> list[dict[str, str]]:
        """`{"app", "stage"}` of each that has anything here."""


Make = Callable[[Path, bool], Awaitable[Cloud]]
"""Given the server's folder and whether it is for tests: immediate retries, no schedules."""


def main(program: str, make: Make) -> None:
    launcher = os.getppid()
    faulthandler.enable()  # a crash of a C library says where in the server's output
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--folder", type=Path, required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--attached", action="store_true", help="end when the standard input is closed")
    how.add_argument("--detached", action="store_true")
    parser.add_argument("--test", action="store_true", help="immediate retries, no schedules")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    code = 0
    try:
        serving = serve(arguments.folder.absolute(), make, launcher, attached=arguments.attached, test=arguments.test)
        asyncio.Runner().run(serving)
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = 1
    sys.stderr.flush()
    os._exit(code)  # a thread may be waiting for an installation, which nobody needs any more


async def serve(folder: Path, make: Make, launcher: int, *, attached: bool, test: bool) -> None:
    """Until it is told to stop. `launcher` is the process that waits until it is ready; where that is gone by then,
    nobody knows of the server, and it ends. Raises ConfigError where it cannot start, or go on."""
    make_folder(folder)
    lock = Lock(folder)
    lock.acquire()
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    if attached:
        loop.add_reader(sys.stdin.fileno(), _read, loop, ending)
    cloud = await make(folder, test)
    control = Control(cloud, ending.set)
    try:
        stopping = asyncio.create_task(ending.wait())
        details = await _unless(stopping, cloud.start())
        if details is None or os.getppid() != launcher:
            return
        await control.start()
        started = datetime.now(UTC).isoformat(timespec="seconds")
        servers.record(folder, servers.Server(os.getpid(), control.url, control.token, started, details))
        why = await _unless(stopping, cloud.broken())
        if why is not None:
            raise ConfigError(f"the simulator cannot go on: {why}")
    finally:
        (folder / servers.RECORD).unlink(missing_ok=True)
        await control.stop()
        await cloud.stop()
        lock.release()


async def _unless(stopping: asyncio.Task[Any], doing: Awaitable[Any]) -> Any:
    """Its result; None where it was given up, since the process shall stop."""
    task = asyncio.ensure_future(doing)
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def _read(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    """Nothing is expected from there but its end."""
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        ending.set()


class Control:
    """The control API, on loopback, for who holds the token."""

    def __init__(self, cloud: Cloud, stop: Callable[[], None]) -> None:
        self.token = secrets.token_urlsafe(24)
        self._cloud = cloud
        self._stop = stop
        self._http = HttpServer(self, listen(0, exact=True))
        self.url = self._http.url

    async def start(self) -> None:
        await self._http.start()

    async def stop(self) -> None:
        await self._http.stop()

    async def _answer(self, method: str, path: str) -> Any:
        """None where nothing is asked so."""
        match method, path:
            case "POST", "/reset":
                await self._cloud.reset()
            case "POST", "/stop":
                self._stop()
            case "GET", "/left":
                return await self._cloud.left()
            case "GET", "/queues":
                return self._cloud.queues()
            case "GET", "/deployments":
                return self._cloud.deployed()
            case "GET", path if path in self._cloud.views:
                return self._cloud.views[path]()
            case _:
                return None
        return {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await read_body(scope, receive, None)
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not secrets.compare_digest(given, f"Bearer {self.token}".encode()):
            await send_json(send, 401, {"error": "the simulator's control API wants the token of its record"})
            return
        try:
            answer = await self._answer(scope["method"], scope["path"])
        except Exception as error:
            log.exception("%s failed", scope["path"])
            await send_json(send, 500, {"error": f"the simulator failed: {error!r}"})
            return
        if answer is None:
            await send_json(send, 404, {"error": f"the simulator knows no {scope['method']} {scope['path']}"})
        else:
            await send_json(send, 200, answer)
