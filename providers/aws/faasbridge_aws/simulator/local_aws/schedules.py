"""EventBridge Scheduler's clock. Ministack's own looks every ten seconds, leaves time zones out, keeps an updated
`at` from firing and has no time that an event was due at.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import eventbridge, scheduler

_LOOK_S = 0.2
_SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


def install(*, ticking: bool) -> None:
    scheduler.start_scheduler = (
        threading.Thread(target=_tick, name="schedules", daemon=True).start if ticking else lambda: None
    )


def _tick() -> None:
    since = datetime.now(UTC)
    while True:
        time.sleep(_LOOK_S)
        now = datetime.now(UTC)
        for (account, region, name), schedule in list(scheduler._schedules._data.items()):
            try:
                due = _due(schedule, since)
                if schedule.get("State") == "ENABLED" and due is not None and due <= now:
                    _fire(account, region, schedule, due)
            except Exception:  # noqa: BLE001 - the other schedules go on
                scheduler.logger.exception("Scheduler cannot fire %s", name)
        since = now


def _due(schedule: dict[str, Any], since: datetime) -> datetime | None:
    """The first time after that, of the two forms that a template makes: `at` and `cron`, in the schedule's zone."""
    expression = schedule["ScheduleExpression"].strip()
    zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    if expression.startswith("at("):
        at = datetime.fromisoformat(expression[3:-1]).replace(tzinfo=zone).astimezone(UTC)
        return at if at > since else None
    fields = eventbridge._parse_cron_fields(expression)
    found = fields and eventbridge._cron_next_fire(fields, since.astimezone(zone))
    return found.astimezone(UTC) if found else None


def _fire(account: str, region: str, schedule: dict[str, Any], due: datetime) -> None:
    set_request_account_id(account)
    set_request_region(region)
    target = schedule["Target"]
    text = target.get("Input", "").replace(_SCHEDULED_TIME, due.strftime("%Y-%m-%dT%H:%M:%SZ"))
    event = {"Source": "aws.scheduler", "Detail": "{}", "Time": due.timestamp(), "Resources": [schedule["Arn"]]}
    eventbridge._invoke_target({**target, "Input": text}, event, schedule)
