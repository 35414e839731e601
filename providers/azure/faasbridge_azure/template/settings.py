"""What a stage's settings for Azure say beyond the app: `[tool.faasbridge.stages.prod.azure...]`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec


def of_stage(stage: Stage, table: str) -> Mapping[str, Any]:
    """`[tool.faasbridge.stages.prod.azure.storage]`; `options.StageSettings` says what there is."""
    return _table(stage.settings.get(table, {}), f"{stage.name}.azure.{table}")


def whole(stage: Stage, table: str, name: str, default: int, low: int, high: int) -> int:
    """A setting that is a whole number. Raises ConfigError for one that Azure does not take."""
    found = of_stage(stage, table).get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
        raise ConfigError(
            f"[tool.faasbridge.stages.{stage.name}.azure.{table}]: {name} lies between {low} and {high}, not {found!r}"
        )
    return found


def of_function(function: FunctionSpec) -> Mapping[str, Any]:
    """Its `azure={...}`."""
    return function.options.get("azure", {})


def _table(found: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ConfigError(f"[tool.faasbridge.stages.{where}] is a table")
    return found
