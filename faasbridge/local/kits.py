"""The built-in resource kinds as kits. Here nothing is created ahead of use, so there is nothing to put into a
template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..provider import Stage
from ..spec import FunctionSpec, ResourceSpec
from .bind import DRIVERS


@dataclass(frozen=True)
class LocalKit:
    """Implements `provider.ResourceKit`; what a function may do is checked where it calls."""

    kind: str
    driver: str

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {"kind": resource.kind, "name": resource.name, "options": dict(resource.options)}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {f"{resource.kind}:{resource.name}": sorted(rights)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return {"source": f"{resource.kind}:{resource.name}", "trigger": function.trigger.kind, "inbox": function.inbox}


KITS = tuple(LocalKit(kind, driver) for kind, driver in DRIVERS.items())
