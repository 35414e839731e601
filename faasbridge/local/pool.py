"""The worker processes of one function at one version of its code: started on demand, ended when they are idle
for long."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..spec import FunctionSpec
from .process import WorkerProcess, describe_exit
from .records import Work

IDLE_S = 60.0
START_TIMEOUT_S = 60.0
MAX_BACKOFF_S = 30.0


class StartFailure(Exception):
    """A worker that did not come up. `report` has `message`, `location` and `traceback`."""

    def __init__(self, report: dict[str, str]) -> None:
        super().__init__(report["message"])
        self.report = report


class Spares:
    """Processes that have loaded the core and wait for a job, so that a worker is there in the time its app
    takes to load."""

    def __init__(self, size: int = 1) -> None:
        self._size = size
        self._spares: deque[asyncio.Task[WorkerProcess]] = deque()
        self._alive: set[WorkerProcess] = set()
        self._closed = False

    def fill(self) -> None:
        while len(self._spares) < self._size and not self._closed:
            self._spares.append(asyncio.create_task(self._spawn()))

    async def take(self) -> WorkerProcess:
        """A spare; another one is started in its place a little later, so as not to slow this one down."""
        if self._closed:
            raise StartFailure({"message": "the server is stopping", "location": "", "traceback": ""})
        task = self._spares.popleft() if self._spares else asyncio.create_task(self._spawn())
        asyncio.get_running_loop().call_later(0.3, self.fill)
        try:
            return await task
        except (ConnectionError, TimeoutError) as error:
            raise StartFailure(
                {"message": f"no worker process can be started: {error}", "location": "", "traceback": ""}
            ) from error

    async def close(self) -> None:
        """Ends every process that is still there: spares, and those that were taken and are not a pool's yet."""
        self._closed = True
        for task in self._spares:
            task.cancel()
        await asyncio.gather(*self._spares, return_exceptions=True)
        while self._alive:
            workers = list(self._alive)
            for worker in workers:
                worker.kill()
            await asyncio.wait([worker.gone for worker in workers])

    async def _spawn(self) -> WorkerProcess:
        worker = await WorkerProcess.spawn(self._alive)
        try:
            await asyncio.wait_for(asyncio.shield(worker.ready), START_TIMEOUT_S)
        except BaseException:
            worker.kill()
            raise
        return worker


