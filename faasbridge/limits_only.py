"""A provider of which a release has the limits and options only: what its package offers until the rest comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from .errors import ConfigError
from .limits import Limits
from .provider import Finding, Layout, ResourceKit, Stage
from .spec import AppSpec


class LimitsOnlyProvider:
    """Implements `provider.Provider`. Checks against its limits and options work; everything else raises ConfigError.

    `title` is the vendor's name in sentences; `name`, `runtime`, `limits` and `options` are as in `Provider`.
    """

    title: str
    name: str
    runtime: str
    limits: Limits
    options: Mapping[str, type]

    def kits(self) -> tuple[ResourceKit, ...]:
        return ()

    def layout(self, spec: AppSpec, stage: Stage) -> Layout:
        self._refuse("building for")

    def synthesize(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> Mapping[str, object]:
        self._refuse("templates for")

    def deployer(self, stage: Stage) -> NoReturn:
        self._refuse("deploying to")

    def simulator(self, stage: Stage, *, test: bool = False) -> NoReturn:
        self._refuse("simulating")

    def doctor(self, stage: Stage) -> tuple[Finding, ...]:
        return (Finding(f"{self.name}.release", self._sentence("deploying to"), "warning"),)

    def _sentence(self, what: str) -> str:
        return (
            f"{what} {self.title} is not part of this release yet; `faasbridge check` knows its limits, and --provider"
            " local runs the app"
        )

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigError(self._sentence(what))
