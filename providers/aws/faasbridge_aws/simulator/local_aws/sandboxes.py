"""A function under AWS's own runtime client: a process, from its first invocation on, and what it writes."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .environment import Start
from .runtime_api import RuntimeApi

_INIT_S = 30.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Sandbox:
    """One process, from its first invocation on."""

    def __init__(self, name: str, key: str, config: dict[str, Any], start: Start) -> None:
        self.name = name
        self.key = key
        self.usable = True
        self.variables: dict[str, str] = (config.get("Environment") or {}).get("Variables") or {}
        self._arn = str(config.get("FunctionArn", ""))
        self._how_to_start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._api: RuntimeApi | None = None
        self._output = _Output()

    def invoke(self, event: Any, request_id: str, timeout_s: float) -> tuple[str, Any, str]:
        """`response` or `error`, the payload, and what was written meanwhile."""
        self._output.taken()
        api = self._api or self._start()
        init_until = time.monotonic() + _INIT_S
        deadline = time.monotonic() + timeout_s
        api.give(request_id, event, timeout_s)
        while True:
            # The time of a first invocation counts from the end of the initialisation.
            if not api.asked.is_set():
                deadline = min(init_until, time.monotonic() + timeout_s)
            try:
                kind, of, payload = api.result(0.02)
            except queue.Empty:
                process = self._process
                if process is None or process.poll() is not None:
                    return self._ended(api, request_id)
                if time.monotonic() > deadline:
                    return self._timed_out(request_id, timeout_s)
                continue
            if kind == "init":
                self.usable = False
                return "error", payload, self._output.taken()
            if of == request_id:
                return kind, payload, self._output.taken()

    def end(self) -> None:
        self.usable = False
        process, api = self._process, self._api
        if process is not None:
            if process.poll() is None:
                process.kill()
            process.wait()
        if api is not None:
            api.close()

    def _start(self) -> RuntimeApi:
        api = RuntimeApi(self._arn)
        try:
            command, env = self._how_to_start(api.port)
            # Linux ends it with the thread that started it, so that is one which lives as long as this process.
            process = _threads.submit(
                subprocess.Popen,
                command,
                cwd=env["LAMBDA_TASK_ROOT"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            ).result()
        except BaseException:
            api.close()
            raise
        self._process, self._api = process, api
        assert process.stdout is not None
        self._output.follow(process.stdout.fileno())
        return api

    def _ended(self, api: RuntimeApi, request_id: str) -> tuple[str, Any, str]:
        """The process is gone, perhaps with its last words still on the way."""
        try:
            kind, of, payload = api.result(0.1)
            if kind == "init" or of == request_id:
                self.usable = False
                return "error" if kind == "init" else kind, payload, self._output.taken()
        except queue.Empty:
            pass
        self.usable = False
        code = self._process.returncode if self._process is not None else -1
        how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        message = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        return "error", {"errorType": "Runtime.ExitError", "errorMessage": message}, self._output.taken(message)

    def _timed_out(self, request_id: str, timeout_s: float) -> tuple[str, Any, str]:
        message = f"{request_id} Task timed out after {timeout_s:.2f} seconds"
        self.usable = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        return "error", {"errorType": "Sandbox.Timedout", "errorMessage": message}, self._output.taken(message)


class _Output:
    """What a process writes: read as it comes, so that its pipe never fills, and taken an invocation at a time."""

    def __init__(self) -> None:
        self._fd = -1
        self._lock = threading.Lock()
        self._parts: list[bytes] = []

    def follow(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        threading.Thread(target=self._read_on, daemon=True).start()

    def taken(self, more: str = "") -> str:
        self._read()
        with self._lock:
            text = b"".join(self._parts).decode(errors="replace")
            self._parts.clear()
        return f"{text}{more}"

    def _read_on(self) -> None:
        import select

        poller = select.poll()
        poller.register(self._fd, select.POLLIN | select.POLLHUP)
        while True:
            poller.poll()
            if not self._read():
                return

    def _read(self) -> bool:
        """Whether there may come more."""
        if self._fd < 0:
            return True
        with self._lock:
            while True:
                try:
                    part = os.read(self._fd, 65536)
                except BlockingIOError:
                    return True
                except OSError:
                    return False
                if not part:
                    return False
                self._parts.append(part)


_threads = ThreadPoolExecutor(1, thread_name_prefix="sandboxes")
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """On Linux, whatever way this process ends."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
