"""What a stage's settings for Azure say beyond the app: `[tool.faasbridge.stages.prod.azure...]`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec


def of_stage(stage: Stage, table: str) -> Mapping[str, Any]:
    """`[tool.faasbridge.stages.prod.azure.storage]`; `options.StageSettings` says what there is."""
    return _table(stage.settings.get(table, {}), f"{stage.name}.azure.{table}")


def of_resource(table: str, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
    """`[tool.faasbridge.stages.prod.azure.tables.photos]`"""
    return _table(of_stage(stage, table).get(resource.name, {}), f"{stage.name}.azure.{table}.{resource.name}")


def of_function(function: FunctionSpec) -> Mapping[str, Any]:
    """Its `azure={...}`."""
    return function.options.get("azure", {})


def _table(found: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ConfigError(f"[tool.faasbridge.stages.{where}] is a table")
    return found
