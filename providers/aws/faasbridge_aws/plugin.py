"""What this package offers to the tools: Amazon Web Services as a provider. Imports no SDK."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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

_MOST_READERS = 2


@hookimpl
def faasbridge_providers() -> Mapping[str, str]:
    return {"aws": "faasbridge_aws.plugin:Aws"}


@hookimpl
def faasbridge_checks(spec: AppSpec, stage: Stage) -> Iterable[Finding]:
    """What AWS cannot make of this app, on stages of AWS: before anything is built."""
    if stage.provider != "aws":
        return []
    from faasbridge.errors import ConfigError
    from faasbridge.plugins import kits
    from faasbridge.provider import Finding

    from .lint import sizes
    from .template import synthesize

    try:
        template = synthesize(spec, stage, kits("aws"))
    except ConfigError as error:
        return [Finding("aws.template", str(error))]
    return [*(Finding("aws.template", each) for each in sizes(template)), *_readers(spec), *_concurrency(spec)]


def _readers(spec: AppSpec) -> Iterator[Finding]:
    """Source: DynamoDB Developer Guide, "Constraints", "Simultaneous readers of a shard in DynamoDB Streams"."""
    from faasbridge.provider import Finding

    handlers = Counter(each.trigger.resource for each in spec.functions if each.trigger.kind == "change")
    for table, count in handlers.items():
        if count > _MOST_READERS:
            text = (
                f"{count} handlers of the changes of table {table!r} read its stream, and DynamoDB slows down more "
                f"than {_MOST_READERS}: let one of them publish to a topic that has the others"
            )
            yield Finding("aws.stream-readers", text, "warning")


def _concurrency(spec: AppSpec) -> Iterator[Finding]:
    """Source: Lambda Developer Guide, "Configuring maximum concurrency for Amazon SQS event sources"."""
    from faasbridge.provider import Finding

    from .template.function import LEAST_CONCURRENCY
    from .template.settings import of_function

    for function in spec.functions:
        options = of_function(function)
        taken = options.get("max_concurrency", LEAST_CONCURRENCY)
        reserved = options.get("reserved_concurrency", taken)
        if function.inbox is not None and reserved < taken:
            text = (
                f"{function.name!r} has reserved_concurrency={reserved}, and Lambda takes {taken} messages at a time: "
                "what it turns away loses an attempt, so raise it, or max_attempts"
            )
            yield Finding("aws.concurrency", text, "warning", function.location)


class Aws:
    """Implements `provider.Provider`."""

    name = "aws"
    runtime = "faasbridge_aws"
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
        """On the account that the stage's `profile` and `region` say, else the SDK's own settings."""
        from .deployer import AwsDeployer
        from .drivers.clients import Clients

        given = {key: stage.settings[key] for key in ("region", "profile") if key in stage.settings}
        return AwsDeployer(stage, Clients(**given))

    def simulator(self, stage: Stage, *, test: bool = False) -> Simulator:
        from .simulator import AwsSimulator

        return cast("Simulator", AwsSimulator(stage, test=test))

    def simulated_deployer(self, stage: Stage) -> Deployer:
        from .simulator import simulated_deployer

        return simulated_deployer(stage)

    def simulated_stage(self, stage: Stage) -> Stage:
        """The wheels that are packed are those for this machine."""
        import platform

        arm = platform.machine().lower() in ("arm64", "aarch64")
        here = {"architecture": "arm64" if arm else "x86_64", "platform": ""}
        return replace(stage, settings={**stage.settings, **here})

    def simulators(self, root: Path) -> Iterable[Mapping[str, Any]]:
        from .simulator import simulators

        return cast("Iterable[Mapping[str, Any]]", simulators(root))

    def doctor(self, stage: Stage) -> Iterable[Finding]:
        from .doctor import findings

        return findings(stage)
