"""What a function's trigger brings: an event made up, to try it out with, and whether one fits. Tool time only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .adapter.fitting import TAKES
from .errors import ConfigError, InvalidEvent
from .events import BlobEvent, Change, Event, Message, Tick
from .http import Request

if TYPE_CHECKING:
    from .spec import AppSpec, FunctionSpec

_PARAMETERS = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000", "path": "a/sample"}
_CLASSES: Mapping[str, type[Event]] = {"http": Request, **TAKES}


def check_event(function: str, trigger: str, event: Event) -> None:
    """Raises InvalidEvent for one that a trigger of that kind never brings. A third party's may bring any."""
    expected = _CLASSES.get(trigger, Event)
    if not isinstance(event, expected):
        raise InvalidEvent(f"{function} takes a {expected.__name__}, not a {type(event).__name__}")


def sample_event(function: FunctionSpec, spec: AppSpec) -> Event:
    """Raises ConfigError for a trigger of a third party, whose events nobody here can make up."""
    trigger = function.trigger
    common: dict[str, Any] = {
        "id": "sample-1",
        "source": f"{trigger.resource_kind}:{trigger.resource}" if trigger.resource else function.name,
        "type": trigger.kind,
        "time": datetime(2030, 1, 1, 12, tzinfo=UTC),
    }
    if trigger.kind == "http":
        return _request(function, common)
    if trigger.kind in ("message", "batch"):
        return Message({"sample": True}, attributes={"sample": "yes"}, enqueued_at=common["time"], **common)
    if trigger.kind in ("create", "delete"):
        key = f"{trigger.settings.get('prefix') or ''}sample{trigger.settings.get('suffix') or ''}"
        if trigger.kind == "delete":
            return BlobEvent(trigger.resource, key, kind="delete", subject=key, **common)
        return BlobEvent(trigger.resource, key, size=1024, etag="sample", subject=key, **common)
    if trigger.kind == "change":
        options = spec.resource("table", trigger.resource).options
        row = {options["key"]: "sample", **({options["sort_key"]: "1"} if options.get("sort_key") else {})}
        return Change(trigger.resource, "sample", "insert", new=row, subject="sample", **common)
    if trigger.kind == "tick":
        return Tick(common["time"], **common)
    raise ConfigError(
        f"no sample for {function.name!r}: its trigger {trigger.kind!r} is a plugin's; write the event with --event"
    )


def _request(function: FunctionSpec, common: dict[str, Any]) -> Request:
    """The api's first route, with something in each of its parameters."""
    if not function.routes:
        return Request("GET", "/", **common)
    route = function.routes[0]
    path = ""
    for i, part in enumerate(route.path.split("{")):
        name, closed, rest = part.partition("}")
        path += part if i == 0 or not closed else _PARAMETERS.get(name.partition(":")[2], "sample") + rest
    if route.method in ("POST", "PUT", "PATCH"):
        return Request(
            route.method, path, headers={"content-type": "application/json"}, body=b'{"sample": true}', **common
        )
    return Request(route.method, path, **common)
