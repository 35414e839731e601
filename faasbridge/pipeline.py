"""From an app to a deployment, in stages that each turn one plain value into the next:

    app -> spec -> policy -> check -> artifact -> plan -> outcome

Every command that builds or deploys, and every provider's deployer, goes through here, so that plugins are asked at the
same places whatever the vendor is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .spec import AppSpec

if TYPE_CHECKING:
    from .app import App
    from .config import Project
    from .deploy import Outcome, Plan, Progress
    from .provider import Artifact, Deployer, Finding, Provider, Simulator, Stage
    from .resources import Resource

Note = Callable[[str], None]


class Target:
    """One project on one provider and stage; `simulate`: on the provider's simulator on this machine."""

    def __init__(self, project: Project, provider: str, stage: str | Stage, *, simulate: bool = False) -> None:
        from .plugins import provider as find

        self.project = project
        self.provider: Provider = find(provider)
        self.stage: Stage = project.stage(stage, provider) if isinstance(stage, str) else stage
        self.simulate = simulate
        adapt = getattr(self.provider, "simulated_stage", None) if simulate else None
        if adapt is not None:
            self.stage = adapt(self.stage)

    def spec(self) -> AppSpec:
        """The app's model, with an organisation's policy applied. Raises ConfigError."""
        from .plugins import manager

        spec = self.project.read_spec()
        # One after the other, the last registered first as pluggy calls them: each sees what the one before it made.
        for hook in reversed(manager().hook.faasbridge_prepare_spec.get_hookimpls()):
            changed: Any = hook.function(**{name: {"spec": spec, "stage": self.stage}[name] for name in hook.argnames})
            if changed is not None:
                spec = changed
        return spec

    def findings(self, spec: AppSpec) -> list[Finding]:
        """What the checks of the core, of the provider and of plugins say."""
        from .checks import check
        from .plugins import manager

        findings = list(check(spec, self.project))
        for more in manager().hook.faasbridge_checks(spec=spec, stage=self.stage):
            findings += more
        return findings

    def build(self, spec: AppSpec, out: Path | None = None, *, note: Note = lambda text: None) -> Artifact:
        """Writes the artifact, to `out` or to its place in the state folder."""
        from .build import build
        from .build.artifact import state_folder

        if out is None:
            out = state_folder(self.project.root) / "build" / f"{spec.name}-{self.stage.name}-{self.stage.provider}.zip"
        layout = self.provider.layout(spec, self.stage)
        return build(self.project, spec, layout, out, stage=self.stage, progress=note)

    def deployer(self) -> Deployer:
        """The provider's deployer, or the one for its simulator. Raises ConfigError where there is none."""
        if not self.simulate:
            return self.provider.deployer(self.stage)
        simulated = getattr(self.provider, "simulated_deployer", None)
        if simulated is None:
            raise ConfigError(f"provider {self.stage.provider!r} has no simulator to deploy to: leave --simulate away")
        return simulated(self.stage)  # type: ignore[no-any-return]

    def bind(self, app: App) -> Callable[[Resource], Any]:
        """Binds the app's resources to the deployment, for code outside of an invocation; returns their drivers."""
        from .limits import floor
        from .plugins import provider, providers

        installed = providers()
        targets = {name: provider(name).limits for name in self.project.targets if name in installed}
        app.message_bytes = floor(targets).message_bytes
        app.bound = self.deployer().bind(app)
        return app.bound

    def simulator(self) -> Simulator:
        return self.provider.simulator(self.stage)

    def plan(self, note: Note = lambda text: None) -> tuple[Deployer, Plan]:
        """Spec, policy, checks, artifact and plan. Raises ConfigError with the first error that the checks found."""
        note("reading the app")
        spec = self.spec()
        errors = [finding for finding in self.findings(spec) if finding.severity == "error"]
        if errors:
            more = f" (and {len(errors) - 1} more: `faasbridge check` has them all)" if errors[1:] else ""
            where = f"{errors[0].location}: " if errors[0].location else ""
            raise ConfigError(f"{where}{errors[0].message}{more}")
        artifact = self.build(spec, note=note)
        note("comparing with what is there")
        deployer = self.deployer()
        return deployer, deployer.plan(spec, artifact)

    def veto(self, plan: Plan) -> None:
        """Raises ConfigError with the sentence of a plugin that forbids this deployment."""
        from .plugins import manager

        for sentence in manager().hook.faasbridge_before_deploy(plan=plan, stage=self.stage):
            if sentence:
                raise ConfigError(f"a plugin forbids this deployment: {sentence}")

    def apply(self, deployer: Deployer, plan: Plan) -> Iterator[Progress]:
        """Carries the plan out, once no plugin forbids it, and tells plugins of the outcome."""
        self.veto(plan)
        yield from deployer.apply(plan)
        self.told(deployer.outcome())

    def told(self, outcome: Outcome) -> None:
        from .plugins import manager

        manager().hook.faasbridge_after_deploy(outcome=outcome, stage=self.stage)


def template(spec: AppSpec, stage: Stage) -> Mapping[str, Any]:
    """The vendor's template, after plugins changed it: what a deployer hands to its engine."""
    from .plugins import kits, manager
    from .plugins import provider as find

    result = dict(find(stage.provider).synthesize(spec, stage, kits(stage.provider)))
    manager().hook.faasbridge_prepare_template(template=result, spec=spec, stage=stage)
    return result
