"""AppSpec: the neutral model of an app, frozen and serialisable; all that a provider is given. Tool time only.

`schema.json` beside this module describes `to_dict()`'s output; a manifest is the JSON text of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .suggest import nearest

SPEC_VERSION = 1


@dataclass(frozen=True)
class Right:
    """One operation that a function may call: `Right("bucket", "uploads", "get")`."""

    kind: str
    name: str
    operation: str


@dataclass(frozen=True)
class RouteSpec:
    method: str
    path: str
    handler: str  # qualified name, `show_photo`
    module: str
    public: bool = False
    location: str = ""  # `photos/app.py:41`


@dataclass(frozen=True)
class Trigger:
    """What starts a function.

    `kind` is one of `http`, `message`, `batch`, `create`, `delete`, `change`, `tick`, or a third party's.
    `resource_kind` and `resource` name the source of an event; `settings` holds what the kind needs: `prefix` and
    `suffix` (create, delete), `batch_size` (message, batch) and `wait_s` (batch), `cron` and `timezone` (tick),
    `prefix`, `cors` (http).
    """

    kind: str
    resource_kind: str = ""
    resource: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FunctionSpec:
    name: str
    trigger: Trigger
    rights: tuple[Right, ...] = ()
    memory_mb: int = 256
    timeout_s: float = 60.0
    max_attempts: int = 5
    handler: str = ""  # qualified name; empty for an api
    modules: tuple[str, ...] = ()  # what must be imported beside the app's own module
    routes: tuple[RouteSpec, ...] = ()
    is_async: bool = False
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # provider -> its own options
    location: str = ""

    @property
    def inbox(self) -> str | None:
        """The name of the delivery queue this function owns; None for an api."""
        if self.trigger.kind == "http":
            return None
        if self.trigger.resource_kind == "queue":
            return f"queue:{self.trigger.resource}"
        return f"function:{self.name}"


@dataclass(frozen=True)
class ResourceSpec:
    kind: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    existing: bool = False
    location: str = ""


@dataclass(frozen=True)
class AppSpec:
    name: str
    module: str  # the module that the app object lives in
    resources: tuple[ResourceSpec, ...] = ()
    functions: tuple[FunctionSpec, ...] = ()
    version: int = SPEC_VERSION

    def function(self, name: str) -> FunctionSpec:
        """Raises ConfigError with a suggestion."""
        for function in self.functions:
            if function.name == name:
                return function
        raise ConfigError(f"no function {name!r}{nearest(name, [f.name for f in self.functions])}")

    def resource(self, kind: str, name: str) -> ResourceSpec:
        """Raises ConfigError with a suggestion."""
        for resource in self.resources:
            if resource.kind == kind and resource.name == name:
                return resource
        raise ConfigError(f"no {kind} {name!r}{nearest(name, [r.name for r in self.resources if r.kind == kind])}")

    def to_dict(self) -> dict[str, Any]:
        """JSON's own types only."""
        return json.loads(self.to_json())  # type: ignore[no-any-return]

    def to_json(self, indent: int | None = None) -> str:
        """Deterministic: the same app gives the same text."""
        return json.dumps(asdict(self), indent=indent, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> AppSpec:
        """The inverse of `to_json`. Raises ConfigError for what is not a manifest of this version."""
        try:
            raw = json.loads(text)
            if raw["version"] != SPEC_VERSION:
                raise ConfigError(
                    f"the manifest has version {raw['version']}, this FaaSBridge reads {SPEC_VERSION}: "
                    "write it again with `faasbridge manifest`"
                )
            return cls(
                name=raw["name"],
                module=raw["module"],
                resources=tuple(ResourceSpec(**r) for r in raw["resources"]),
                functions=tuple(_function(f) for f in raw["functions"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"not a FaaSBridge manifest: {error!r}") from error


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    return json.loads((Path(__file__).parent / "schema.json").read_text())  # type: ignore[no-any-return]


def _function(raw: dict[str, Any]) -> FunctionSpec:
    raw = dict(raw)
    return FunctionSpec(
        trigger=Trigger(**raw.pop("trigger")),
        rights=tuple(Right(**r) for r in raw.pop("rights")),
        routes=tuple(RouteSpec(**r) for r in raw.pop("routes")),
        modules=tuple(raw.pop("modules")),
        **raw,
    )
