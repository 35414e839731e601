"""Carrying a plan out: the resource group, the stack, then the code of the function apps that run another.

Resource Manager takes nothing back: what a failed deployment made stays, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from faasbridge.deploy import Plan, Progress
from faasbridge.errors import DeployError
from faasbridge.provider import Artifact

from . import code, reindexing, vaults
from .connection import Cloud
from .faults import is_deleted_vault, of_response
from .planning import Planned, Planner, before_of, codes_of, owner_of
from .progress import Tracker
from .stack import Stack, is_running, made, type_of, with_owners

_STALE = "what is deployed has changed since the plan was made: run `faasbridge deploy` again"
_VERSIONS = {"microsoft.documentdb/databaseaccounts/sqldatabases/containers": "2024-11-15"}


class Rollout:
    def __init__(self, cloud: Cloud, planner: Planner, stack: Stack) -> None:
        self._cloud, self._planner, self._stack = cloud, planner, stack

    def apply(self, plan: Plan) -> Iterator[Progress]:
        """Raises DeployError with the first real cause."""
        planned: Planned = plan.token
        if planned.way == "nothing":
            return
        if planned.way == "wait":
            yield from self._wait(plan, planned)
            return
        if planned.way == "change":
            _lint(planned)
        found = self._stack.describe() if self._planner.group_is_there() else None
        before = code.sites(self._cloud)
        if _is_stale(planned, found, before):
            raise DeployError(_STALE)
        known = {each.name for each in before if each.code == planned.artifact.sha256}
        template = planned.template
        of_sites = [key for key in template["resources"] if key["type"].lower() == "microsoft.web/sites"]
        recoded = [_owner(planned, each["name"]) for each in of_sites if each["name"] not in known]
        recoded += [("table", each.name) for each in plan.steps if reindexing.step_of([each], each.name)]
        tracker = Tracker(plan.steps, template, recoded)
        if planned.way == "change":
            yield from self._change(planned, tracker, found, before)
        yield from self._reindex(plan, planned)
        yield from self._publish(tracker, planned)
        yield from self._reindex(plan, planned)
        yield from tracker.finish()

    def _wait(self, plan: Plan, planned: Planned) -> Iterator[Progress]:
        """Ends what was begun, then does what is left, unless that loses data which nobody was asked about."""
        (step,) = plan.steps
        yield Progress(step, "started", "waiting")
        try:
            for operation in self._stack.follow():
                yield Progress(step, "started", f"{operation.state} {operation.key}")
        except DeployError as error:
            yield Progress(step, "started", f"it failed: {error}")
        yield Progress(step, "done")
        again = self._planner.plan(planned.spec, planned.artifact)
        if any(each.data_loss for each in again.changes):
            raise DeployError(
                "the other operation has ended; what is left to do loses data: run `faasbridge deploy` again to see it"
            )
        yield from self.apply(again)

    def _change(
        self, planned: Planned, tracker: Tracker, found: Any, before: Iterable[code.Site]
    ) -> Iterator[Progress]:
        if not self._planner.group_is_there():
            group = {"location": self._cloud.location, "tags": self._cloud.tags}
            self._cloud.groups.create_or_update(self._cloud.group, group)
        for id in planned.replaced:
            version = _VERSIONS[type_of(id).lower()]
            try:
                self._cloud.resources.begin_delete_by_id(id, api_version=version).result()
            except ResourceNotFoundError:
                continue
        sent = with_owners(code.tagged(planned.template, before), self._stack.template() if found is not None else {})
        new = vaults.new(planned.template, made(found, {}) if found is not None else ())
        deleted = vaults.deleted(self._cloud) & new if new else set()
        if not (yield from self._send(vaults.recovering(sent, deleted), planned, tracker, may_fail=deleted != new)):
            yield from self._send(vaults.recovering(sent, new), planned, tracker)

    def _send(
        self, template: Mapping[str, Any], planned: Planned, tracker: Tracker, *, may_fail: bool = False
    ) -> Generator[Progress, None, bool]:
        """Whether it succeeded: with `may_fail` it may not because of a deleted vault that nobody was allowed to look
        for. Raises DeployError or an HttpResponseError where it failed otherwise."""
        refused = False
        try:
            self._stack.put(template, planned.digest)
            for operation in self._stack.follow():
                if may_fail and operation.error is not None and is_deleted_vault(operation.error):
                    refused = True
                else:
                    yield from tracker.saw(operation)
        except DeployError:
            if not refused:
                raise
            return False
        except HttpResponseError as error:  # refused before anything was done
            if not may_fail or not is_deleted_vault(of_response(error)):
                raise
            return False
        return True

    def _reindex(self, plan: Plan, planned: Planned) -> Iterator[Progress]:
        if any(reindexing.step_of([each], each.name) for each in plan.steps):
            yield from reindexing.reindexed(self._cloud, planned.spec, self._stack.describe(), plan.steps)

    def _publish(self, tracker: Tracker, planned: Planned) -> Iterator[Progress]:
        stale = [each for each in code.sites(self._cloud) if each.code != planned.artifact.sha256]
        owned = [(each, owner_of(each, planned.template)) for each in stale]
        for owner, state, detail in code.publish(self._cloud, owned, planned.artifact):
            if state == "started":
                yield from tracker.started(owner, _size(planned.artifact))
            elif state == "done":
                yield from tracker.done(owner, "code")
            else:
                yield from tracker.failed(owner, detail)


def _is_stale(planned: Planned, found: Any, there: Iterable[code.Site]) -> bool:
    """Whether the stack or what function apps run is not what the plan was made from, or is about to be another."""
    if found is not None and is_running(found):
        return True
    return (before_of(found), codes_of(there)) != (planned.before, planned.codes)


def _owner(planned: Planned, site: str) -> tuple[str, str]:
    from .stack import owner_in, owners

    return owner_in(owners(planned.template), f"microsoft.web/sites/{site}".lower())[0]


def _size(artifact: Artifact) -> str:
    return f"code, {artifact.size / 1_000_000:.1f} MB"


def _lint(planned: Planned) -> None:
    from ..lint import check

    check(planned.template)
