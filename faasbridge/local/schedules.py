"""Schedules: a tick into the function's inbox at each time of its cron expression, in its own time zone.

A time that a change of clocks leaves out is made up for as `cronsim` has it (Debian's cron), and one that
comes twice fires once for
an expression with a fixed hour. What a stopped server missed is made up for once a schedule, with the last
time that was
missed, and only where that is less than a day ago: nobody wants last month's reports of a laptop that was off.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

from ..errors import FaaSBridgeError
from ..events import Tick
from ..schedules import next_time, times
from ..spec import AppSpec, FunctionSpec
from .engine import Engine

MISSED_S = 24 * 3600.0


def last_missed(cron: str, zone: str, last: float, now: float) -> datetime | None:
    """The latest time in (`last`, `now`] that is less than a day ago."""
    missed = None
    for at in times(cron, zone, max(last, now - MISSED_S)):
        if at.timestamp() > now:
            return missed
        missed = at
    return missed


def tick(function: FunctionSpec, at: datetime, now: float) -> Tick:
    """The same id for the same schedule and time, whoever makes it."""
    utc = at.astimezone(UTC)
    return Tick(
        at,
        late_s=max(0.0, round(now - at.timestamp(), 3)),
        id=f"{function.name}-{utc:%Y%m%dT%H%M%SZ}",
        source=f"schedule/{function.name}",
        type="faasbridge.tick",
        subject=function.name,
        time=utc,
    )


class Schedules:
    """Fires the schedules of the running spec. In tests they do not fire by themselves: `cloud.invoke` does."""

    def __init__(self, engine: Engine, *, test: bool) -> None:
        self._engine = engine
        self._test = test
        self._tasks: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    def use(self, spec: AppSpec) -> None:
        """The schedules of this spec and no others, from now on; those that have not changed go on."""
        wanted = {}
        for function in spec.functions:
            if function.trigger.kind == "tick" and not self._test:
                settings = function.trigger.settings
                wanted[function.name, str(settings["cron"]), str(settings.get("timezone") or "UTC")] = function
        for key in set(self._tasks) - set(wanted):
            self._tasks.pop(key).cancel()
        for key, function in wanted.items():
            if key not in self._tasks:
                self._tasks[key] = asyncio.create_task(self._run(function, key[1], key[2]))

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self, function: FunctionSpec, cron: str, zone: str) -> None:
        store = self._engine.store
        last = await self._engine.in_store(store.schedule_last, function.name)
        after = time.time()
        if last is None:
            # From here on it counts as started: what is missed later is missed since now.
            await self._fire(function, after, None)
        elif (missed := last_missed(cron, zone, last, after)) is not None:
            await self._fire(function, missed.timestamp(), tick(function, missed, after))
        while True:
            at = next_time(cron, zone, after)
            # In short steps: a laptop that slept, or whose clock was set, is noticed within one.
            while (left := at.timestamp() - time.time()) > 0:
                await asyncio.sleep(min(left, 30.0))
            now = time.time()
            at = last_missed(cron, zone, at.timestamp(), now) or at
            await self._fire(function, at.timestamp(), tick(function, at, now))
            after = max(at.timestamp(), now - timedelta(minutes=1).total_seconds())
            after = at.timestamp() if after < at.timestamp() else after

    async def _fire(self, function: FunctionSpec, at: float, event: Tick | None) -> None:
        while True:
            try:
                await self._engine.in_store(self._engine.store.schedule_fired, function.name, at, event)
                return
            except FaaSBridgeError:  # a full disk: this tick is owed
                await asyncio.sleep(1.0)
