"""What a deployment would do, found by reading: the template against what is there, one step for each declared thing.

A declared thing is several resources: a function has an account, a service, an inbox. What changes in any of them is a
change of the thing; replaced or lost is it only where its main resource is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from faasbridge.deploy import Action as Verb
from faasbridge.deploy import Plan, Step
from faasbridge.errors import DeployError
from faasbridge.provider import Artifact, Stage
from faasbridge.spec import AppSpec

from ..template.document import Owner, Template
from ..template.names import PUBSUB_AGENT, STORAGE_AGENT
from . import policies, storage
from .connection import Cloud
from .holding import is_own, refuse_protected
from .kinds import Found, canonical
from .reading import Current, Reader, key

CODE_LABEL = "faasbridge-code"
_CODE_DIGITS = 40
_URL = "${url:"
_MOVING = ("DEPLOYING", "DELETING")
_LOST = frozenset({"storage.bucket", "firestore.field", "firestore.database", "secretmanager.secret"})
_STRENGTH: tuple[Verb, ...] = ("none", "update", "create", "delete", "replace")
# What cannot be changed. Sources: the reference of each type.
_FIXED: Mapping[str, frozenset[str]] = {
    "storage.bucket": frozenset({"location"}),
    "firestore.database": frozenset({"locationId", "type"}),
    "pubsub.subscription": frozenset({"topic"}),
    "secretmanager.secret": frozenset({"replication"}),
}
# What is ours to leave out: its absence counts.
_OWNED: Mapping[tuple[str, ...], frozenset[str]] = {
    ("functions.function", "serviceConfig"): frozenset({"minInstanceCount", "vpcConnector", "environmentVariables"}),
    ("firestore.database",): frozenset({"pointInTimeRecoveryEnablement", "deleteProtectionState"}),
}
_NOT_KEPT = frozenset({"POINT_IN_TIME_RECOVERY_DISABLED", "DELETE_PROTECTION_DISABLED"})


@dataclass(frozen=True)
class Action:
    """Of one resource. `body` is as the template has it, with the URLs of functions still to be put in."""

    verb: Literal["create", "update", "replace", "delete"]
    type: str
    id: str
    name: str
    owner: Owner
    body: Mapping[str, Any]
    found: Found | None = None
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """What `apply` needs. `urls`: logical id of a function -> where it is now. `moving`: the names of functions that an
    operation changes at this moment."""

    artifact: Artifact
    template: Template
    actions: tuple[Action, ...]
    changes: tuple[policies.Change, ...]
    urls: Mapping[str, str]
    moving: frozenset[str]


class Planner:
    def __init__(self, cloud: Cloud, stage: Stage, reader: Reader) -> None:
        self._cloud = cloud
        self._stage = stage
        self._reader = reader

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        """Raises ConfigError where tables would go that are protected."""
        from faasbridge.pipeline import template as synthesize

        template = self.resolved(synthesize(spec, self._stage), artifact)
        current = self._reader.read(template)
        planned = self.compare(artifact, template, current)
        gone = [each.found for each in planned.actions if each.verb == "delete" and each.found]
        refuse_protected(gone, current.of_type("firestore.database"), self._stage, "remove them")
        return Plan(self._stage.app, self._stage.name, "gcp", steps(planned, current), planned)

    def resolved(self, template: Mapping[str, Any], artifact: Artifact | None) -> Template:
        """With the project's names in place of tokens, and functions that say which code they have."""
        found: Template = json.loads(self._cloud.resolved(json.dumps(template)))
        for each in found["resources"].values():
            if each["type"] == "functions.function" and artifact is not None:
                each["body"]["labels"][CODE_LABEL] = artifact.sha256[:_CODE_DIGITS]
        return found

    def compare(self, artifact: Artifact, template: Template, current: Current) -> Planned:
        urls = {}
        for id, each in template["resources"].items():
            there = current.resources.get((each["type"], each["name"]))
            if each["type"] == "functions.function" and there is not None and there.details.get("url"):
                urls[id] = there.details["url"]
        actions = []
        seen = set()
        for id, each in template["resources"].items():
            place = key(each["type"], each["name"], each["body"])
            seen.add(place)
            action = self._action(id, each, current.resources.get(place), urls)
            if action is not None:
                actions.append(action)
        actions += list(_again(template, current, actions))
        for place, there in current.resources.items():
            if place not in seen and there.type != "run.service":
                actions.append(Action("delete", there.type, there.name, there.name, there.owner, {}, there))
        changes = self._policies(template, current, actions)
        moving = frozenset(each.name for each in current.resources.values() if each.state in _MOVING)
        return Planned(artifact, template, tuple(actions), changes, urls, moving)

    def _action(self, id: str, wanted: Any, there: Found | None, urls: Mapping[str, str]) -> Action | None:
        type, name, body, owner = wanted["type"], wanted["name"], wanted["body"], wanted["owner"]
        if there is None:
            return Action("create", type, id, name, owner, body)
        message = self._reader.kinds[type].message
        if message is None or type == "firestore.index":
            differ = _differences((type,), storage.canonical(body), there.body) if type == "storage.bucket" else ()
        else:
            known = canonical(message, with_urls(body, urls))
            differ = _differences((type,), known, there.body)
        if there.state in ("FAILED", "UNKNOWN"):
            differ = tuple(dict.fromkeys((*differ, "buildConfig", "labels", "serviceConfig")))
        if not differ:
            return None
        if _FIXED.get(type, frozenset()) & set(differ):
            if type == "firestore.database":
                raise DeployError(
                    f"the database {name} is in {there.body.get('locationId')} and cannot be moved: set "
                    f"`database_location` to that, or destroy the stage first"
                )
            return Action("replace", type, id, name, owner, body, there, differ)
        return Action("update", type, id, name, owner, body, there, differ)

    def _policies(self, template: Template, current: Current, actions: Iterable[Action]) -> tuple[policies.Change, ...]:
        wanted = policies.wanted(template, self._cloud.project)
        ours = current.accounts | {
            f"serviceAccount:{each['name'].rpartition('/')[2]}"
            for each in template["resources"].values()
            if each["type"] == "iam.serviceAccount"
        }
        # An account that is made has no grants: what a namesake had, which was deleted, holds no more.
        fresh = {
            f"serviceAccount:{each.name.rpartition('/')[2]}"
            for each in actions
            if each.type == "iam.serviceAccount" and each.verb == "create"
        }
        removed = {(each.type, each.name) for each in actions if each.verb == "delete"}
        anew = {(each.type, each.name) for each in actions if each.verb in ("create", "replace")}
        agents = {self._cloud.resolved(agent) for agent in (PUBSUB_AGENT, STORAGE_AGENT)}
        found = []
        for place in sorted({*wanted, *current.policies} - removed):
            there = (
                [] if place in anew else [each for each in current.policies.get(place, ()) if each.member not in fresh]
            )
            of_stage = place in {(each.type, each.name) for each in current.resources.values()}
            members = frozenset(ours | agents) if of_stage else frozenset(ours)
            change = policies.compare(*place, wanted.get(place, ()), there, members)
            if change is not None:
                found.append(change)
        return tuple(found)


