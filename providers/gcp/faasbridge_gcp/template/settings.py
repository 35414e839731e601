"""What a stage's settings for Google Cloud say beyond the app: `[tool.faasbridge.stages.prod.gcp...]`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec


def of_stage(stage: Stage, key: str, default: Any) -> Any:
    """`[tool.faasbridge.stages.prod.gcp]`; `options.StageSettings` says what there is."""
    return stage.settings.get(key, default)


def of_resource(table: str, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
    """`[tool.faasbridge.stages.prod.gcp.buckets.photos]`"""
    found = stage.settings.get(table, {}).get(resource.name, {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"[tool.faasbridge.stages.{stage.name}.gcp.{table}.{resource.name}] is a table")
    return found


def of_function(function: FunctionSpec) -> Mapping[str, Any]:
    """Its `gcp={...}`."""
    return function.options.get("gcp", {})
