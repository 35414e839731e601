"""How a provider is put under the suites: which ones, with what settings, and what pytest collects for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from ..errors import ConfigError
from ..limits import Limits, floor
from ..provider import LogLine, Provider, Stage
from ..suggest import nearest
from ..testing.cloud import Cloud
from ..testing.packed import share
from ..testing.running import Running, fresh, running, started

SUITES = ("buckets", "tables", "queues", "topics", "secrets", "http", "events", "delivery", "lifecycle")
_MODULE = "conformance_app"
APP_REF = f"{_MODULE}:app"
_NEEDS = "faasbridge_needs"

Case = TypeVar("Case", bound=Callable[..., None])


def needs(caveat: str) -> Callable[[Case], Case]:
    """A promise that some vendors cannot keep: skipped, with the sentence, where `limits.caveats` has this id."""

    def mark(case: Case) -> Case:
        setattr(case, _NEEDS, (*getattr(case, _NEEDS, ()), caveat))
        return case

    return mark


def suites(*names: str) -> tuple[str, ...]:
    """Names of suites, all of them without arguments. Raises ConfigError for one that there is not."""
    for name in names:
        if name not in SUITES:
            raise ConfigError(f"there is no conformance suite {name!r}{nearest(name, SUITES)}")
    return names or SUITES


class Harness:
    """A provider under test. A module's attribute of this type makes pytest collect its suites.

    `provider`: the name it is registered by, or the Provider itself. `settings` are those of its stage, `env` the
    app's environment. `deploy`: whether a deployer can be used here, the one that talks to the provider's simulator
    with `simulate`; without it the cases that deploy are not collected. Deploying needs a registered name.
    `settle_s`: how long a vendor may take until nothing is in flight. `extra_attempts`: how many more than
    `max_attempts` a handler may be tried where nothing crashes. `examples`: how many rows hypothesis tries.
    """

    def __init__(
        self,
        provider: str | Provider,
        suites: Iterable[str] = SUITES,
        *,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        stage: str = "test",
        deploy: bool = True,
        simulate: bool = False,
        settle_s: float = 60.0,
        extra_attempts: int = 0,
        examples: int = 60,
    ) -> None:
        self._given = provider
        self._targets = (provider,) if isinstance(provider, str) else ()
        self.suites = _checked(suites)
        self.settings = dict(settings or {})
        self.env = dict(env or {})
        self.stage_name = stage
        self.deploy = deploy and isinstance(provider, str)
        self.simulate = simulate
        self.settle_s = settle_s
        self.extra_attempts = extra_attempts
        self.examples = examples

    @property
    def provider(self) -> Provider:
        if isinstance(self._given, str):
            from ..plugins import provider

            self._given = provider(self._given)
        return self._given

    @property
    def limits(self) -> Limits:
        return self.provider.limits

    def stage(self, root: Path, *, app: str = "conformance", app_ref: str = APP_REF) -> Stage:
        """The stage of an app in that folder."""
        name = self.provider.name
        return Stage(
            app=app,
            name=self.stage_name,
            provider=name,
            root=root,
            env=self.env,
            settings=self.settings,
            targets=self._targets,
            app_ref=app_ref,
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
        )

    def start(self, root: Path) -> Running:
        """The kit's app, running: a project of its own in that folder, as an author's would be."""
        from .app import app

        write_project(root)
        limits = floor({self.provider.name: self.limits})
        simulator = self.provider.simulator(self.stage(root), test=True)
        return started(app.load(), self.provider.name, simulator, limits.message_bytes)


def write_project(root: Path) -> None:
    """Writes the kit's app as a project, so that it is built and deployed as any other."""
    share(root)
    (root / f"{_MODULE}.py").write_bytes(Path(__file__).with_name("app.py").read_bytes())
    (root / "pyproject.toml").write_text(
        '[project]\nname = "conformance"\nversion = "1"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["faasbridge"]\n\n[tool.faasbridge]\napp = "{APP_REF}"\n'
    )


class Suite:
    """Base of the suites: a class of cases, each a method that is given a `cloud` with everything empty."""

    harness: ClassVar[Harness]

    @pytest.fixture(autouse=True)
    def _needed(self, request: pytest.FixtureRequest) -> None:
        for caveat in getattr(request.function, _NEEDS, ()):
            if caveat in self.harness.limits.caveats:
                pytest.skip(f"{caveat}: {self.harness.limits.caveats[caveat]}")

    @pytest.fixture
    def cloud(self, _needed: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
        harness = self.harness
        run = running(harness, lambda: harness.start(tmp_path_factory.mktemp("conformance")))
        with fresh(run) as cloud:
            yield cloud


def collect(collector: pytest.Module | pytest.Class, harness: Harness) -> list[pytest.Class]:
    """One class of cases a suite, named after the harness's variable and the suite."""
    variable = next(name for name, value in vars(collector.obj).items() if value is harness)
    nodes = []
    for suite in harness.suites:
        cases = _cases(suite)
        members: dict[str, Any] = {
            "harness": harness,
            "__test__": True,
            "__module__": cases.__module__,
            "__doc__": cases.__doc__,
        }
        if not harness.deploy:
            members.update((name, None) for name, case in vars(cases).items() if getattr(case, "deploys", False))
        node = pytest.Class.from_parent(collector, name=f"{variable}.{suite}")
        node.obj = type(cases.__name__, (cases,), members)
        nodes.append(node)
    return nodes


def _cases(suite: str) -> type[Suite]:
    module = import_module(f"{__package__}.{suite}")
    found: type[Suite] = module.Cases
    return found


def _checked(names: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(names)
    return suites(*chosen)


def journal_of(cloud: Cloud, function: str) -> list[dict[str, Any]]:
    """What the handler wrote down, an attempt a row, the attempts of an event in their order."""
    return list(cloud.table("journal").query(function))


def logged(cloud: Cloud, function: str, wanted: Callable[[LogLine], bool]) -> None:
    """Waits until the function's log has such a line: logs may come a moment after what they tell of."""
    deadline = time.monotonic() + 20
    while not any(wanted(line) for line in cloud.logs(function)):
        assert time.monotonic() < deadline, (
            f"not in the log of {function}: {[line.text for line in cloud.logs(function)]}"
        )
        time.sleep(0.05)
