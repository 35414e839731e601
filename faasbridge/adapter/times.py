"""Times as vendors write them, and in a schedule's own zone."""

from __future__ import annotations

from .._typing import TYPE_CHECKING
from ..errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime


def iso_time(value: object) -> datetime | None:
    """A datetime, or the text of one: `2023-04-12T20:43:38.0211103Z`, cut to microseconds. Without a zone it is UTC. A
    sample's invented text gives None: a time is not worth an event."""
    if not value:
        return None
    from datetime import UTC, datetime

    if isinstance(value, datetime):
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def in_zone(moment: datetime, zone: str) -> datetime:
    """The same moment in a zone of the IANA database; for UTC as it is. Raises ConfigError."""
    if zone == "UTC":
        return moment
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return moment.astimezone(ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        raise ConfigError(f"the time zone {zone!r} is not known here; add tzdata to the app's dependencies") from None
