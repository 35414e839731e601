"""The simulator's host runs a timer when it is due, and tells its function when that was."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from faasbridge_azure.simulator.host.process import Function
from faasbridge_azure.simulator.host.timers import TimerTrigger, status_of

DUE = datetime(2026, 7, 1, 3, tzinfo=UTC)
EARLY = datetime(2026, 7, 1, 2, 59, 59, 900_000, tzinfo=UTC)


def test_a_timer_fires_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "protos", SimpleNamespace(TypedData=lambda json: json))
    bindings = ({"type": "timerTrigger", "name": "native", "schedule": "%TIMER%"},)
    offset = EARLY - datetime.now(UTC)

    async def first() -> dict[str, Any]:
        fired: asyncio.Queue[tuple[datetime, str, Any]] = asyncio.Queue()

        async def invoke(function: Function, inputs: Any, metadata: Any, id: str) -> None:
            fired.put_nowait((datetime.now(UTC) + offset, function.name, json.loads(inputs["native"])))

        function = Function("1", "sweep__timer", bindings, None)
        trigger = TimerTrigger(function, {"TIMER": "0 0 3,4 * * *"}, invoke, lambda: datetime.now(UTC) + offset)
        running = asyncio.create_task(trigger.run())
        at, name, told = await asyncio.wait_for(fired.get(), 30)
        running.cancel()
        assert (name, at >= DUE) == ("sweep__timer", True)
        return told

    told = asyncio.run(first())
    assert told["IsPastDue"] is False
    assert told["ScheduleStatus"]["Next"] == DUE.isoformat()
    assert told["ScheduleStatus"]["Last"].startswith("0001-01-01")


def test_a_timer_tells_when_it_ran_last_and_that_it_is_late() -> None:
    told = status_of(EARLY, DUE, datetime(2026, 7, 1, 3, 2, tzinfo=UTC))
    assert (told["IsPastDue"], told["ScheduleStatus"]["Last"]) == (True, EARLY.isoformat())
