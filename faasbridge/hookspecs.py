"""The plugin contract on one page. A plugin implements any of these functions in a module that it registers under the
entry-point group `faasbridge`, with `from faasbridge.hookspecs import hookimpl`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    import typer

    from .build import Build
    from .deploy import Outcome, Plan
    from .provider import Finding, ResourceKit, Stage
    from .spec import AppSpec

hookspec = pluggy.HookspecMarker("faasbridge")
hookimpl = pluggy.HookimplMarker("faasbridge")


@hookspec
def faasbridge_providers() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Providers by name, each as `module:attribute`, imported when it is chosen."""


@hookspec
def faasbridge_resource_kits(provider: str) -> Iterable[ResourceKit]:  # type: ignore[empty-body]
    """Kits for resource kinds on that provider, beside its own."""


@hookspec
def faasbridge_commands(cli: typer.Typer) -> None:
    """Adds commands to the command line."""


@hookspec
def faasbridge_checks(spec: AppSpec, stage: Stage) -> Iterable[Finding]:  # type: ignore[empty-body]
    """Findings for `faasbridge check`, and before every deployment."""


@hookspec
def faasbridge_prepare_spec(spec: AppSpec, stage: Stage) -> AppSpec | None:
    """An organisation's policy: the spec to go on with, or None to leave it."""


@hookspec
def faasbridge_prepare_artifact(build: Build, stage: Stage) -> None:
    """Adds to an artifact: `build.add_file`, `build.add_requirement`, `build.add_middleware`."""


@hookspec
def faasbridge_prepare_template(template: dict[str, Any], spec: AppSpec, stage: Stage) -> None:
    """Changes the vendor's template in place."""


@hookspec
def faasbridge_before_deploy(plan: Plan, stage: Stage) -> str | None:
    """A sentence vetoes the deployment."""


@hookspec
def faasbridge_after_deploy(outcome: Outcome, stage: Stage) -> None:
    """Told after a deployment that succeeded."""
