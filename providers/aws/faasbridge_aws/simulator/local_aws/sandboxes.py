"""Functions under AWS's own runtime client: a process a sandbox, and the Runtime API that it talks to.

ministack would import a handler into a worker of its own. What a sandbox sees here is what Lambda documents: its own
environment variables and nothing of this machine's, the unpacked artifact, the runtime client of its Python. A sandbox
takes one invocation at a time and is used again; one that ran out of time or ended is replaced.
Sources: Lambda Developer Guide, "Using the Lambda runtime API", "Defined runtime environment variables", "Understanding
the Lambda execution environment lifecycle".
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

MOST_PER_FUNCTION = 2  # sandboxes of a function; more callers wait
_INIT_S = 30.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Pool:
    """All sandboxes. `pythons`: runtime -> interpreter that has the runtime client."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.pythons: dict[str, str] = {}
        self._folder = folder
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle: dict[str, list[Sandbox]] = {}
        self._busy: dict[str, list[Sandbox]] = {}
        self._keys: dict[str, str] = {}  # function -> the key of its newest code and settings
        self._closed = False

    def execute(self, function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        """What ministack wants of an executor: `body`, `error` where there was one, and the `log`."""
        config = function.get("config") or function
        try:
            sandbox = self._lease(function, config)
        except Exception as error:  # noqa: BLE001 - the invocation fails, as AWS would tell it
            return {"error": True, "body": {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": str(error)}}
        try:
            kind, payload, log = sandbox.invoke(event, request_id, float(config.get("Timeout", 3)))
        finally:
            self._release(sandbox)
        return {"body": payload, "log": log} if kind == "response" else {"error": True, "body": payload, "log": log}

    def busy(self) -> dict[str, int]:
        with self._lock:
            return {name: len(sandboxes) for name, sandboxes in self._busy.items() if sandboxes}

    def end_busy(self) -> None:
        """Ends what runs just now; its callers are told that it ended."""
        with self._lock:
            running = [sandbox for sandboxes in self._busy.values() for sandbox in sandboxes]
        for sandbox in running:
            sandbox.end()

    def renew(self, wanted: Callable[[dict[str, str]], bool]) -> None:
        """The next invocation of a function whose environment variables are `wanted` starts a new sandbox."""
        stale = []
        with self._lock:
            for name in [name for name, sandboxes in self._idle.items() if sandboxes]:
                if wanted(self._idle[name][0].variables):
                    stale += self._idle.pop(name)
        for sandbox in stale:
            sandbox.end()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            every = [s for group in (self._idle, self._busy) for sandboxes in group.values() for s in sandboxes]
            self._idle.clear()
        for sandbox in every:
            sandbox.end()

    def _lease(self, function: dict[str, Any], config: dict[str, Any]) -> Sandbox:
        name = str(config.get("FunctionName", ""))
        code: bytes = function["code_zip"]
        settings = json.dumps(
            [config.get(k) for k in ("Environment", "Handler", "Runtime", "MemorySize", "LoggingConfig", "Timeout")],
            sort_keys=True,
            default=str,
        )
        digest = hashlib.sha256(code).hexdigest()
        key = f"{digest} {settings}"
        while True:
            with self._changed:
                if self._closed:
                    raise RuntimeError("the simulator is stopping")
                stale = self._idle.pop(name, []) if self._keys.get(name) != key else []
                self._keys[name] = key
                idle, busy = self._idle.setdefault(name, []), self._busy.setdefault(name, [])
                found = idle.pop() if idle else None
                if found is None and len(busy) < MOST_PER_FUNCTION:
                    found = Sandbox(name, key, config, self._environment(config, code, digest))
                if found is not None:
                    busy.append(found)
                elif not stale:
                    self._changed.wait(1.0)
            for sandbox in stale:
                sandbox.end()
            if found is not None:
                return found

    def _release(self, sandbox: Sandbox) -> None:
        with self._changed:
            self._busy[sandbox.name].remove(sandbox)
            keep = sandbox.usable and self._keys.get(sandbox.name) == sandbox.key and not self._closed
            if keep:
                self._idle.setdefault(sandbox.name, []).append(sandbox)
            self._changed.notify_all()
        if not keep:
            sandbox.end()

    def _environment(self, config: dict[str, Any], code: bytes, digest: str) -> Callable[[int], tuple[list[str], Any]]:
        runtime = str(config.get("Runtime", ""))
        if runtime not in self.pythons:
            raise RuntimeError(f"there is no runtime client for {runtime!r} here")
        folder = unpacked(self._folder / "code", code, digest)
        name, handler = str(config.get("FunctionName", "")), str(config.get("Handler", ""))
        credentials = lambda_runtime.execution_credentials(config)
        variables = (config.get("Environment") or {}).get("Variables") or {}
        region = str(config.get("FunctionArn", "arn:aws:lambda:us-east-1")).split(":")[3]
        logging = config.get("LoggingConfig") or {}

        def start(port: int) -> tuple[list[str], dict[str, str]]:
            env = {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_VERSION": str(config.get("Version", "$LATEST")),
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
                "AWS_LAMBDA_LOG_GROUP_NAME": str(logging.get("LogGroup") or f"/aws/lambda/{name}"),
                "AWS_LAMBDA_LOG_STREAM_NAME": uuid4().hex,
                "AWS_LAMBDA_LOG_FORMAT": str(logging.get("LogFormat", "Text")).upper().replace("TEXT", "Text"),
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "AWS_ENDPOINT_URL": self._endpoint,
                "AWS_EC2_METADATA_DISABLED": "true",
                "LAMBDA_TASK_ROOT": str(folder),
                "_HANDLER": handler,
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "PYTHONPATH": str(folder),
                "PYTHONNOUSERSITE": "1",
                "PYTHONUNBUFFERED": "1",
                **credentials,
                **{key: str(value) for key, value in variables.items()},
            }
            return [self.pythons[runtime], "-m", "awslambdaric", handler], env

        return start


class Sandbox:
    """One process, from its first invocation on."""

    def __init__(
        self, name: str, key: str, config: dict[str, Any], environment: Callable[[int], tuple[list[str], Any]]
    ) -> None:
        self.name = name
        self.key = key
        self.usable = True
        self.variables: dict[str, str] = (config.get("Environment") or {}).get("Variables") or {}
        self._arn = str(config.get("FunctionArn", ""))
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._server: ThreadingHTTPServer | None = None
        self._events: queue.Queue[tuple[str, bytes, float] | None] = queue.Queue()
        self._results: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self._output = _Output()

    def invoke(self, event: Any, request_id: str, timeout_s: float) -> tuple[str, Any, str]:
        """`response` or `error`, the payload, and what was written meanwhile."""
        self._output.taken()
        if self._process is None:
            self._start()
        init_until = time.monotonic() + _INIT_S
        deadline = time.monotonic() + timeout_s
        self._events.put((request_id, json.dumps(event).encode(), timeout_s))
        started = self._output.started
        while True:
            # The time of a first invocation counts from the end of the initialisation.
            if not started.is_set():
                deadline = min(init_until, time.monotonic() + timeout_s)
            try:
                kind, of, payload = self._results.get(timeout=0.02)
            except queue.Empty:
                process = self._process
                if process is None or process.poll() is not None:
                    return self._ended(request_id)
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
        process, server = self._process, self._server
        if process is not None:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._events.put(None)  # whoever waits in `next`
        if server is not None:
            self._server = None
            server.shutdown()
            server.server_close()

    def _start(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _runtime_api(self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        command, env = self._environment(self._server.server_port)
        # Linux ends it with the thread that started it, so that is one which lives as long as this process.
        self._process = _starter.submit(
            subprocess.Popen,
            command,
            cwd=env["LAMBDA_TASK_ROOT"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
        ).result()
        assert self._process.stdout is not None
        self._output.follow(self._process.stdout.fileno())

    def _ended(self, request_id: str) -> tuple[str, Any, str]:
        """The process is gone, perhaps with its last words still on the way."""
        try:
            kind, of, payload = self._results.get(timeout=0.1)
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
        self.started = threading.Event()  # set by the first request for an event: the initialisation is over
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the process at the other end was ended


def _runtime_api(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            sandbox._output.started.set()
            found = sandbox._events.get()
            if found is None:
                self.close_connection = True
                return
            request_id, body, timeout_s = found
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + timeout_s) * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", sandbox._arn)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def do_POST(self) -> None:
            body = self._content()
            try:
                payload = json.loads(body or b"null")
            except ValueError:
                payload = body.decode(errors="replace")
            parts = self.path.strip("/").split("/")  # 2018-06-01/runtime/invocation/ID/response, .../init/error
            if parts[2] == "init":
                sandbox._results.put(("init", "", payload))
            else:
                sandbox._results.put((parts[4], parts[3], payload))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _content(self) -> bytes:
            if "Content-Length" in self.headers:
                return self.rfile.read(int(self.headers["Content-Length"]))
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def unpacked(folder: Path, code: bytes, digest: str) -> Path:
    """The artifact's files, once for each content. Raises RuntimeError for an archive that leaves its folder."""
    target = folder / digest[:32]
    if (target / ".unpacked").exists():
        return target
    part = Path(f"{target}.{uuid4().hex}")
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            for name in archive.namelist():
                if name.startswith("/") or ".." in name.split("/"):
                    raise RuntimeError(f"the artifact holds {name!r}, which leaves its folder")
            archive.extractall(part)
            for info in archive.infolist():
                mode = info.external_attr >> 16 & 0o777
                if mode:
                    os.chmod(part / info.filename, mode | 0o400)
        (part / ".unpacked").touch()
        part.rename(target)
    except OSError:
        if not (target / ".unpacked").exists():  # else somebody was faster
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def install(pool: Pool) -> None:
    """Lets ministack execute every Python function here."""

    def execute(function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        return pool.execute(function, event, request_id)

    lambda_svc._execute_function_warm = execute


_starter = ThreadPoolExecutor(1, thread_name_prefix="sandboxes")
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """On Linux, whatever way this process ends."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
