"""From an event in Azure's names to one in the app's: the bucket or table as declared, the declared key, how late.

All that happens in a storage account's containers may come through one topic, so the function's own kind, prefix and
suffix are looked at here as well as in the subscription's filter.
"""

from __future__ import annotations

from time import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent, Change, Message, Tick

from .events_own import in_zone

if TYPE_CHECKING:
    from faasbridge.app import Function
    from faasbridge.events import Event

_TAKES: dict[str, type[Event]] = {
    "message": Message,
    "batch": Message,
    "create": BlobEvent,
    "delete": BlobEvent,
    "change": Change,
    "tick": Tick,
}


def fit(function: Function, event: Event) -> Event | None:
    """The event, changed in place; None where the function did not ask for it. Raises InvalidEvent where its handler
    takes something else."""
    wanted = _TAKES.get(function.trigger)
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
        if not event.source:  # a timer does not say its name
            event.source = function.name
            event.id = f"{function.name}{event.id}"
        event.scheduled_for = in_zone(event.scheduled_for, options.get("timezone") or "UTC")
        event.late_s = max(0.0, time() - event.scheduled_for.timestamp())
    return event
