"""Processes that the server owns: started in a session of their own, ended with it whatever way it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from faasbridge.errors import ConfigError

START_TIMEOUT_S = 60.0

# Linux ends the process when the one that started it is gone; `exec` keeps that.
_WRAPPER = (
    "import ctypes, os, signal, sys\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "    if os.getppid() == 1: os._exit(1)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])\n"
)


class Child:
    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process
        self._last: deque[str] = deque(maxlen=20)
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
        """Raises ConfigError where the program cannot be run."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-ISc",
                _WRAPPER,
                *command,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"{name} cannot be started: {error}") from error
        return cls(name, process)

    async def ready(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Raises ConfigError with its last lines where it ends before it answers."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await answers():
                    if self._process.returncode is not None:
                        await asyncio.wait([self._reader], timeout=1.0)
                        raise ConfigError(f"{self.name} does not start: {' '.join(self._last) or 'it said nothing'}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise ConfigError(f"{self.name} did not start within {START_TIMEOUT_S:.0f} s") from None

    async def ended(self) -> str:
        """Returns when it has, with what it said last."""
        code = await self._process.wait()
        return f"{self.name} ended with {code}: {' '.join(self._last)}"

    async def stop(self) -> None:
        """At once: what these keep is in their memory."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._reader.cancel()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(65536):
            self._last.extend(data.decode("utf-8", "replace").splitlines())


async def accepts(address: str) -> bool:
    """Whether something listens there."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True
