"""Carrying a plan out: type by type, what is of one type side by side, and what goes last.

There is no transaction: where something fails, what has begun is waited for, nothing new begins, and the next `deploy`
goes on from what is there. A function whose update fails goes on with the revision that it had.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from faasbridge.deploy import Plan, Progress, Step
from faasbridge.errors import DeployError
from faasbridge.provider import Stage

from ..template import names
from ..template.document import TYPES, Owner, labels
from . import policies, secrets
from .artifacts import Artifacts
from .connection import Cloud, faults, patient
from .draining import drain, heir_of, settling_s
from .holding import held, is_own
from .logs import last_words
from .overtaking import refuse_overtaken
from .planning import CODE_LABEL, Action, Planned, Planner, with_urls
from .reading import Reader
from .relocating import relocated, try_locations

_AT_A_TIME = 8
_BEFORE_FUNCTIONS = TYPES.index("functions.function")
_AFTER_FUNCTIONS = "storage.notification"  # which a bucket that is made anew needs


class Rollout:
    """`settles`: whether what a subscription has given out is waited for before it goes."""

    def __init__(self, cloud: Cloud, stage: Stage, reader: Reader, planner: Planner, *, settles: bool) -> None:
        self._cloud = cloud
        self._stage = stage
        self._reader = reader
        self._planner = planner
        self._settles = settles
        self._policies = policies.Policies(cloud)
        self._artifacts = Artifacts(cloud)

    def apply(self, plan: Plan) -> Iterator[Progress]:
        """Raises DeployError where the plan was overtaken, else with the first cause."""
        planned: Planned = plan.token
        now = self._planner.compare(planned.artifact, planned.template, self._reader.read(planned.template))
        refuse_overtaken(planned, now)
        yield from self.carry_out(plan.steps, now, delete_data=True)

    def carry_out(self, steps: tuple[Step, ...], planned: Planned, *, delete_data: bool) -> Iterator[Progress]:
        """Without `delete_data`, what is removed has to be empty. Raises DeployError with the first cause."""
        self._delete_data = delete_data
        planned = replace(planned, actions=(*planned.actions, *_services_again(planned)))
        run = self._run = _Run(steps, planned)
        self._urls = dict(planned.urls)
        self._source = (_artifacts_of(planned), planned.artifact.sha256)
        self._template = planned.template
        makes, goes = _by_type(planned, ("create", "update", "replace")), _by_type(planned, ("delete",))
        late = relocated(planned.actions)
        late_names = {each.name for each in late}
        try_locations(self._reader.kinds["storage.bucket"], late)
        changes: dict[str, list[policies.Change]] = {}
        for change in planned.changes:
            changes.setdefault(_AFTER_FUNCTIONS if change.name in late_names else change.type, []).append(change)
        for at, type in enumerate(TYPES):
            if type == _AFTER_FUNCTIONS:
                yield from run.all([(each, self._make) for each in late])
                yield from run.all([(change, self._change) for change in changes.pop(type, ())])
            if at == _BEFORE_FUNCTIONS:
                yield from run.all([(change, self._change) for change in changes.pop(policies.PROJECT, ())])
                source = [each for each in makes.get(type, ()) if self._needs_source(each)]
                if source:
                    with faults():
                        patient(self._key, planned)
                    yield from self._artifacts.upload(self._source[0], planned.artifact)
            yield from run.all([(each, self._make) for each in makes.get(type, ()) if each not in late])
            yield from run.all([(change, self._change) for change in changes.pop(type, ())])
        for type in reversed(TYPES):
            yield from run.all([(each, self._remove) for each in goes.get(type, ())])
        if self._source[0]:
            with faults():
                patient(self._prune)
        yield from run.finish()

    def _make(self, action: Action) -> None:
        kind = self._reader.kinds[action.type]
        body = with_urls(action.body, self._urls)
        if action.type == "functions.function":
            self._function(kind, action, body)
        elif action.verb == "create":
            kind.create(action.name, body)
        elif action.verb == "update":
            kind.update(action.found, body, action.changed)
        else:
            self._delete(action)
            kind.create(action.name, body)

    def _function(self, kind: Any, action: Action, body: dict[str, Any]) -> None:
        if self._needs_source(action):
            body["buildConfig"]["source"] = {"storageSource": self._artifacts.source(*self._source)}
        try:
            if action.verb == "create":
                url = kind.create(action.name, body)
            else:
                changed = [*action.changed, *(("buildConfig",) if self._needs_source(action) else ())]
                url = kind.update(action.found, body, dict.fromkeys(changed))
        except Exception as error:
            words = last_words(self._cloud, action.name, str(getattr(error, "message", "")))
            if words:
                error.message = f"{error.message} Its log ends with: {words}"  # type: ignore[attr-defined]
            raise
        self._urls[action.id] = url

    def _needs_source(self, action: Action) -> bool:
        if action.verb == "create" or action.found is None or "buildConfig" in action.changed:
            return True
        before = action.found.body.get("labels") or {}
        return bool(before.get(CODE_LABEL) != action.body["labels"].get(CODE_LABEL))

    def _remove(self, action: Action) -> None:
        assert action.found is not None
        if action.type == "pubsub.subscription":
            heir = heir_of(action.found, self._template)
            if heir is not None:
                wait_s = settling_s(action.found) if self._settles else 0.0
                if wait_s:
                    self._run.tell(action, f"its old inbox is empty once nothing has come for {wait_s:.0f} s")
                drain(self._cloud, action.found, heir, wait_s)
        self._delete(action)

    def _delete(self, action: Action) -> None:
        assert action.found is not None
        kind = self._reader.kinds[action.type]
        if self._delete_data or is_own(action.found):
            for told in kind.emptied(action.found) if hasattr(kind, "emptied") else ():
                self._run.tell(action, told)
        elif found := held(self._cloud, self._reader.kinds, action.found):
            raise DeployError(f"{found}, written while it was being destroyed: destroy that as well with --delete-data")
        kind.delete(action.found)

    def _prune(self) -> None:
        functions = self._reader.kinds["functions.function"].found(labels(self._stage))
        bucket, digest = self._source
        used = {code for each in functions if (code := (each.body.get("labels") or {}).get(CODE_LABEL))}
        self._artifacts.prune(bucket, {digest, *used})

    def _change(self, change: policies.Change) -> None:
        if any("@gs-project-accounts." in each.member for each in change.add):
            # Cloud Storage makes its agent when it is first asked for.
            self._cloud.get("storage").get_service_account_email(project=self._cloud.project)
        self._policies.write(change)

    def _key(self, planned: Planned) -> None:
        key = planned.template["resources"].get(names.INVOKE_KEY)
        if key is not None:
            secrets.make_value(self._cloud, key["name"])


class _Run:
    """Tasks side by side, and what they mean for the steps: one starts with its first task, is done with its last."""

    def __init__(self, steps: tuple[Step, ...], planned: Planned) -> None:
        self._steps = {(step.kind, step.name.lower()): step for step in steps if step.action != "none"}
        self._left: dict[tuple[str, str], int] = {}
        for task in (*planned.actions, *planned.changes):
            for owner in _owners(task):
                self._left[owner] = self._left.get(owner, 0) + 1
        self._started: set[tuple[str, str]] = set()
        self._done: set[tuple[str, str]] = set()
        self._news: queue.SimpleQueue[tuple[Any, Future[None] | str]] = queue.SimpleQueue()

    def tell(self, task: Any, text: str) -> None:
        """How far a task is, from its thread."""
        self._news.put((task, text))

    def all(self, tasks: list[tuple[Any, Callable[[Any], None]]]) -> Iterator[Progress]:
        """Raises DeployError with the first cause, once nothing runs any more."""
        if not tasks:
            return
        waiting = list(reversed(tasks))
        running = 0
        cause: BaseException | None = None
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            while waiting or running:
                while waiting and running < _AT_A_TIME:
                    task, act = waiting.pop()
                    yield from self._starts(task)
                    future = pool.submit(patient, act, task)
                    future.add_done_callback(lambda done, task=task: self._news.put((task, done)))  # type: ignore[misc]
                    running += 1
                task, news = self._news.get()
                if isinstance(news, str):
                    yield from self._goes_on(task, news)
                    continue
                running -= 1
                error = news.exception()
                if error is None:
                    yield from self._ends(task)
                    continue
                waiting.clear()
                fault = _fault(task, error)
                yield from self._fails(task, str(fault))
                cause = cause or fault
        if cause is not None:
            raise cause

    def finish(self) -> Iterator[Progress]:
        for owner, step in self._steps.items():
            if owner not in self._done:
                if owner not in self._started:
                    yield Progress(step, "started")
                yield Progress(step, "done")

    def _starts(self, task: Any) -> Iterator[Progress]:
        for owner in _owners(task):
            if owner in self._steps and owner not in self._started:
                self._started.add(owner)
                yield Progress(self._steps[owner], "started")

    def _goes_on(self, task: Any, text: str) -> Iterator[Progress]:
        for owner in _owners(task):
            if owner in self._steps and owner not in self._done:
                yield Progress(self._steps[owner], "started", text)

    def _ends(self, task: Any) -> Iterator[Progress]:
        for owner in _owners(task):
            self._left[owner] -= 1
            if not self._left[owner] and owner in self._steps and owner not in self._done:
                self._done.add(owner)
                yield Progress(self._steps[owner], "done")

    def _fails(self, task: Any, text: str) -> Iterator[Progress]:
        for owner in _owners(task):
            if owner in self._steps and owner not in self._done:
                self._done.add(owner)
                yield Progress(self._steps[owner], "failed", text)


def _owners(task: Any) -> list[tuple[str, str]]:
    found: tuple[Owner, ...] = (task.owner,) if isinstance(task, Action) else task.owners
    return list(dict.fromkeys((each["kind"], each["name"].lower()) for each in found))


def _artifacts_of(planned: Planned) -> str:
    bucket = planned.template["resources"].get(names.ARTIFACTS)
    return bucket["name"] if bucket else ""


def _services_again(planned: Planned) -> Iterator[Action]:
    """The service of each function that is changed: Cloud Functions writes it anew, and what is set on it alone may be
    lost by that."""
    there = {each.id for each in planned.actions}
    for each in planned.actions:
        id = f"{each.id}:service"
        service = planned.template["resources"].get(id)
        if each.type == "functions.function" and service and service["body"] and id not in there:
            yield Action("create", "run.service", id, service["name"], service["owner"], service["body"])


def _fault(task: Any, error: BaseException) -> BaseException:
    what = task.name.rpartition("/")[2]
    if isinstance(task, Action) and task.owner["name"]:
        what = f"{task.owner['kind']} {task.owner['name']!r}"
    try:
        with faults(what):
            raise error
    except DeployError as fault:
        return fault
    except BaseException as other:  # noqa: BLE001 - it is raised once nothing runs any more
        return other


def _by_type(planned: Planned, verbs: tuple[str, ...]) -> Mapping[str, list[Action]]:
    found: dict[str, list[Action]] = {}
    for action in planned.actions:
        if action.verb in verbs:
            found.setdefault(action.type, []).append(action)
    return found
