"""The embedded local cloud as a plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..hookspecs import hookimpl

if TYPE_CHECKING:
    from ..provider import Finding, Stage
    from ..spec import AppSpec


@hookimpl
def faasbridge_providers() -> dict[str, str]:
    return {"local": "faasbridge.local.provider:LocalProvider"}


@hookimpl
def faasbridge_checks(spec: AppSpec, stage: Stage) -> Iterable[Finding]:
    """Settings of a stage that have the right type and cannot be met."""
    if stage.provider != "local":
        return []
    from ..provider import Finding
    from .options import out_of_range

    return [Finding("stage.setting", text) for text in out_of_range(stage)]