class Pool:
    """Up to `size` workers of one function. What becomes of work is told to the callbacks."""

    def __init__(
        self,
        function: FunctionSpec,
        job: dict[str, Any],
        size: int,
        spares: Spares,
        *,
        on_idle: Callable[[Pool], None],
        on_outcome: Callable[[Pool, Work, dict[str, Any], bytes], None],
        on_returned: Callable[[Pool, list[Work]], None],
        on_line: Callable[[Pool, Work | None, Any], None],
        on_broken: Callable[[Pool, dict[str, str]], None],
    ) -> None:
        self.function = function
        self.job = job
        self.size = size
        self.workers: list[WorkerProcess] = []
        self.starting = 0
        self.waiters: deque[asyncio.Future[None]] = deque()
        self.retired = False
        self._handing_back = False
        self.broken: dict[str, str] | None = None
        self.blocked_until = 0.0
        self._failures = 0
        self._spares = spares
        self._on_idle = on_idle
        self._on_outcome = on_outcome
        self._on_returned = on_returned
        self._on_line = on_line
        self._on_broken = on_broken
        self.start_ms = 0.0

    def idle(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if not worker.work and not worker.leaving]

    def busy(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if worker.work]

    def grow(self) -> bool:
        """Starts another worker unless there are enough, one is coming, or starting has just failed."""
        if self.retired or self.starting or len(self.workers) >= self.size or time.monotonic() < self.blocked_until:
            return False
        self.starting += 1
        asyncio.create_task(self._grow())  # noqa: RUF006 - the pool's counters hold it
        return True

    async def _grow(self) -> None:
        try:
            await self.start()
        except StartFailure as failure:
            if self.retired:
                return
            self._failures += 1
            self.blocked_until = time.monotonic() + min(MAX_BACKOFF_S, 2.0 ** (self._failures - 1))
            if self.broken != failure.report:
                self.broken = failure.report
                self._on_broken(self, failure.report)
        finally:
            self.starting -= 1
            self._on_idle(self)

    async def start(self) -> WorkerProcess:
        """One more worker, ready. Raises StartFailure."""
        began = time.monotonic()
        worker = await self._spares.take()
        worker.on_line = lambda work, line: self._on_line(self, work, line)
        worker.start(self.job)
        try:
            loaded = await asyncio.wait_for(asyncio.shield(worker.loaded), START_TIMEOUT_S)
        except TimeoutError:
            worker.kill()
            message = f"{self.job['app_ref']} took longer than {START_TIMEOUT_S:.0f} s to import"
            raise StartFailure({"message": message, "location": "", "traceback": ""}) from None
        except ConnectionError as error:
            message = f"importing {self.job['app_ref']} for function {self.function.name}: {error}"
            raise StartFailure({"message": message, "location": "", "traceback": ""}) from error
        if loaded["t"] != "hello":
            raise StartFailure({key: loaded[key] for key in ("message", "location", "traceback")})
        self.broken, self._failures = None, 0
        self.start_ms = (time.monotonic() - began) * 1000
        worker.on_done = self._done
        worker.on_returned = lambda _, works: self._on_returned(self, works)
        worker.idle_since = time.monotonic()
        self.workers.append(worker)
        worker.gone.add_done_callback(lambda future: self._gone(worker, future.result()))
        if self.retired:
            worker.quit()
        return worker

    def check(self, now: float) -> None:
        """Ends what runs too long, and what has been idle for long; called many times a second."""
        timeout_s = self.function.timeout_s
        for worker in self.workers:
            if worker.work:
                if now - worker.head_since > timeout_s and not worker.timed_out:
                    worker.time_out()
            elif now - worker.idle_since > IDLE_S and not worker.leaving and self._may_shrink():
                worker.quit()

    def retire(self) -> None:
        """No new work: idle workers end, busy ones after what they run; what they have not begun comes back."""
        self.retired = True
        while self.waiters:  # they go to whatever comes after this pool
            future = self.waiters.popleft()
            if not future.done():
                future.set_result(None)
        for worker in self.workers:
            if not worker.leaving:
                worker.quit()

    async def kill(self, *, only_busy: bool = False, hand_back: bool = False) -> None:
        """At once; returns when the processes are gone. `hand_back`: that is no fault of the events that were being
        handled, so they come back as if they had not been begun."""
        self._handing_back = hand_back
        workers = self.busy() if only_busy else list(self.workers)
        for worker in workers:
            worker.kill()
        if workers:
            await asyncio.wait([asyncio.ensure_future(_settled(worker)) for worker in workers])

    def _may_shrink(self) -> bool:
        return self.function.trigger.kind != "http" or len(self.workers) > 1

    def _done(self, worker: WorkerProcess, work: Work, header: dict[str, Any], body: bytes) -> None:
        self._on_outcome(self, work, header, body)
        if not worker.work and not worker.leaving:
            self._on_idle(self)

    def _gone(self, worker: WorkerProcess, code: int) -> None:
        if worker in self.workers:
            self.workers.remove(worker)
        works = list(worker.work)
        worker.work.clear()
        if works and self._handing_back and works[0].future is None and not worker.timed_out:
            self._on_returned(self, works)
        elif works:
            if worker.timed_out:
                out, why = "timed out", f"no end after timeout_s={self.function.timeout_s:g}"
            else:
                out, why = "crashed", f"the worker process {describe_exit(code)}"
            if works[1:]:
                self._on_returned(self, works[1:])
            ms = (time.monotonic() - worker.head_since) * 1000
            self._on_outcome(self, works[0], {"out": out, "why": why, "ms": ms}, b"")
        self._on_idle(self)


async def _settled(worker: WorkerProcess) -> None:
    await worker.gone
    await asyncio.sleep(0)  # its callbacks have run
