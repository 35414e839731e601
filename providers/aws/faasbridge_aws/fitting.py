"""From an event in AWS's names to one in the app's: the bucket or table as declared, the declared key, how late."""

from __future__ import annotations

from time import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent, Change, Message, Tick

if TYPE_CHECKING:
    from faasbridge.dispatch import Runner
    from faasbridge.events import Event

_TAKES: dict[str, type[Event]] = {
    "message": Message,
    "batch": Message,
    "create": BlobEvent,
    "delete": BlobEvent,
    "change": Change,
    "tick": Tick,
}


def fit(runner: Runner, event: Event) -> Event:
    """The event, changed in place. Raises InvalidEvent where the function's handler takes something else."""
    function = runner.function
    if function is None:
        return event
    wanted = _TAKES.get(function.trigger)
    if wanted is not None and not isinstance(event, wanted):
        raise InvalidEvent(
            f"function {runner.name!r} takes {wanted.__name__}, but was sent {type(event).__name__} {event.id!r}"
            f" from {event.source!r}"
        )
    resource = function.resource
    if isinstance(event, BlobEvent):
        if event.kind != function.trigger:
            raise InvalidEvent(
                f"function {runner.name!r} is for {function.trigger}, but was sent a {event.kind} of {event.key!r}"
            )
        if resource is not None:
            event.bucket = resource.name
    elif isinstance(event, Change) and resource is not None:
        event.table = resource.name
        row = event.new or event.old
        key = row.get(resource.options.get("key", "")) if row else None
        if isinstance(key, str):
            event.key = key
    elif isinstance(event, Tick):
        event.late_s = max(0.0, time() - event.scheduled_for.timestamp())
    return event
