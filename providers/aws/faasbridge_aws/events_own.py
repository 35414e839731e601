"""Payloads that our own templates and tools put on the wire, told by their member `faasbridge`.

`{"faasbridge": "tick", "schedule": NAME, "scheduled_for": "<aws.scheduler.scheduled-time>", "timezone": ZONE}` is the
input of a schedule; the id is name and time, since Scheduler's execution id is another one at each attempt. Where the
time was not filled in, the minute in which the message was sent stands for it: cron knows no smaller unit.
`{"faasbridge": "event", "event": TEXT}` is any event, `codec.dumps(event_json.to_dict(event))`.
Source: EventBridge Scheduler User Guide, "Adding context attributes".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.events import Tick

from .events_common import epoch_time, iso_time

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from faasbridge.events import Event


def decode(native: dict[str, Any], sent_ms: str | None) -> Event:
    kind = native["faasbridge"]
    if kind == "tick":
        return _tick(native, sent_ms)
    if kind == "event":
        from faasbridge import codec, event_json

        event = event_json.from_dict(codec.loads(native["event"]))
        event.provider = "aws"
        event.native = native
        return event
    raise InvalidEvent(f"`faasbridge` is tick or event, not {kind!r}")


def _tick(native: dict[str, Any], sent_ms: str | None) -> Tick:
    name = native["schedule"]
    moment = iso_time(native.get("scheduled_for"))
    if moment is None:
        sent = epoch_time(sent_ms)
        if sent is None:
            raise InvalidEvent(f"schedule {name!r} does not say when it was due: {native.get('scheduled_for')!r}")
        moment = sent.replace(second=0, microsecond=0)
    return Tick(
        _in_zone(moment, native.get("timezone", "UTC")),
        id=f"{name}@{moment.isoformat()}",
        source=name,
        type="aws.scheduler.tick",
        time=moment,
        provider="aws",
        native=native,
    )


def _in_zone(moment: datetime, zone: str) -> datetime:
    if zone == "UTC":
        return moment
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return moment.astimezone(ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        raise ConfigError(f"the time zone {zone!r} is not known here; add tzdata to the app's dependencies") from None
