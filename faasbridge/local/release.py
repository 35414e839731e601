"""One version of an app's code, as the server sees it: its spec, and what a worker must be told to run it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..limits import Limits, floor
from ..provider import Stage
from ..spec import AppSpec, FunctionSpec
from .options import workers_of


@dataclass(frozen=True)
class Source:
    """Where the code is. `fresh`: a developer's files, which may change at any time; else a release that never does."""

    stage: Stage
    folder: Path  # of the state
    fresh: bool = True

    def job(self, function: str | None) -> dict[str, Any]:
        """What a worker needs to load the app; `None` is the one that reads the spec."""
        stage = self.stage
        return {
            "root": str(stage.root),
            "app_ref": stage.app_ref,
            "env": dict(stage.env),
            "stage": stage.name,
            "folder": str(self.folder),
            "fresh": self.fresh,
            "function": function,
            "modules": None,
        }


@dataclass(frozen=True)
class Release:
    """A source that was read."""

    source: Source
    spec: AppSpec
    limits: Limits = field(default_factory=Limits)
    kinds: Mapping[str, str] = field(default_factory=dict)  # of resources -> where their driver is

    def job(self, function: FunctionSpec) -> dict[str, Any]:
        return {
            **self.source.job(function.name),
            "modules": list(function.modules),
            "timeout_s": function.timeout_s,
            "memory_mb": function.memory_mb,
            "message_bytes": self.limits.message_bytes,
            "item_bytes": self.limits.item_bytes,
            "kinds": dict(self.kinds),
        }

    @property
    def workers(self) -> int:
        """Of one function at most."""
        return workers_of(self.source.stage)

    def is_ordered(self, function: FunctionSpec) -> bool:
        trigger = function.trigger
        with contextlib.suppress(Exception):
            return bool(self.spec.resource(trigger.resource_kind, trigger.resource).options.get("ordered"))
        return False


def kinds_of() -> dict[str, str]:
    """Every installed kind of resource on this provider, third parties' included: kind -> its driver."""
    from .. import plugins

    return {kind: kit.driver for kind, kit in plugins.kits("local").items()}


def limits_of(targets: tuple[str, ...]) -> Limits:
    """The floor of those targets that are installed, and of the local cloud itself."""
    from .. import plugins
    from ..errors import ConfigError
    from .limits import LIMITS

    known: Mapping[str, Limits] = {"local": LIMITS}
    for target in targets:
        with contextlib.suppress(ConfigError):  # `check` tells of a target that is not installed
            known = {**known, target: plugins.provider(target).limits}
    return floor(known)
