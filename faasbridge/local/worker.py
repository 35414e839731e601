"""A worker: a process that runs one function, one invocation at a time.

    python -m faasbridge.local.worker FD

It imports the core, says `ready`, and waits for its job; what is in the job (which app, which function) is
loaded then, so
that a spare worker becomes any function's in the time the app itself takes to load. The main thread runs handlers. A
second one reads the socket, which lets the server take back what has not been started, and ends the process when the
server is gone, even while a handler runs.

Each event's outcome is sent before the next is begun: what the server has no outcome for when the process dies is
exactly the one event it died in, and what comes after it was never begun.
"""

from __future__ import annotations

import os
import sqlite3  # noqa: F401 - ahead of the job: every function that uses a local resource needs it
import sys
from _queue import Empty, SimpleQueue
from time import perf_counter

from .. import dispatch
from ..codec import dumps, loads
from ..event_json import from_dict
from ..http import Request, unquote
from . import frames
from .output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..app import App

    Job = dict[str, Any]
    Work = tuple[Job, bytes]

_END: Any = None
_ENDS = (SystemExit, KeyboardInterrupt, GeneratorExit)


class Worker:
    """The process's state: its socket, what waits, and the function's runner once the job is known."""

    def __init__(self, fd: int) -> None:
        self.channel = frames.Channel(fd)
        self.output = Output(self.channel)
        self.waiting: SimpleQueue[Any] = SimpleQueue()
        self.app: App | None = None
        self.runner: dispatch.Runner | None = None
        self.leaving = False

    def read(self) -> None:
        """The second thread: what comes from the server."""
        _die_with_parent()
        for header, body in self.channel.receive():
            kind = header["t"]
            if kind in ("recall", "quit"):
                self.give_back()
                if kind == "quit":
                    self.waiting.put(_END)
            elif kind == "deliver":
                start = 0
                for item in header["items"]:
                    sizes = item["sizes"]
                    texts = []
                    for size in sizes:
                        texts.append(body[start : start + size])
                        start += size
                    item["t"] = header["kind"]
                    item["stop"] = header["stop"]
                    self.waiting.put((item, texts))
            else:
                self.waiting.put((header, body))
        os._exit(0)

    def give_back(self) -> None:
        """Everything that has not been begun."""
        returned = []
        while True:
            try:
                work = self.waiting.get_nowait()
            except Empty:
                break
            if work is not _END:
                returned.append(work[0]["id"])
        self.channel.send({"t": "returned", "ids": returned})

    def run(self) -> None:
        """The main thread: the job, then one piece of work after another."""
        self.channel.send({"t": "ready", "pid": os.getpid()})
        work = self.waiting.get()
        if work is _END or not self.load(work[0]):
            return
        while True:
            work = self.waiting.get()
            if work is _END:
                return
            header, body = work
            self.output.invocation = header["id"]
            start = perf_counter()
            answer, content = _KINDS[header["t"]](self, header, body)
            self.output.end_lines()
            answer["t"] = "done"
            answer["id"] = header["id"]
            answer["ms"] = round((perf_counter() - start) * 1000, 3)
            if self.leaving:
                answer["leaving"] = True
            self.channel.send(answer, content)
            self.output.invocation = ""
            if self.leaving:
                return

    def load(self, job: Job) -> bool:
        """Makes this process the worker of the job's function. False where the app cannot be loaded; that is
        reported."""
        start = perf_counter()
        from .loading import Broken, load_app

        self.output.install()
        try:
            self.app = app = load_app(job)
            app.message_bytes = job.get("message_bytes")
            if job["function"] is None:
                from .manifest import manifest_of

                self.channel.send({"t": "manifest"}, manifest_of(app).encode())
                return False
            from .bind import driver_of

            self.runner = dispatch.Runner(
                app,
                job["function"],
                provider="local",
                stage=job["stage"],
                driver_of=driver_of(
                    app.app_name, job["stage"], job["folder"], job["kinds"], {"max_item_bytes": job["item_bytes"]}
                ),
                timeout_s=job.get("timeout_s"),
            )
            self.runner.warm()
        except Broken as error:
            self.channel.send({"t": "broken", **error.report()})
            return False
        except BaseException as error:  # noqa: BLE001 - whatever stops it from starting is the user's to see
            self.channel.send({"t": "broken", **Broken.of(error, job["root"]).report()})
            return False
        _limit_memory(job.get("memory_mb"))
        self.channel.send({"t": "hello", "ms": round((perf_counter() - start) * 1000, 1)})
        return True

    def http(self, header: Job, body: bytes) -> tuple[Job, bytes]:
        assert self.runner is not None
        raw_path = header["raw_path"]
        request = Request(
            header["method"],
            unquote(raw_path),
            raw_path=raw_path,
            headers=[(name, value) for name, value in header["headers"]],
            query=header["query"],
            body=body,
            client_ip=header["client_ip"],
            claims=header.get("claims"),
            id=header["id"],
            type="http",
            subject=f"{header['method']} {raw_path}",
        )
        start = perf_counter()
        try:
            status, headers, content = self.runner.http(request, id=header["id"])
        except _ENDS as error:
            self.leaving = True
            return {"out": "crashed", "why": f"the handler ended its process: {_reason(error)}"}, b""
        except BaseException:  # noqa: BLE001 - asyncio.CancelledError, say: a failure like any other
            dispatch.log.error(
                "%s failed: %s %s (id %s)", self.runner.name, request.method, raw_path, header["id"], exc_info=True
            )
            text = dumps({"error": "Internal Server Error", "id": header["id"]})
            status, headers, content = 500, [("content-type", "application/json")], text.encode()
        self.leaving = self.leaving or self.runner.out_of_memory
        answer: Job = {"out": "ok" if status < 500 else "failed", "status": status, "headers": headers}
        if status == 500 and perf_counter() - start >= self.runner.timeout_s:
            answer["out"] = "timed out"
        return answer, content

    def message(self, header: Job, texts: list[bytes]) -> tuple[Job, bytes]:
        """One event, or a batch of them: exactly the failed ones are named."""
        assert self.runner is not None
        attempts = header["attempts"]
        failed: list[list[Any]] = []
        events = []
        for i, text in enumerate(texts):
            try:
                event = from_dict(loads(text))
            except Exception as error:  # noqa: BLE001 - one unreadable event is one failed event
                failed.append([i, f"{type(error).__name__}: {error}", True])
                continue
            if hasattr(event, "attempt"):
                event.attempt = attempts[i]
            events.append((i, event))
        start = perf_counter()
        late = False
        try:
            if events:
                failures = self.runner.deliver(
                    [e for _, e in events], attempts=[attempts[i] for i, _ in events], id=header["id"]
                )
                for failure in failures:
                    index = next(i for i, event in events if event is failure.event)
                    failed.append([index, _reason(failure.error), failure.rejected])
                    if isinstance(failure.error, MemoryError):
                        self.leaving = True
                    late = late or isinstance(failure.error, TimeoutError)
        except _ENDS as error:
            self.leaving = True
            failed += [[i, f"the handler ended its process: {_reason(error)}", False] for i, _ in events]
        except BaseException as error:  # noqa: BLE001 - asyncio.CancelledError, say: a failure like any other
            dispatch.log.error("%s failed (id %s)", self.runner.name, header["id"], exc_info=True)
            failed += [[i, _reason(error), False] for i, _ in events]
        out = "ok"
        if failed and header["stop"]:
            self.give_back()  # what comes after it in order waits for it
        if failed:
            out = "rejected" if all(entry[2] for entry in failed) else "failed"
            if late and perf_counter() - start >= self.runner.timeout_s:
                out = "timed out"
        return {"out": out, "failed": failed}, b""

    def invoke(self, header: Job, body: bytes) -> tuple[Job, bytes]:
        """Past the inbox: the handler's own value comes back."""
        assert self.runner is not None
        try:
            event = from_dict(loads(body))
            if isinstance(event, Request):
                status, headers, content = self.runner.http(event, id=header["id"])
                text = content.decode("utf-8", "backslashreplace")
                value: Any = {"status": status, "headers": [list(pair) for pair in headers], "body": text}
            elif self.runner.function is not None and self.runner.function.trigger == "batch":
                failures = self.runner.deliver([event], id=header["id"])
                if failures:
                    raise failures[0].error
                value = None
            else:
                value = self.runner.invoke(event, id=header["id"])
            try:
                return {"out": "ok"}, dumps(value).encode()
            except (TypeError, ValueError):
                return {"out": "ok"}, dumps(repr(value)).encode()
        except BaseException as error:  # noqa: BLE001 - reported to whoever invoked
            dispatch.log.error("%s failed on an invocation by hand", self.runner.name, exc_info=True)
            self.leaving = not isinstance(error, Exception) or isinstance(error, MemoryError)
            return {"out": "failed", "why": _reason(error)}, b""


_KINDS: dict[str, Any] = {
    "http": Worker.http,
    "message": Worker.message,
    "invoke": Worker.invoke,
}


def _reason(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text if len(text) <= 2000 else text[:2000] + "…"


def _limit_memory(memory_mb: int | None) -> None:
    """What the function may allocate, on top of what an interpreter and its threads reserve anyway."""
    if memory_mb and sys.platform == "linux":
        import resource

        size = (max(memory_mb, 128) + 128) * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _die_with_parent() -> None:
    """The end of the socket ends a worker whose interpreter still runs; this also one that hangs in C code."""
    if sys.platform == "linux":
        parent = os.getppid()
        import ctypes

        ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
        if os.getppid() != parent:
            os._exit(0)


def main() -> None:
    from _thread import start_new_thread
    from signal import SIG_IGN, SIGINT, SIGUSR1, signal

    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)
    signal(SIGINT, SIG_IGN)
    import faulthandler

    faulthandler.enable()
    faulthandler.register(SIGUSR1, all_threads=False)
    worker = Worker(fd)
    start_new_thread(worker.read, ())
    try:
        worker.run()
        worker.output.end_lines()
    except BrokenPipeError:
        pass
    # Not a normal exit: threads and exit hooks of the handler's libraries must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
