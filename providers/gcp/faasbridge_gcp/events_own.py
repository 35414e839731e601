"""Payloads that our own deployer and forwarders put on the wire, told by their member `faasbridge`.

`{"faasbridge": "tick", "schedule": NAME, "timezone": ZONE}` is what Cloud Scheduler publishes for a schedule. It cannot
say when the schedule was due, so the minute in which the message was published stands for it (cron knows no smaller
unit), and the id is name and time. `scheduled_for` in it wins.
`{"faasbridge": "event", "event": TEXT}` is any event, `codec.dumps(event_json.to_dict(event))`.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.events import Tick

from .events_common import iso_time

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from faasbridge.events import Event


def is_own(native: Any) -> bool:
    return isinstance(native, dict) and native.get("faasbridge") in ("tick", "event")


def decode(native: dict[str, Any], published: str) -> Event:
    """The event; `published`: when it was sent. Raises InvalidEvent."""
    try:
        if native["faasbridge"] == "tick":
            return _scheduled(native, published)
        from faasbridge import codec, event_json

        event = event_json.from_dict(codec.loads(native["event"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidEvent(f"the {native.get('faasbridge')} was not written by FaaSBridge: {error!r}") from error
    event.provider = "gcp"
    event.native = native
    return event


def tick(name: str, moment: datetime, native: Any, zone: str = "UTC") -> Tick:
    """The schedule `name` was due at `moment`."""
    from datetime import UTC

    moment = moment.astimezone(UTC)
    return Tick(
        in_zone(moment, zone),
        id=f"{name}@{moment.isoformat()}",
        source=name,
        type="google.cloud.scheduler.job.v1.executed",
        time=moment,
        provider="gcp",
        native=native,
    )


def in_zone(moment: datetime, zone: str) -> datetime:
    if zone == "UTC":
        return moment
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return moment.astimezone(ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        raise ConfigError(f"the time zone {zone!r} is not known here; add tzdata to the app's dependencies") from None


def _scheduled(native: dict[str, Any], published: str) -> Tick:
    name = native["schedule"]
    moment = iso_time(native.get("scheduled_for"))
    if moment is None:
        sent = iso_time(published)
        if sent is None:
            raise InvalidEvent(f"schedule {name!r} does not say when it was due, nor when it was published")
        moment = sent.replace(second=0, microsecond=0)
    return tick(name, moment, native, native.get("timezone", "UTC"))
