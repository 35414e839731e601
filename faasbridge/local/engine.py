"""The engine: moves events from the inboxes of the store to worker processes, and their outcomes back.

A row stays in its inbox until its outcome is in the database; that somebody works on it is known only here, in
memory. So
whatever is killed, the row is still there. One thread does all of the database's work: each round trip writes the
outcomes that have come meanwhile and claims what is ready, which makes its batches as large as the load.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

from ..errors import FaaSBridgeError
from ..spec import AppSpec, FunctionSpec
from .exchange import round_trip
from .frames import pack
from .logs import LogFiles
from .pool import Pool, Spares, StartFailure
from .process import WorkerProcess
from .pump import Pump, failed_rows
from .records import Invocation, Line, Notice, Work, new_id
from .release import Release
from .store import Store

BUSY_POLL_S = 0.005
IDLE_POLL_S = 0.02
_RETURNED = "returned"
T = TypeVar("T")

invoked: ContextVar[bool] = ContextVar("invoked", default=False)
"""Whether the request of this task was answered by an invocation, which is told of as one."""


class Engine:
    """Runs one release of an app at a time; `swap` goes on to the next without losing anything."""

    def __init__(
        self, store: Store, logs: LogFiles, *, test: bool, tell: Callable[[Invocation | Notice], None]
    ) -> None:
        self.store = store
        self.logs = logs
        self.test = test
        self.tell = tell
        self.spares = Spares()
        self.spec: AppSpec | None = None
        self.pools: dict[str, Pool] = {}
        self.pumps: dict[str, Pump] = {}
        self._known: dict[str, Pump] = {}  # also of inboxes that have lost their handler while it ran
        self._old: list[Pool] = []
        self._thread = ThreadPoolExecutor(1, "faasbridge-store")
        self._outcomes: list[tuple[Pump, Work, dict[str, Any]]] = []
        self._dirty = True
        self._exchanging: asyncio.Task[None] | None = None
        self._paused = False
        self._stopping = False
        self._generation = 0
        self._version = -1
        self._busy_until = 0.0
        self._next_due = 0.0
        self._poller: asyncio.Task[None] | None = None

    # Life

    def start(self) -> None:
        self.spares.fill()
        self._poller = asyncio.create_task(self._poll())

    async def stop(self, grace_s: float) -> None:
        """Begins nothing any more, lets what runs finish for `grace_s`, then ends every worker. An event whose handler
        is ended so stays in its inbox, without an attempt charged."""
        self._stopping = True
        for pool in [*self.pools.values(), *self._old]:
            pool.retire()
        deadline = time.monotonic() + grace_s
        while any(pool.busy() for pool in self._all_pools()) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._poller is not None:
            self._poller.cancel()
        for pool in self._all_pools():
            if pool.function.inbox is not None and pool.busy():
                text = f"{pool.function.name} was still running and is ended; its event comes again at the next start"
                self.tell(Notice("line", text))
        await asyncio.gather(*(pool.kill(hand_back=True) for pool in self._all_pools()), self.spares.close())
        if self._exchanging is not None:
            await self._exchanging
        await self._exchange()
        self._thread.shutdown()

    async def in_store(self, function: Callable[..., T], *args: Any) -> T:
        """Runs in the database's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def make_pool(self, function: FunctionSpec, release: Release) -> Pool:
        return Pool(
            function,
            release.job(function),
            1 if release.is_ordered(function) else release.workers,
            self.spares,
            on_idle=self._idle,
            on_outcome=self._outcome,
            on_returned=self._returned,
            on_line=self._line,
            on_broken=self._broken,
        )

    async def swap(self, release: Release, ready: Mapping[str, Pool]) -> None:
        """From now on everything new goes to `release`. `ready`: pools of it that have their first worker already."""
        spec = release.spec
        await self.in_store(self.store.subscribe, spec)
        old = list(self.pools.values())
        self.spec = spec
        self.pools = {
            function.name: ready.get(function.name) or self.make_pool(function, release) for function in spec.functions
        }
        for pool in old:
            pool.retire()
        self._old = [pool for pool in [*self._old, *old] if pool.workers or pool.starting]
        keep: dict[str, Pump] = {}
        for function in spec.functions:
            if function.inbox is None:
                continue
            ordered = release.is_ordered(function)
            pump = self._known.get(function.inbox) or Pump(function, ordered=ordered, test=self.test)
            self._known[function.inbox] = pump
            pump.use(function, ordered=ordered)
            if pump.pool is not None:
                pump.retiring = [each for each in [*pump.retiring, pump.pool] if each.workers]
            pump.pool = self.pools[function.name]
            keep[function.inbox] = pump
        for inbox, pump in self.pumps.items():
            if inbox not in keep:
                pump.pool = None
                pump.drop_claims()
        self.pumps = keep
        self.kick()

    async def reset(self) -> None:
        """Nothing of before is delivered afterwards; idle workers stay."""
        self._paused = True
        try:
            self._generation += 1
            for pump in self.pumps.values():
                pump.claimed.clear()
            await asyncio.gather(*(pool.kill(only_busy=True) for pool in self._all_pools()))
            if self._exchanging is not None:
                await self._exchanging
            self._outcomes.clear()
            await self.in_store(self.store.reset)
            for pump in self._known.values():
                pump.claimed.clear()
                pump.leased.clear()
            self.logs.clear()
        finally:
            self._paused = False
            self.kick()

    # Requests

    async def request(
        self, pool: Pool, header: dict[str, Any], body: bytes, trigger: str
    ) -> tuple[dict[str, Any], bytes, str]:
        """Hands one piece of work to an idle worker and waits for its answer: header, body, invocation id.

        Raises StartFailure, and TimeoutError when no worker becomes free within the function's time.
        """
        deadline = time.monotonic() + pool.function.timeout_s
        while True:
            worker = await self._idle_worker(pool, deadline)
            work = Work(new_id(), pool.function.name, trigger, generation=self._generation)
            work.future = asyncio.get_running_loop().create_future()
            worker.hand(work, pack({**header, "id": work.id}, body))
            answer, content = await work.future
            if answer["out"] != _RETURNED:
                invoked.set(True)
                return answer, content, work.id

    async def _idle_worker(self, pool: Pool, deadline: float) -> WorkerProcess:
        """Of the pool, or of the one that has taken its place by now."""
        while True:
            pool = self.pools.get(pool.function.name, pool)
            idle = pool.idle()
            if idle and not pool.retired:
                return idle[0]
            if self._stopping:
                raise TimeoutError
            if pool.broken and not pool.workers and time.monotonic() < pool.blocked_until:
                raise StartFailure(pool.broken)
            pool.grow()
            await self._some_idle(pool, deadline)

    async def _some_idle(self, pool: Pool, deadline: float) -> None:
        future = asyncio.get_running_loop().create_future()
        pool.waiters.append(future)
        try:
            await asyncio.wait_for(future, max(0.001, deadline - time.monotonic()))
        finally:
            if future in pool.waiters:
                pool.waiters.remove(future)

    # From the pools

    def _idle(self, pool: Pool) -> None:
        while pool.waiters:
            future = pool.waiters.popleft()
            if not future.done():
                future.set_result(None)
                if not pool.broken:
                    break
        if pool.waiters:
            pool.grow()
        pump = self._pump_of(pool)
        if pump is not None and not self._paused:
            if pump.pool is pool and pool.broken and not pool.workers:
                pump.drop_claims()  # to be claimed again when its code is better
            pump.assign(self._generation)
            if pump.room():
                self.kick()

    def _outcome(self, pool: Pool, work: Work, header: dict[str, Any], body: bytes) -> None:
        if work.future is not None:
            if not work.future.done():
                work.future.set_result((header, body))
            if header["out"] == "timed out" and not header.get("why"):
                header["why"] = f"no end after timeout_s={pool.function.timeout_s:g}"
            self._tell(work, header, header.get("why") or "", status=header.get("status"))
            return
        pump = self._pump_of(pool)
        if work.generation != self._generation:
            return
        if pump is not None:
            pump.measured(float(header.get("ms") or 0.0) / 1000)
            failed = failed_rows(work, header)
            if pump.ordered and failed:
                pump.drop_claims()
            self._outcomes.append((pump, work, header))
            self.kick()
        rows = failed_rows(work, header)
        reason = next(iter(rows.values()))[0] if rows else ""
        final = bool(rows) and all(
            rejected or d.attempts + 1 >= pool.function.max_attempts
            for d in work.deliveries
            if d.rowid in rows
            for rejected in (rows[d.rowid][1],)
        )
        self._tell(work, header, reason, final=final)

    def _tell(
        self, work: Work, header: dict[str, Any], reason: str, *, final: bool = False, status: int | None = None
    ) -> None:
        self.tell(
            Invocation(
                work.id,
                work.function,
                work.trigger,
                header["out"],
                float(header.get("ms") or 0.0),
                work.attempt,
                reason,
                tuple(work.lines),
                status,
                final,
            )
        )

    def _returned(self, pool: Pool, works: list[Work]) -> None:
        for work in works:
            if work.future is not None and not work.future.done():
                work.future.set_result(({"out": _RETURNED}, b""))  # not begun: another worker's
        events = [work for work in works if work.future is None and work.generation == self._generation]
        pump = self._pump_of(pool)
        if pump is None or not events:
            return
        pump.release(events)
        if pump.pool is None:
            pump.drop_claims()
        elif not self._paused:
            pump.assign(self._generation)
            self.kick()

    def _line(self, pool: Pool, work: Work | None, line: Line) -> None:
        self.logs.write(pool.function.name, work.id if work else "", line)
        if work is not None:
            work.add(line)
        elif not pool.retired:
            self.tell(Notice("line", line.text, pool.function.name))

    def _broken(self, pool: Pool, report: dict[str, str]) -> None:
        for text in (report["traceback"] or report["message"]).splitlines():
            self.logs.write(pool.function.name, "", Line(time.time(), "error", text))
        self.tell(Notice("broken", report["message"], pool.function.name, report["traceback"]))

    def _pump_of(self, pool: Pool) -> Pump | None:
        inbox = pool.function.inbox
        return None if inbox is None else self._known.get(inbox)

    def _all_pools(self) -> list[Pool]:
        return [*self.pools.values(), *self._old]

    # The store

    def kick(self) -> None:
        """Outcomes to write, or perhaps something to claim."""
        self._dirty = True
        if self._exchanging is None and not self._paused:
            self._exchanging = asyncio.create_task(self._exchange_all())

    async def _exchange_all(self) -> None:
        try:
            while (self._dirty or self._outcomes) and not self._paused:
                self._dirty = False
                await self._exchange()
        except (FaaSBridgeError, sqlite3.Error) as error:  # a full disk, say: outcomes are kept and written later
            self.tell(Notice("line", str(error)))
            asyncio.get_running_loop().call_later(0.5, self.kick)
        finally:
            self._exchanging = None
            self.logs.flush()

    async def _exchange(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        wants = (
            []
            if self._stopping
            else [(pump, room, set(pump.leased)) for pump in self.pumps.values() if (room := pump.room())]
        )
        generation = self._generation
        try:
            claimed, due = await self.in_store(round_trip, self.store, outcomes, wants)
        except BaseException:
            if generation == self._generation:
                self._outcomes = outcomes + self._outcomes
            raise
        if generation != self._generation:
            return
        for pump, work, _ in outcomes:
            pump.leased.difference_update(delivery.rowid for delivery in work.deliveries)
            if pump.ordered:
                self._dirty = True
        self._next_due = due if due is not None else float("inf")
        for pump, deliveries in claimed:
            if pump.pool is not None and not self._stopping:
                pump.take(deliveries)
                pump.assign(generation)

    async def _poll(self) -> None:
        """Sees what other processes have written, and what has become due."""
        next_expiry = 0.0
        while True:
            now = time.monotonic()
            version = self.store.data_version()
            if version != self._version:
                self._version = version
                self._busy_until = now + 0.5
                self.kick()
            elif time.time() >= self._next_due:
                self.kick()
            for pool in self._all_pools():
                pool.check(now)
                if pool.waiters and not pool.idle():
                    pool.grow()
            for pump in self.pumps.values():
                pump.check(now)
                if (
                    pump.claimed
                    and pump.pool is not None
                    and ((pump.due and now >= pump.due) or pump.pool.blocked_until)
                ):
                    pump.assign(self._generation)
                elif not pump.claimed and pump.pool is not None and pump.pool.broken and now >= pump.pool.blocked_until:
                    self.kick()
            self._old = [pool for pool in self._old if pool.workers or pool.starting]
            if now >= next_expiry:
                next_expiry = now + 1.0
                asyncio.create_task(self._expire())  # noqa: RUF006 - runs to its end in the store's thread
            await asyncio.sleep(BUSY_POLL_S if now < self._busy_until else IDLE_POLL_S)

    async def _expire(self) -> None:
        try:
            while await self.in_store(self.store.expire_rows, time.time()):
                pass
        except (FaaSBridgeError, RuntimeError):
            return  # a full disk is told where something is written; RuntimeError: the server stops