def _again(template: Template, current: Current, actions: list[Action]) -> Iterator[Action]:
    """Notifications that are there, and go with their bucket: they are told with it."""
    anew = {each.name for each in actions if each.type == "storage.bucket" and each.verb == "replace"}
    made = {each.id for each in actions}
    for id, each in template["resources"].items():
        bucket = each["name"].partition("/notificationConfigs/")[0]
        if each["type"] == "storage.notification" and bucket in anew and id not in made:
            there = current.resources[key(each["type"], each["name"], each["body"])]
            yield Action("create", each["type"], id, each["name"], each["owner"], each["body"], there)


def with_urls(body: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    text = json.dumps(body)
    if _URL in text:
        for id, url in urls.items():
            text = text.replace(f"{_URL}{id}}}", url)
    return json.loads(text)  # type: ignore[no-any-return]


def steps(planned: Planned, current: Current) -> tuple[Step, ...]:
    """In the template's order, what goes at the end."""
    main = dict.fromkeys(
        (each["owner"]["kind"], each["owner"]["name"]) for each in planned.template["resources"].values()
    )
    before = {(each.owner["kind"], each.owner["name"].lower()) for each in current.resources.values()}
    # Labels have no capitals, so what is there may be called otherwise.
    functions = [each for each in current.of_type("functions.function") if each.details["function"]]
    names = {(each.owner["kind"], each.owner["name"]): each.details["function"] for each in functions}
    names.update({(kind, name.lower()): name for kind, name in main})
    found: dict[tuple[str, str], list[Step]] = {owner: [] for owner in main}
    for action in planned.actions:
        if action.verb == "create" and action.found is not None:
            continue
        kind, name = action.owner["kind"], action.owner["name"]
        if action.verb == "delete":
            name = names.get((kind, name), name)
        owner = (kind, name)
        found.setdefault(owner, []).append(
            _step(
                action,
                owner,
                stays=owner in main,
                is_new=(kind, name) not in before and (kind, name.lower()) not in before,
            )
        )
    for change in planned.changes:
        for whose in change.owners:
            owner = (whose["kind"], whose["name"])
            if owner in found:
                found[owner].append(Step("update", *owner, "rights"))
    return tuple(_strongest(owner, of_owner) for owner, of_owner in found.items())


def _step(action: Action, owner: tuple[str, str], *, stays: bool, is_new: bool) -> Step:
    part = action.owner.get("part", "")
    what = action.type.rpartition(".")[2]
    own = owner[0] == "app" or (action.found is not None and is_own(action.found))  # what is made up again
    loses = action.type in _LOST and not own
    if action.verb == "create":
        return Step("create", *owner) if is_new else Step("update", *owner, f"new {part or what}")
    if action.verb == "delete":
        if not stays:
            return Step("delete", *owner, data_loss=loses)
        return Step("update", *owner, f"no {part or what} any more", data_loss=loses)
    reason = _reason(action)
    if action.verb == "replace":
        said = f"{part + ': ' if part else ''}{reason}, it must be made anew"
        return Step("update" if part else "replace", *owner, said, data_loss=loses)
    main = not part and action.type != "run.service"
    return Step("update", *owner, reason if main else f"{part or what}: {reason}")


def _reason(action: Action) -> str:
    names = []
    for each in action.changed:
        if action.type == "functions.function" and each == "labels":
            assert action.found is not None
            before, after = action.found.body.get("labels") or {}, action.body["labels"]
            if before.get(CODE_LABEL) != after.get(CODE_LABEL):
                names.append("code")
                continue
        names.append(each)
    return ", ".join(dict.fromkeys(names))


def _strongest(owner: tuple[str, str], found: list[Step]) -> Step:
    if not found:
        return Step("none", *owner)
    strongest = max(found, key=lambda step: _STRENGTH.index(step.action))
    reasons = dict.fromkeys(step.reason for step in found if step.reason)
    if strongest.action in ("create", "delete"):
        reasons = {}
    return Step(strongest.action, *owner, "; ".join(reasons), any(step.data_loss for step in found))


def _differences(path: tuple[str, ...], wanted: Mapping[str, Any], there: Mapping[str, Any]) -> tuple[str, ...]:
    """The members in which what is there is not what is wanted."""
    owned = _OWNED.get(path, frozenset())
    names = [*wanted, *(name for name in owned if there.get(name) and name not in wanted)]
    return tuple(name for name in names if not _same((*path, name), wanted.get(name), there.get(name)))


def _same(path: tuple[str, ...], wanted: Any, there: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        if path[-1] == "environmentVariables":
            return dict(wanted) == dict(there)
        return not _differences(path, wanted, there)
    if isinstance(wanted, list) and isinstance(there, list):
        return len(wanted) == len(there) and all(map(lambda a, b: _same(path, a, b), wanted, there))
    if there in _NOT_KEPT:
        there = None
    return bool(wanted == there or (not wanted and not there))
