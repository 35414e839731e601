"""What this package offers to the tools: Microsoft Azure as a provider. Imports no SDK."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
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
    return {"azure": "faasbridge_azure.plugin:Azure"}


@hookimpl
def faasbridge_checks(spec: AppSpec, stage: Stage) -> Iterable[Finding]:
    """What Azure cannot make of this app, and what functions share there, on stages of Azure: before anything is
    built."""
    if stage.provider != "azure":
        return []
    from faasbridge.errors import ConfigError
    from faasbridge.plugins import kits
    from faasbridge.provider import Finding

    from .template import apps, synthesize

    try:
        synthesize(spec, stage, kits("azure"))
        return list(apps.findings(spec.functions))
    except ConfigError as error:
        return [Finding("azure.template", str(error))]


class Azure:
    """Implements `provider.Provider`."""

    name = "azure"
    runtime = "faasbridge_azure"
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
        """Into the subscription and resource group that the stage says, else the subscription of who is logged in."""
        from .deployer import AzureDeployer
        from .drivers.clients import Clients

        return AzureDeployer(stage, Clients(tenant=stage.settings.get("tenant")))

    def simulator(self, stage: Stage, *, test: bool = False) -> Simulator:
        from .simulator import AzureSimulator

        return cast("Simulator", AzureSimulator(stage, test=test))

    def simulated_deployer(self, stage: Stage) -> Deployer:
        from .simulator import simulated_deployer

        return simulated_deployer(stage)

    def simulated_stage(self, stage: Stage) -> Stage:
        """The wheels that are packed are those for this machine."""
        return replace(stage, settings={**stage.settings, "platform": ""})

    def simulators(self, root: Path) -> Iterable[Mapping[str, Any]]:
        from .simulator import simulators

        return cast("Iterable[Mapping[str, Any]]", simulators(root))

    def doctor(self, stage: Stage) -> Iterable[Finding]:
        from .doctor import findings

        return findings(stage)
