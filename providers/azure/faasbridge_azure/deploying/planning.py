"""What a deployment would do, found by reading: the template against what the stack was sent last, what-if where they
differ, and the code that each function app runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from azure.core.exceptions import ResourceNotFoundError

from faasbridge.deploy import Plan, Step
from faasbridge.errors import ConfigError, DeployError
from faasbridge.provider import Artifact
from faasbridge.spec import AppSpec

from . import changes, reindexing, strangers
from .code import Site, sites, tagged
from .connection import Cloud
from .faults import check_missing, innermost, sentence
from .stack import (
    TEMPLATE_TAG,
    Owner,
    Stack,
    digest_of,
    is_running,
    is_settled,
    key_of,
    made,
    owner_in,
    owners,
    text,
    with_owners,
)

_WHAT_IF = "faasbridge-what-if"

# wait: another operation is running; what comes after it is planned then.
Way = Literal["nothing", "change", "code", "wait"]


@dataclass(frozen=True)
class Planned:
    """What `apply` needs. `replaced`: ids of resources that are deleted before they are made anew.

    What there was: `before`, the digest of the template that the stack was sent, None where there is no stack; `codes`,
    what each function app runs.
    """

    way: Way
    spec: AppSpec
    artifact: Artifact
    template: Mapping[str, Any]
    digest: str
    before: str | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()


class Planner:
    def __init__(self, cloud: Cloud, stack: Stack) -> None:
        self._cloud, self._stack = cloud, stack

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        """Raises ConfigError where what is not ours has a name of ours, DeployError where the template is refused."""
        from faasbridge.pipeline import template as synthesize

        template = self._cloud.resolved(synthesize(spec, self._cloud.stage))
        wanted = Planned("change", spec, artifact, template, digest_of(template))
        if not self.group_is_there():
            return self._plan(wanted, changes.creations(template))
        found = self._stack.describe()
        there = sites(self._cloud)
        wanted = replace(wanted, before=before_of(found), codes=codes_of(there))
        if found is None:
            strangers.refuse(self._cloud, template, ())
            return self._plan(wanted, changes.creations(template))
        if is_running(found):
            step = Step("update", "stack", self._stack.name, "another operation is running: it is waited for first")
            return self._plan(replace(wanted, way="wait"), (step,))
        running = [each for each in there if each.code != artifact.sha256]
        if wanted.before == wanted.digest and is_settled(found):
            recoded = [owner_of(each, template) for each in running]
            steps = changes.steps((), template, template, made(found, template), recoded)
            steps = reindexing.planned(self._cloud, spec, found, steps)
            way: Way = "code" if any(each.action != "none" for each in steps) else "nothing"
            return self._plan(replace(wanted, way=way), steps)
        return self._comparison(wanted, found, there, running)

    def group_is_there(self) -> bool:
        """Raises ConfigError for one that is in the way."""
        try:
            found = self._cloud.groups.get(self._cloud.group)
        except ResourceNotFoundError as error:
            check_missing(error)
            return False
        if not self._cloud.is_ours(found.tags) and "resource_group" not in self._cloud.stage.settings:
            raise ConfigError(
                f"there is a resource group {self._cloud.group!r} that FaaSBridge did not make: to deploy into it, set "
                "`resource_group` to its name"
            )
        wanted = self._cloud.stage.settings.get("location")
        if wanted and _region(wanted) != _region(found.location):
            raise ConfigError(
                f"the resource group {self._cloud.group!r} is in {found.location}, and so is what is deployed into it, "
                f"while `location` is {wanted!r}: correct that; to move, destroy the stage first"
            )
        return True

    def _comparison(self, wanted: Planned, found: Any, there: list[Site], running: list[Site]) -> Plan:
        before = self._stack.template()
        there_now = made(found, with_owners(before, wanted.template))
        strangers.refuse(self._cloud, wanted.template, there_now)
        found_changes = self._what_if(tagged(wanted.template, there))
        recoded = [owner_of(each, wanted.template) for each in running]
        # What a failed deployment was sent says nothing of what there is.
        known = before if is_settled(found) else {}
        steps = changes.steps(found_changes, known, wanted.template, there_now, recoded)
        steps = reindexing.planned(self._cloud, wanted.spec, found, steps)
        if not any(step.action != "none" for step in steps):  # of the stack itself
            reason = "outputs" if is_settled(found) else "the last deployment did not end well"
            steps = (*steps, Step("update", "stack", self._stack.name, reason))
        lost = tuple(each.resource_id for each in found_changes if changes.replaced(each))
        return self._plan(replace(wanted, replaced=lost), steps)

    def _what_if(self, template: Mapping[str, Any]) -> list[Any]:
        properties = {"mode": "Incremental", "template": template, "parameters": self._cloud.parameters(template)}
        begin = self._cloud.deployments.begin_what_if
        answer = begin(self._cloud.group, _WHAT_IF, {"properties": properties}).result()
        if text(answer.status).lower() == "failed" or answer.error is not None:
            error = answer.error.as_dict() if answer.error is not None else {}
            raise DeployError(f"Azure refuses the template: {sentence(*innermost(error))}")
        return list(answer.properties.changes or () if answer.properties is not None else answer.changes or ())

    def _plan(self, planned: Planned, steps: tuple[Step, ...]) -> Plan:
        stage = self._cloud.stage
        return Plan(stage.app, stage.name, "azure", steps, planned)


def _region(name: Any) -> str:
    """Azure takes "West Europe" for westeurope."""
    return str(name).replace(" ", "").lower()


def before_of(stack: Any) -> str | None:
    """As `Planned` has it, and so `codes_of`."""
    return None if stack is None else (stack.tags or {}).get(TEMPLATE_TAG, "")


def codes_of(there: Iterable[Site]) -> dict[str, str]:
    return {each.name: each.code for each in there}


def owner_of(site: Site, template: Mapping[str, Any]) -> Owner:
    return owner_in(owners(template), key_of(site.id))[0]
