"""The server's end of one worker process: what was handed to it, what it answered, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from .frames import Decoder, pack
from .records import Line, Work

KILL_AFTER_S = 0.1  # after a time-out: time for the traceback of where the handler hangs


class WorkerProcess(asyncio.Protocol):
    """One process. `work` holds what it was handed, in order: the first is running, the others have not been begun."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._pipe = -1
        self._raw = b""
        self._closed = loop.create_future()
        self._popen: subprocess.Popen[bytes] | None = None
        self.ready: asyncio.Future[None] = loop.create_future()
        self.loaded: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.gone: asyncio.Future[int] = loop.create_future()
        self.work: deque[Work] = deque()
        self.head_since = 0.0
        self.idle_since = time.monotonic()
        self.recalled = False
        self.leaving = False
        self.timed_out = False
        self.on_done: Callable[[WorkerProcess, Work, dict[str, Any], bytes], None] | None = None
        self.on_returned: Callable[[WorkerProcess, list[Work]], None] | None = None
        self.on_line: Callable[[Work | None, Line], None] | None = None
        for future in (self.ready, self.loaded):
            future.add_done_callback(lambda f: f.cancelled() or f.exception())

    @classmethod
    async def spawn(cls, alive: set[WorkerProcess]) -> WorkerProcess:
        """A spare: it has loaded the core and waits for its job. It is in `alive` while the process is there."""
        loop = asyncio.get_running_loop()
        worker = cls(loop)
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        read, write = os.pipe()
        try:
            worker._popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "faasbridge.local.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # a Ctrl-C in the terminal is the server's to handle; a handler's children end with it
            )
        except BaseException:
            mine.close()
            os.close(read)
            raise
        finally:
            theirs.close()
            os.close(write)
        worker._pipe = read
        os.set_blocking(read, False)
        loop.add_reader(read, worker._read_raw)
        worker._watch_exit()
        alive.add(worker)
        worker.gone.add_done_callback(lambda _: alive.discard(worker))
        await loop.create_connection(lambda: worker, sock=mine)
        return worker

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def start(self, job: dict[str, Any]) -> None:
        """Gives a spare its job; `loaded` becomes the worker's `hello`, `manifest` or `broken` frame."""
        self.send({"t": "job", "id": "", **job})

    def hand(self, work: Work, frame: bytes) -> None:
        if not self.work:
            self._begin()
        self.work.append(work)
        self._write(frame)

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        self._write(pack(header, body))

    def recall(self) -> None:
        """Asks for what has not been begun; `on_returned` gets it."""
        if not self.recalled:
            self.recalled = True
            self.send({"t": "recall"})

    def quit(self) -> None:
        """Ends after the current work; the rest comes back."""
        self.leaving = True
        self.send({"t": "quit"})

    def time_out(self) -> None:
        """Asks for a traceback, then kills, unless the work has ended by then."""
        self.timed_out = True
        late = self.work[0]
        self.recall()
        self._signal(signal.SIGUSR1, group=False)

        def kill() -> None:
            if self.work and self.work[0] is late:
                self.kill()
            else:
                self.timed_out = False

        self._loop.call_later(KILL_AFTER_S, kill)

    def kill(self) -> None:
        """At once, with every process that the handler started."""
        self._signal(signal.SIGKILL, group=True)

    def data_received(self, data: bytes) -> None:
        for header, body in self._decoder.feed(data):
            self._handle(header, body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    def _handle(self, header: dict[str, Any], body: bytes) -> None:
        kind = header["t"]
        if kind == "done":
            work = self.work.popleft()
            self._begin()
            rest: list[Work] = []
            if header.get("leaving"):  # it begins nothing any more: what it still holds is somebody else's
                self.leaving = True
                rest = list(self.work)
                self.work.clear()
            if self.on_done:
                self.on_done(self, work, header, body)
            if rest and self.on_returned:
                self.on_returned(self, rest)
        elif kind == "log":
            line = Line(header["time"], header["level"], header["text"])
            current = self.work[0] if self.work and header["id"] == self.work[0].id else None
            if self.on_line:
                self.on_line(current, line)
        elif kind == "returned":
            self.recalled = False
            ids = set(header["ids"])
            returned = [work for work in self.work if work.id in ids]
            self.work = deque(work for work in self.work if work.id not in ids)
            if self.on_returned and returned:
                self.on_returned(self, returned)
        elif kind == "ready":
            if not self.ready.done():
                self.ready.set_result(None)
        elif not self.loaded.done():  # hello, manifest or broken
            self.loaded.set_result({**header, "body": body})

    def _begin(self) -> None:
        self.head_since = self.idle_since = time.monotonic()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _read_raw(self) -> None:
        """What was written to descriptors 1 and 2 past Python: C libraries, tracebacks of a crash."""
        try:
            data = os.read(self._pipe, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close_pipe()
            return
        *lines, self._raw = (self._raw + data).split(b"\n")
        if len(self._raw) > 8192:
            lines.append(self._raw)
            self._raw = b""
        self._emit_raw(lines)

    def _emit_raw(self, lines: list[bytes]) -> None:
        if self.on_line:
            current = self.work[0] if self.work else None
            for line in lines:
                self.on_line(current, Line(time.time(), "err", line.decode("utf-8", "backslashreplace")))

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1
            if self._raw:
                self._emit_raw([self._raw])
                self._raw = b""

    def _watch_exit(self) -> None:
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                fd = os.pidfd_open(self.pid)

                def ended() -> None:
                    self._loop.remove_reader(fd)
                    os.close(fd)
                    self._exited()

                self._loop.add_reader(fd, ended)
                return
        assert self._popen is not None
        popen, loop = self._popen, self._loop

        def wait() -> None:
            popen.wait()
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(self._exited)

        threading.Thread(target=wait, daemon=True).start()

    def _exited(self) -> None:
        self._signal(signal.SIGKILL, group=True)  # what the handler started and left behind
        self._loop.create_task(self._finish())

    async def _finish(self) -> None:
        """Outcomes that were sent before the end count, so everything is read before `gone` is told."""
        assert self._popen is not None
        code = self._popen.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._closed), 0.5)
        while self._pipe >= 0:
            before = self._raw
            self._read_raw()
            if self._raw == before:
                break
        self._close_pipe()
        if self._transport is not None:
            self._transport.abort()
        error = ConnectionError(f"the worker process {describe_exit(code)}")
        for future in (self.ready, self.loaded):
            if not future.done():
                future.set_exception(error)
        if not self.gone.done():
            self.gone.set_result(code)

    def _signal(self, number: int, *, group: bool) -> None:
        popen = self._popen
        if popen is None or popen.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(popen.pid, number)
            else:
                popen.send_signal(number)


def describe_exit(code: int) -> str:
    """`ended with exit code 3`, `was ended by SIGSEGV`."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"was ended by {name}"
    return f"ended with exit code {code}"
