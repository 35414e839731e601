from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec


@dataclass(frozen=True)
class Kit:
    kind: str
    driver: str

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {"name": stage.physical_name(resource.name, 40)}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"allow": sorted(rights)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return {"to": function.name}
