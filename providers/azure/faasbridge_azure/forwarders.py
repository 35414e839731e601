"""What brings changes of tables and due schedules into inboxes: functions beside the handler's, in its function app.

Their settings, NAME being the handler's in upper case with `_` for `-`:

- `FAASBRIDGE_INBOX_URL_NAME`: the URL of its inbox.
- A table's: `FAASBRIDGE_FEED` is the connection (`FAASBRIDGE_FEED__accountEndpoint`, `__credential`),
  `FAASBRIDGE_FEED_DATABASE` the database, `FAASBRIDGE_FEED_CONTAINER_NAME` the container with the rows, and
  `FAASBRIDGE_FEED_LEASES` the one with the trigger's leases, which has to be there (partition key `/id`).
- A schedule's: `FAASBRIDGE_TIMER_NAME`, what `cron.timer` gives.

A batch of changes is done when all of it is in the inbox: until then the host runs the forwarder again, every five
seconds without an end, and notes nothing as read; so does another instance after a crash. Some may come twice, with the
same id. Without a retry policy an error would skip the batch.
A timer whose run fails is not run again by itself, so the next run makes up for the last time that was missed, up to a
day later, once; the run itself tries for as long as the queue's client does.
Sources: Azure Functions documentation, "Azure Functions error handling and retries" (retry policies; no checkpoint is
written until the policy for the execution is done), "Timer trigger" (schedule status); Azure Cosmos DB documentation,
"Diagnose and troubleshoot issues when using Azure Functions trigger for Azure Cosmos DB".
"""

from __future__ import annotations

import json
import os

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from faasbridge.app import Function

    Send = Callable[[Sequence[bytes]], None]

CONNECTION, DATABASE, LEASES = "FAASBRIDGE_FEED", "FAASBRIDGE_FEED_DATABASE", "FAASBRIDGE_FEED_LEASES"
SUFFIXES = {"change": "__feed", "tick": "__timer"}
"""Of a forwarder's name, behind its function's."""
_MISSED_S = 24 * 3600


def setting(name: str, function_name: str) -> str:
    """`FAASBRIDGE_TIMER_SWEEP`"""
    return f"FAASBRIDGE_{name}_{function_name}".upper().replace("-", "_")


def add(built: Any, function: Function, send: Send | None = None) -> None:
    """Adds the forwarder of a function that has one to a FunctionApp. `send` puts messages into its inbox."""
    if function.trigger == "change":
        _add_feed(built, function, send or inbox(function.name))
    elif function.trigger == "tick":
        _add_timer(built, function, send or inbox(function.name))


def inbox(function_name: str) -> Send:
    """Puts messages into the function's inbox, all or an error."""

    def send(contents: Sequence[bytes]) -> None:
        from .drivers import messages
        from .drivers.clients import default

        name = setting("INBOX_URL", function_name)
        url = os.environ.get(name)
        if not url:
            raise ConfigError(f"{name} is not set: it says where the inbox of {function_name!r} is; deploy again")
        messages.put_many(default(), url, f"the inbox of {function_name!r}", contents)

    return send


def changes(documents: Iterable[Any]) -> list[bytes]:
    """The messages for a change feed's documents: those of changes. Rows, and what others wrote, are none."""
    found = (dict(document) for document in documents)
    return [
        json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        for document in found
        if document.get("faasbridge") == "change"
    ]


def tick(name: str, expression: str, zone: str, status: Any, now: datetime) -> list[bytes]:
    """The message of the last time that the schedule was due at since the timer ran; none where it was not.

    `status` is the timer's: when it ran last, and when it had to now. Times without a zone are UTC.
    """
    from datetime import timedelta

    from faasbridge.adapter.times import iso_time

    from .cron import Cron

    last, due = iso_time((status or {}).get("Last")), iso_time((status or {}).get("Next"))
    until = max(now, due) if due is not None else now  # the host may be some milliseconds early
    earliest = until - timedelta(seconds=_MISSED_S)
    if last is None or last.year < 2000:  # .NET's DateTime.MinValue: it never ran
        last = min(due or now, now) - timedelta(minutes=1)
    moment = Cron(expression, zone).last_due(max(last, earliest), until)
    if moment is None:
        return []
    event = {"faasbridge": "tick", "schedule": name, "scheduled_for": moment.isoformat(), "timezone": zone}
    return [json.dumps(event, separators=(",", ":")).encode()]


def _add_feed(built: Any, function: Function, send: Send) -> None:
    import azure.functions as azure  # type: ignore[import-not-found, unused-ignore]

    name = function.name

    def feed(native):  # type: ignore[no-untyped-def]  # the annotations follow
        send(changes(native))

    feed.__name__ = f"{name.replace('-', '_')}{SUFFIXES['change']}"
    feed.__annotations__ = {"native": azure.DocumentList}
    added = built.cosmos_db_trigger(
        arg_name="native",
        connection=CONNECTION,
        database_name=f"%{DATABASE}%",
        container_name=f"%{setting('FEED_CONTAINER', name)}%",
        lease_container_name=f"%{LEASES}%",
        lease_container_prefix=f"{name}-",
        create_lease_container_if_not_exists=False,
        start_from_beginning=True,
    )(feed)
    added = built.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:05")(added)
    built.function_name(name + SUFFIXES["change"])(added)


def _add_timer(built: Any, function: Function, send: Send) -> None:
    import azure.functions as azure  # type: ignore[import-not-found, unused-ignore]

    name, options = function.name, function.options

    def timer(native):  # type: ignore[no-untyped-def]  # the annotations follow
        from datetime import UTC, datetime

        status = getattr(native, "schedule_status", None)
        found = tick(name, options["cron"], options.get("timezone") or "UTC", status, datetime.now(UTC))
        if found:
            send(found)

    timer.__name__ = f"{name.replace('-', '_')}{SUFFIXES['tick']}"
    timer.__annotations__ = {"native": azure.TimerRequest}
    added = built.timer_trigger(arg_name="native", schedule=f"%{setting('TIMER', name)}%", use_monitor=True)(timer)
    built.function_name(name + SUFFIXES["tick"])(added)
