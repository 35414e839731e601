"""What a stage's settings for AWS say beyond the app: `[tool.faasbridge.stages.prod.aws...]`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec, FunctionSpec, ResourceSpec

ARCHITECTURES = ("arm64", "x86_64")


def of_resource(table: str, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
    """`[tool.faasbridge.stages.prod.aws.tables.photos]`"""
    found = stage.settings.get(table, {}).get(resource.name, {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"[tool.faasbridge.stages.{stage.name}.aws.{table}.{resource.name}] is a table")
    return found


def of_function(function: FunctionSpec) -> Mapping[str, Any]:
    """Its `aws={...}`."""
    return function.options.get("aws", {})


def architecture(spec: AppSpec, stage: Stage) -> str:
    """One an app, since an artifact's wheels are for one: the stage's `architecture`, else that of the functions'
    options, else arm64, which costs less. Raises ConfigError.

    Python 3.11 runs on Amazon Linux 2, for whose glibc few packages have arm64 wheels any more: x86_64 there.
    """
    given = {str(of_function(each)["architecture"]) for each in spec.functions if "architecture" in of_function(each)}
    chosen = stage.settings.get("architecture")
    if chosen is not None:
        given = {str(chosen)}
    elif len(given) > 1:
        raise ConfigError(
            "the functions of an app are of one architecture, since they share an artifact: "
            "choose arm64 or x86_64 for all of them"
        )
    found = next(iter(given), "x86_64" if stage.python == "3.11" else "arm64")
    if found not in ARCHITECTURES:
        raise ConfigError(f"Lambda has no architecture {found!r}: choose {' or '.join(ARCHITECTURES)}")
    return found
