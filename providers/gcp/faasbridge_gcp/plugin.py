"""What this package offers to the tools: Google Cloud as a provider. Imports no SDK."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from faasbridge.hookspecs import hookimpl

from .limits import LIMITS
from .options import OPTIONS

if TYPE_CHECKING:
    from faasbridge.limits import Limits
    from faasbridge.provider import Deployer, Finding, Layout, ResourceKit, Simulator, Stage
    from faasbridge.spec import AppSpec


@hookimpl
def faasbridge_providers() -> Mapping[str, str]:
    return {"gcp": "faasbridge_gcp.plugin:Gcp"}


@hookimpl
def faasbridge_checks(spec: AppSpec, stage: Stage) -> Iterable[Finding]:
    """What Google Cloud cannot make of this app, on stages of Google Cloud: before anything is built."""
    if stage.provider != "gcp":
        return []
    from faasbridge.errors import ConfigError
    from faasbridge.plugins import kits
    from faasbridge.provider import Finding

    from .template import functions, synthesize

    try:
        synthesize(spec, stage, kits("gcp"))
    except ConfigError as error:
        return [Finding("gcp.template", str(error))]
    return list(functions.findings(spec))


class Gcp:
    """Implements `provider.Provider`."""

    name = "gcp"
    runtime = "faasbridge_gcp"
    limits: Limits = LIMITS
    options: Mapping[str, type] = OPTIONS

    def kits(self) -> Iterable[ResourceKit]:
        from .kits import KITS

        return cast("Iterable[ResourceKit]", KITS)

    def layout(self, spec: AppSpec, stage: Stage) -> Layout:
        from .layout import layout

        return layout(spec, stage)

    def synthesize(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> Mapping[str, Any]:
        from .template import synthesize

        return synthesize(spec, stage, kits)

    def deployer(self, stage: Stage) -> Deployer:
        """In the project and region that the stage says, else the project of the SDK's own settings."""
        _keep_quiet()
        from .deployer import GcpDeployer
        from .drivers.clients import Clients

        return GcpDeployer(stage, Clients(project=stage.settings.get("project")))

    def simulator(self, stage: Stage, *, test: bool = False) -> Simulator:
        _keep_quiet()
        from .simulator import GcpSimulator

        return cast("Simulator", GcpSimulator(stage, test=test))

    def simulated_deployer(self, stage: Stage) -> Deployer:
        _keep_quiet()
        from .simulator import simulated_deployer

        return simulated_deployer(stage)

    def simulated_stage(self, stage: Stage) -> Stage:
        from .simulator import simulated_stage

        return simulated_stage(stage)

    def simulators(self, root: Path) -> Iterable[Mapping[str, Any]]:
        from .simulator import simulators

        return cast("Iterable[Mapping[str, Any]]", simulators(root))

    def doctor(self, stage: Stage) -> Iterable[Finding]:
        from .doctor import findings

        return findings(stage)


def _keep_quiet() -> None:
    """grpc's core, before it is loaded: it writes to the terminal when a server ends a connection."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
