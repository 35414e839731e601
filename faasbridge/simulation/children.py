"""Processes that a simulator's server owns: each in a session of its own, ended with the server whatever way that
ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 3.0

# Linux ends the process when the one that started it is gone; `exec` keeps that. It may be gone already.
_ENDS_WITH_US = (
    "import ctypes, os, signal, sys\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "    if os.getppid() != int(sys.argv[1]): os._exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)
_LONGEST_LINE = 1_000_000


def ends_with_us(command: Sequence[str]) -> list[str]:
    """A command that does the same, and ends when this process does."""
    return [sys.executable, "-ISc", _ENDS_WITH_US, str(os.getpid()), *command]


class Child:
    def __init__(self, name: str, process: asyncio.subprocess.Process, heard: Callable[[str], None] | None) -> None:
        self.name = name
        self.process = process
        self._last: deque[str] = deque(maxlen=20)
        self._heard = heard
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> Child:
        """`heard` is given each line that it writes. Raises ConfigError where the program cannot be run."""
        try:
            process = await asyncio.create_subprocess_exec(
                *ends_with_us(command),
                env=env,
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"{name} cannot be started: {error}") from error
        return cls(name, process, heard)

    @property
    def said(self) -> str:
        return " ".join(self._last) or "it said nothing"

    async def ready(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Raises ConfigError with its last lines where it ends before it answers."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await answers():
                    if self.process.returncode is not None:
                        await asyncio.wait([self._reader], timeout=1.0)
                        raise ConfigError(f"{self.name} does not start: {self.said}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise ConfigError(f"{self.name} did not start within {START_TIMEOUT_S:.0f} s") from None

    async def ended(self) -> int:
        return await self.process.wait()

    async def stop(self, patience_s: float = STOP_TIMEOUT_S) -> None:
        """Asked to end; killed where it has not after that time, at once without patience."""
        for number in (signal.SIGTERM, signal.SIGKILL) if patience_s else (signal.SIGKILL,):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), patience_s or STOP_TIMEOUT_S)
                break
        self._reader.cancel()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        rest = b""  # of a line: an unbuffered `print` writes each of its parts by itself
        while data := await self.process.stdout.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._hear(line)
        if rest:
            self._hear(rest)

    def _hear(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._last.append(text)
        if self._heard is not None:
            self._heard(text)


async def accepts(port: int) -> bool:
    """Whether something listens on that port of this machine."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
