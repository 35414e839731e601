"""From an event in a vendor's names to one in the app's: the bucket or table as declared, the declared key, how late.

A vendor may send more than the function asked for: everything that happens in a bucket through one topic, or a filter
that knows prefixes only. So the function's own kind, prefix and suffix are looked at here, whatever else filters.
"""

from __future__ import annotations

from time import time

from .._typing import TYPE_CHECKING
from ..errors import InvalidEvent
from ..events import BlobEvent, Change, Message, Tick
from .times import in_zone

if TYPE_CHECKING:
    from ..app import Function
    from ..events import Event

TAKES: dict[str, type[Event]] = {
    "message": Message,
    "batch": Message,
    "create": BlobEvent,
    "delete": BlobEvent,
    "change": Change,
    "tick": Tick,
}


def fit(function: Function, event: Event) -> Event | None:
    """The event, changed in place; None where the function did not ask for it: there is nothing to do, so it is done.
    Raises InvalidEvent where the handler takes something else altogether, which is a wrong trigger."""
    wanted = TAKES.get(function.trigger)
    if wanted is not None and not isinstance(event, wanted):
        raise InvalidEvent(
            f"function {function.name!r} takes {wanted.__name__}, but was sent {type(event).__name__} {event.id!r}"
            f" from {event.source!r}"
        )
    resource, options = function.resource, function.options
    if isinstance(event, BlobEvent):
        if event.kind != function.trigger or not (
            event.key.startswith(options.get("prefix") or "") and event.key.endswith(options.get("suffix") or "")
        ):
            return None
        if resource is not None:
            event.bucket = resource.name
    elif isinstance(event, Change) and resource is not None:
        event.table = resource.name
        row = event.new or event.old
        key = row.get(resource.options.get("key", "")) if row else None
        if isinstance(key, str):
            event.key = key
    elif isinstance(event, Tick):
        if not event.source:  # a vendor's timer does not say its name
            event.source = function.name
            event.id = f"{function.name}{event.id}"
        event.scheduled_for = in_zone(event.scheduled_for, options.get("timezone") or "UTC")
        event.late_s = max(0.0, time() - event.scheduled_for.timestamp())
    return event
