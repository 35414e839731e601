"""Taking a deployment down: what holds data is found first, and emptied only where that was asked for.

It is a roll-out of nothing; one that was interrupted is finished by the next.
"""

from __future__ import annotations

from collections.abc import Iterator

from faasbridge.deploy import Progress
from faasbridge.errors import ConfigError
from faasbridge.provider import Artifact, Stage

from ..template.document import Template, labels
from .connection import Cloud
from .holding import held, refuse_protected
from .planning import Planner, steps
from .reading import Current, Reader
from .rollout import Rollout


class Teardown:
    def __init__(self, cloud: Cloud, stage: Stage, reader: Reader, planner: Planner, rollout: Rollout) -> None:
        self._cloud = cloud
        self._stage = stage
        self._reader = reader
        self._planner = planner
        self._rollout = rollout

    def destroy(self, *, delete_data: bool) -> Iterator[Progress]:
        """Nothing where nothing is deployed. Raises ConfigError where something is protected or holds data, DeployError
        with the first cause."""
        current = self._reader.read()
        if not current.resources:
            return
        databases = current.of_type("firestore.database")
        refuse_protected(databases, databases, self._stage, "destroy")
        if not delete_data:
            self._refuse_data(current)
        planned = self._planner.compare(_NO_ARTIFACT, self._nothing(), current)
        yield from self._rollout.carry_out(steps(planned, current), planned, delete_data=delete_data)

    def _nothing(self) -> Template:
        return {
            "app": self._stage.app,
            "stage": self._stage.name,
            "labels": labels(self._stage),
            "resources": {},
            "bindings": [],
            "endpoints": {},
            "addresses": {},
        }

    def _refuse_data(self, current: Current) -> None:
        known = {each.owner["name"] for each in current.of_type("firestore.field")}
        found = [held(self._cloud, self._reader.kinds, each, known) for each in current.resources.values()]
        if any(found):
            raise ConfigError(f"{', '.join(filter(None, found))}: destroy that as well with --delete-data")


_NO_ARTIFACT = Artifact(path=None, sha256="", size=0)  # type: ignore[arg-type]
