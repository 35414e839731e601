"""Timer triggers: NCRONTAB expressions of six fields, in UTC, or of five.

Source: Azure Functions documentation, "Timer trigger" (NCRONTAB; the schedule's status).
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .process import Function, WorkerFailure
from .queues import Invoke
from .settings import resolved


class TimerTrigger:
    """Fires at whole minutes: expressions with seconds run at the minute's beginning. `now` is the clock."""

    def __init__(
        self, function: Function, env: Mapping[str, str], invoke: Invoke, now: Callable[[], datetime] | None = None
    ) -> None:
        self.function = function
        self._invoke = invoke
        self._now = now or (lambda: datetime.now(UTC))
        self._expression = " ".join(resolved(function.trigger.get("schedule"), env).split()[-5:])
        self._last: datetime | None = None

    async def run(self) -> None:
        from cronsim import CronSim, CronSimError  # type: ignore[import-not-found, unused-ignore]

        try:
            times = CronSim(self._expression, self._now())
        except CronSimError:
            return
        for due in times:
            while (left := (due - self._now()).total_seconds()) > 0:
                await asyncio.sleep(min(left, 60))
            await self._fire(due)

    async def _fire(self, due: datetime) -> None:
        from protos import TypedData  # type: ignore[import-not-found, import-untyped, unused-ignore]

        status = status_of(self._last, due, self._now())
        self._last = due
        data = TypedData(json=json.dumps(status))
        try:
            await self._invoke(self.function, {self.function.trigger["name"]: data}, {}, str(uuid.uuid4()))
        except WorkerFailure:
            return  # the log has it


def status_of(last: datetime | None, due: datetime, now: datetime) -> dict[str, Any]:
    """What the function is given."""
    never = "0001-01-01T00:00:00+00:00"
    status = {"Last": last.isoformat() if last else never, "Next": due.isoformat(), "LastUpdated": due.isoformat()}
    late = now - due > timedelta(minutes=1)
    return {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": late}
