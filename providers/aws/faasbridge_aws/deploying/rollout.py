"""Carrying a plan out: the artifact first, then the stack or the functions' code, then a look at what functions run.

The last is there because a stack's parameter may lag behind the code (see `code`):
- Code went A -> B past the stack, then back to A with a change of the template: the stack sees no change of code.
- Code went A -> B past the stack, then a change of the template failed: the rollback brings A back where B ran.
- The process was killed between functions: the next plan finds which of them run something else.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator, Mapping
from typing import Any
from uuid import uuid4

from faasbridge.deploy import Plan, Progress, Step
from faasbridge.errors import DeployError

from . import code, indexes, secrets
from .artifacts import Artifacts, code_sha256, digest_of, to_text
from .connection import Account, code_of
from .planning import Planned, Planner, functions_of
from .progress import Tracker
from .stack import SUCCEEDED, UNMADE, Stack, StackEvent, owners
from .teardown import left_buckets, remove_bucket

_STALE = "what is deployed has changed since the plan was made: run `faasbridge deploy` again"


class Rollout:
    def __init__(self, account: Account, planner: Planner, stack: Stack, artifacts: Artifacts) -> None:
        self._clients = account.clients
        self._account = account
        self._planner = planner
        self._stack = stack
        self._artifacts = artifacts

    def apply(self, plan: Plan) -> Iterator[Progress]:
        """Raises DeployError with the first real cause, once everything is rolled back."""
        planned: Planned = plan.token
        if planned.way == "nothing":
            return
        if planned.way == "recover":
            yield from self._recover(plan, planned)
            return
        if planned.way != "code":
            _lint(planned, self._account.region)
        yield from self._artifacts.upload(planned.artifact)
        if planned.way == "code":
            yield from self._change_code(plan, planned)
        else:
            yield from self._change_stack(plan, planned)
        found = self._stack.describe()
        if found is not None:  # the rollback's, and what runs
            parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", ())}
            self._artifacts.prune({digest_of(parameters.get("ArtifactKey", "")), planned.artifact.sha256})

    def _recover(self, plan: Plan, planned: Planned) -> Iterator[Progress]:
        """Ends what was begun, then does what is left, unless that loses data which nobody was asked about."""
        yield from self._remove_left(plan, planned) if planned.left_buckets else self._finish(plan, planned)
        again = self._planner.plan(planned.spec, planned.artifact)
        if any(each.data_loss for each in again.changes):
            raise DeployError(
                "what had been begun has ended; what is left to do loses data: run `faasbridge deploy` again to see it"
            )
        yield from self.apply(again)

    def _remove_left(self, plan: Plan, planned: Planned) -> Iterator[Progress]:
        found = self._stack.describe()
        still = left_buckets(self._clients, self._stack, found) if found is not None else ()
        for step, bucket in zip(plan.steps, planned.left_buckets, strict=True):
            yield Progress(step, "started")
            if bucket in still:  # else somebody has deleted it since, or made it again
                yield from remove_bucket(self._clients, bucket)
            yield Progress(step, "done")

    def _finish(self, plan: Plan, planned: Planned) -> Iterator[Progress]:
        (step,) = plan.steps
        yield Progress(step, "started", "waiting")
        found = self._stack.describe()
        after: str | None = None
        if found is not None and found["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
            after = self._stack.newest_event(planned.stack_id)
            self._stack.api.continue_update_rollback(StackName=planned.stack_id, ClientRequestToken=_token())
        events = []
        for event in self._stack.follow(planned.stack_id, after):
            events.append(event)
            yield Progress(step, "started", f"{event.status} {event.logical_id}")
        if events and events[-1].status == "UPDATE_ROLLBACK_FAILED":
            yield Progress(step, "failed")
            raise self._stack.failure(
                events,
                self._stack.template(),
                f"the stack {self._stack.name} cannot be rolled back: put right what it names, then deploy again",
            )
        yield Progress(step, "done")

    def _change_code(self, plan: Plan, planned: Planned) -> Iterator[Progress]:
        owners = functions_of(self._stack.resources())
        steps = {(step.kind, step.name): step for step in plan.changes}
        for name in planned.functions:
            if name in owners:
                yield Progress(steps[owners[name]], "started")
        wanted = {name: self._artifacts.key(planned.artifact.sha256) for name in planned.functions}
        for name in code.update(self._clients, wanted, self._artifacts.bucket):
            if name in owners:
                yield Progress(steps[owners[name]], "done")

    def _change_stack(self, plan: Plan, planned: Planned) -> Iterator[Progress]:
        change_set, stack_id = planned.change_set, planned.stack_id
        before: Mapping[str, str] = {}
        old: Mapping[str, Any] = {}
        stages: list[dict[str, Any]] = []
        if planned.way == "create":
            yield from self._make_room()
            self._free_names(planned, old)
            described = self._planner.change_set(planned, to_text(planned.template), "CREATE")
            change_set, stack_id = described["ChangeSetId"], described["StackId"]
        else:
            old = self._stack.template()
            before = code.running(self._clients, functions_of(self._stack.resources(old)))
            stages = list(indexes.stages(old, planned.template))
            if stages:
                change_set = yield from self._change_indexes(plan, planned, stages)
            self._free_names(planned, old)
        tracker = Tracker(plan.steps, old, planned.template, planned.touched)
        events = []
        for event in self._execute(change_set, stack_id):
            events.append(event)
            if event.status != "DELETE_FAILED" or event.physical_id not in planned.lost_buckets:
                yield from tracker.saw(event)
        if not events or events[-1].status not in SUCCEEDED:
            raise self._stack.failure(events, planned.template, self._ending(events, before, len(stages)))
        yield from self._verify(planned)
        for secret in planned.lost_secrets:
            secrets.forget(self._clients, secret)
        for bucket in planned.lost_buckets:  # not before, since no rollback brings back what was in it
            yield from remove_bucket(self._clients, bucket)
        yield from tracker.finish()

    def _change_indexes(
        self, plan: Plan, planned: Planned, stages: list[dict[str, Any]]
    ) -> Generator[Progress, None, str]:
        """All but each table's last change of an index, and the change set of what is left then."""
        if not self._planner.is_current(planned.change_set):
            raise DeployError(_STALE)
        tables = {(step.kind, step.name): step for step in plan.changes if step.kind == "table"}
        for number, template in enumerate(stages, start=1):
            made = self._planner.change_set(planned, to_text(template), "UPDATE", as_before=True)
            events = []
            for event in self._execute(made["ChangeSetId"], planned.stack_id):
                events.append(event)
                step = tables.get(owners(template).get(event.logical_id, ("", "")))
                if step is not None:
                    yield Progress(step, "started", f"one index at a time, {number} of {len(stages) + 1}")
            if not events or events[-1].status not in SUCCEEDED:
                raise self._stack.failure(events, template, self._ending(events, {}, number - 1))
        return str(self._planner.change_set(planned, to_text(planned.template), "UPDATE")["ChangeSetId"])

    def _make_room(self) -> Iterator[Progress]:
        """Removes a stack whose creation failed. Nothing was ever deployed in it. Raises DeployError where the stack is
        another one by now."""
        found = self._stack.describe()
        if found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS":  # which takes another change set
            return
        if found["StackStatus"] not in UNMADE:
            raise DeployError(_STALE)
        step = Step("delete", "stack", self._stack.name, "its creation had failed")
        yield Progress(step, "started")
        stack_id, after = found["StackId"], self._stack.newest_event(found["StackId"])
        template = self._stack.template()
        self._stack.api.delete_stack(StackName=stack_id, ClientRequestToken=_token())
        events = list(self._stack.follow(stack_id, after))
        if not events or events[-1].status != "DELETE_COMPLETE":
            yield Progress(step, "failed")
            raise self._stack.failure(
                events, template, "so the failed first deployment stays: run `faasbridge destroy`"
            )
        yield Progress(step, "done")

    def _free_names(self, planned: Planned, old: Mapping[str, Any]) -> None:
        names = secrets.names_in(planned.template) - secrets.names_in(old)
        whose = {key: planned.tags[key] for key in ("faasbridge:app", "faasbridge:stage")}
        secrets.free_names(self._clients, sorted(names), whose)

    def _execute(self, change_set: str, stack_id: str) -> Iterator[StackEvent]:
        from botocore.exceptions import ClientError

        after = self._stack.newest_event(stack_id)
        try:
            self._stack.api.execute_change_set(ChangeSetName=change_set, ClientRequestToken=_token())
        except ClientError as error:
            if code_of(error) not in ("InvalidChangeSetStatus", "ChangeSetNotFound"):
                raise
            # Sent twice, where the first one's answer was lost; else it is not the plan's any more.
            if self._stack.newest_event(stack_id) == after:
                raise DeployError(_STALE) from error
        yield from self._stack.follow(stack_id, after)

    def _verify(self, planned: Planned) -> Iterator[Progress]:
        """Updates the functions that the stack left with other code."""
        owners = functions_of(self._stack.resources(planned.template))
        digest = code_sha256(planned.artifact.sha256)
        stale = [name for name, runs in code.running(self._clients, owners).items() if runs != digest]
        key = self._artifacts.key(planned.artifact.sha256)
        for name in code.update(self._clients, dict.fromkeys(stale, key), self._artifacts.bucket):
            yield Progress(Step("update", *owners[name], "code"), "started", "code")

    def _ending(self, events: list[StackEvent], before: Mapping[str, str], stages: int) -> str:
        """What became of a failed operation, for the sentence. Functions get back the code they ran. `stages`: updates
        that went before it and stay."""
        from botocore.exceptions import ClientError

        status = events[-1].status if events else ""
        if status == "UPDATE_ROLLBACK_COMPLETE":
            now = code.running(self._clients, before)
            back = {
                name: self._artifacts.key(base64.b64decode(before[name]).hex())
                for name, runs in now.items()
                if runs != before[name]
            }
            try:
                list(code.update(self._clients, back, self._artifacts.bucket))
            except (ClientError, DeployError):
                return f"it was rolled back, but {', '.join(back)} may run older code than before: deploy again"
            changes = f"{stages} changes of indexes" if stages > 1 else "a change of an index"
            return f"everything but {changes} was rolled back" if stages else "everything was rolled back"
        if status == "ROLLBACK_COMPLETE":
            return "everything was rolled back"
        return f"the rollback failed too, the stack {self._stack.name} is {status}: deploy again once that is put right"


def _lint(planned: Planned, region: str) -> None:
    from ..lint import check

    check(planned.template, region)


def _token() -> str:
    """Lets CloudFormation know a request that is sent twice."""
    return f"faasbridge-{uuid4()}"
