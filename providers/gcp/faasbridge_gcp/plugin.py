"""What this package offers to the tools: for now Google Cloud's limits and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from faasbridge.errors import ConfigError
from faasbridge.hookspecs import hookimpl

from .limits import LIMITS
from .options import OPTIONS

if TYPE_CHECKING:
    from faasbridge.provider import Finding, Layout, ResourceKit, Stage
    from faasbridge.spec import AppSpec


@hookimpl
def faasbridge_providers() -> Mapping[str, str]:
    return {"gcp": "faasbridge_gcp.plugin:Gcp"}


class Gcp:
    """Google Cloud. Checks against its limits and options work; building, deploying and simulating come in a later
    release."""

    name = "gcp"
    runtime = "faasbridge_gcp"
    limits = LIMITS
    options: Mapping[str, type] = OPTIONS

    def kits(self) -> tuple[ResourceKit, ...]:
        return ()

    def layout(self, spec: AppSpec, stage: Stage) -> Layout:
        _refuse("building for")

    def synthesize(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> Mapping[str, object]:
        _refuse("templates for")

    def deployer(self, stage: Stage) -> NoReturn:
        _refuse("deploying to")

    def simulator(self, stage: Stage, *, test: bool = False) -> NoReturn:
        _refuse("simulating")

    def doctor(self, stage: Stage) -> tuple[Finding, ...]:
        from faasbridge.provider import Finding

        return (Finding("gcp.release", _sentence("deploying to"), "warning"),)


def _sentence(what: str) -> str:
    return (
        f"{what} Google Cloud is not part of this release yet; `faasbridge check` knows its limits, and "
        "--provider local runs the app"
    )


def _refuse(what: str) -> NoReturn:
    raise ConfigError(_sentence(what))
