"""One running instance of a revision: functions-framework with gunicorn, as Google's builder starts it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from . import http_client
from .http_client import Answer, Headers

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 3.0
PORT = "8080"  # what every instance is told in the cloud; here it is the end of its socket's name

_LAUNCHER = Path(__file__).with_name("launcher.py")
_numbers = count(1)


class StartFailure(Exception):
    """The process ended before it listened; says its last lines."""


@dataclass(frozen=True)
class Command:
    """How an instance is started. `api` is the address of the simulated Google APIs; `line(stream, text)` gets what it
    writes."""

    python: Path
    folder: Path
    env: Mapping[str, str]
    sockets: Path
    api: str
    line: Callable[[str, str], None]


class Instance:
    def __init__(self, process: asyncio.subprocess.Process, socket: str, command: Command) -> None:
        self._process = process
        self._socket = socket
        self._last: deque[str] = deque(maxlen=20)
        self.running = 0
        self.used = time.monotonic()
        self._readers = [
            asyncio.create_task(self._read(stream, name, command.line))
            for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr"))
            if stream is not None
        ]

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        """Raises OSError where the process dies of it."""
        return await http_client.send(self._socket, method, target, headers, body)

    async def stop(self, *, at_once: bool = False) -> None:
        """Ends the whole process group, by SIGTERM first as the cloud does."""
        if self.alive:
            _signal(self._process.pid, signal.SIGKILL if at_once else signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        _signal(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        _, waiting = await asyncio.wait(self._readers, timeout=1.0)
        for task in waiting:
            task.cancel()
        with contextlib.suppress(OSError):
            os.unlink(self._socket)

    async def listening(self) -> None:
        """Raises StartFailure."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._accepts():
                    if not self.alive:
                        await asyncio.wait(self._readers, timeout=1.0)
                        raise StartFailure("\n".join(self._last) or f"it ended with {self._process.returncode}")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise StartFailure(f"it did not listen within {START_TIMEOUT_S:.0f} s") from None

    async def _accepts(self) -> bool:
        if not os.path.exists(self._socket):
            return False
        try:
            _, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        writer.close()
        return True

    async def _read(self, stream: asyncio.StreamReader, name: str, line: Callable[[str, str], None]) -> None:
        rest = b""
        while data := await stream.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            for each in lines:
                self._line(each, name, line)
        if rest:
            self._line(rest, name, line)

    def _line(self, raw: bytes, name: str, line: Callable[[str, str], None]) -> None:
        text = raw.decode("utf-8", "replace").rstrip("\r")
        self._last.append(text)
        line(name, text)


async def start(command: Command) -> Instance:
    """An instance that listens. Raises StartFailure; nothing is left of one that fails."""
    prefix = str(command.sockets / str(next(_numbers)))
    process = await asyncio.create_subprocess_exec(
        str(command.python),
        "-P",
        str(_LAUNCHER),
        f"unix:{prefix}",
        command.api,
        cwd=command.folder,
        env={**command.env, "PORT": PORT},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    instance = Instance(process, f"{prefix}:{PORT}", command)
    try:
        await instance.listening()
    except BaseException:
        await instance.stop(at_once=True)
        raise
    return instance


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
