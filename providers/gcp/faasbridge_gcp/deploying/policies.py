"""Bindings: what a template gives to its own service accounts and to Google's agents, against what they have.

Only those members are looked at and changed: what somebody else was given stays. A policy is read, changed and written
with its etag, and all of it again where somebody else wrote meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions

from ..template.document import Binding, Owner, Template, Type
from .connection import Cloud, settled

PROJECT = "project"
_TURNS = 20
_SERVICES: Mapping[str, str] = {
    "iam.serviceAccount": "accounts",
    "pubsub.topic": "publisher",
    "pubsub.subscription": "subscriber",
    "secretmanager.secret": "secretmanager",
    "run.service": "run",
    PROJECT: "projects",
}
HAVE_POLICIES = frozenset({*_SERVICES, "storage.bucket"})


@dataclass(frozen=True)
class Grant:
    role: str
    member: str
    expression: str = ""
    title: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.role, self.member, self.expression


@dataclass(frozen=True)
class Change:
    """Of the policy of one resource."""

    type: Type | str
    name: str
    add: tuple[Grant, ...]
    remove: tuple[Grant, ...]
    owners: tuple[Owner, ...]


def wanted(template: Template, project: str) -> dict[tuple[str, str], list[tuple[Grant, Owner]]]:
    """Type and name of the resource -> what is given on it."""
    found: dict[tuple[str, str], list[tuple[Grant, Owner]]] = {}
    for each in template["bindings"]:
        found.setdefault(_place(each, template, project), []).append((_grant(each), each["owner"]))
    return found


def compare(
    type: str, name: str, given: Iterable[tuple[Grant, Owner]], there: Iterable[Grant], ours: frozenset[str]
) -> Change | None:
    """What has to be changed; None for nothing. `ours`: the members whose grants a deployment decides."""
    given = list(given)
    before, after = {each.key: each for each in there}, {each.key: each for each, _ in given}
    add = tuple(each for key, each in after.items() if key not in before)
    remove = tuple(each for key, each in before.items() if key not in after and each.member in ours)
    if not add and not remove:
        return None
    touched = {each.key for each in add}
    owners = [owner for each, owner in given if each.key in touched]
    return Change(type, name, add, remove, tuple(owners))


class Policies:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def read(self, type: str, name: str) -> list[Grant]:
        """Nothing of a resource that is not there."""
        try:
            if type == "storage.bucket":
                return [*_of_bucket(self._bucket(name).get_iam_policy(requested_policy_version=3))]
            return [*_of_policy(self._get(type, name))]
        except exceptions.NotFound:
            return []

    def write(self, change: Change) -> None:
        for turn in range(_TURNS):
            try:
                self._write(change)
                return
            except (exceptions.Aborted, exceptions.PreconditionFailed, exceptions.Conflict):
                if turn == _TURNS - 1:
                    raise
                time.sleep(min(0.05 * 2**turn, 2.0))
            except exceptions.NotFound:
                if change.add:
                    raise
                return

    def _write(self, change: Change) -> None:
        if change.type == "storage.bucket":
            bucket = self._bucket(change.name)
            policy = bucket.get_iam_policy(requested_policy_version=3)
            policy.bindings = _changed_of_bucket(policy.bindings, change)
            policy.version = 3
            settled(bucket.set_iam_policy, policy=policy)
            return
        policy = self._get(change.type, change.name)
        _change_policy(policy, change)
        policy.version = 3
        api = self._cloud.get(_SERVICES[change.type])
        settled(api.set_iam_policy, request={"resource": self._resource(change.type, change.name), "policy": policy})

    def _get(self, type: str, name: str) -> Any:
        request = {"resource": self._resource(type, name), "options": {"requested_policy_version": 3}}
        return self._cloud.get(_SERVICES[type]).get_iam_policy(request=request)

    def _resource(self, type: str, name: str) -> str:
        return f"projects/{self._cloud.project}" if type == PROJECT else name

    def _bucket(self, name: str) -> Any:
        return self._cloud.get("storage").bucket(name.removeprefix("projects/_/buckets/"))


def _place(binding: Binding, template: Template, project: str) -> tuple[str, str]:
    if binding["on"] == PROJECT:
        return PROJECT, project
    if not binding["on"]:
        return binding["type"], binding["resource"]
    resource = template["resources"][binding["on"]]
    return resource["type"], resource["name"]


def _grant(binding: Binding) -> Grant:
    condition = binding.get("condition")
    if condition is None:
        return Grant(binding["role"], binding["member"])
    return Grant(binding["role"], binding["member"], condition["expression"], condition["title"])


def _of_policy(policy: Any) -> Iterable[Grant]:
    for binding in policy.bindings:
        for member in binding.members:
            yield Grant(binding.role, member, binding.condition.expression, binding.condition.title)


def _of_bucket(policy: Any) -> Iterable[Grant]:
    for binding in policy.bindings:
        condition = binding.get("condition") or {}
        for member in binding["members"]:
            yield Grant(binding["role"], member, condition.get("expression", ""), condition.get("title", ""))


def _change_policy(policy: Any, change: Change) -> None:
    """In place: whatever else others' bindings say, such as why a condition is there, stays."""
    gone = {each.key for each in change.remove}
    for binding in policy.bindings:
        kept = [each for each in binding.members if (binding.role, each, binding.condition.expression) not in gone]
        if len(kept) != len(binding.members):
            binding.members[:] = kept
    for at in reversed(range(len(policy.bindings))):
        if not policy.bindings[at].members:
            del policy.bindings[at]
    known = {(each.role, each.condition.expression, each.condition.title): each for each in policy.bindings}
    for (role, expression, title), members in _grouped(change.add):
        binding = known.get((role, expression, title))
        if binding is None:
            binding = policy.bindings.add(role=role)
            if expression:
                binding.condition.expression, binding.condition.title = expression, title
        binding.members[:] = sorted({*binding.members, *members})


def _changed_of_bucket(bindings: Iterable[Mapping[str, Any]], change: Change) -> list[dict[str, Any]]:
    gone = {each.key for each in change.remove}
    found = []
    for each in bindings:
        expression = (each.get("condition") or {}).get("expression", "")
        members = {member for member in each["members"] if (each["role"], member, expression) not in gone}
        if members:
            found.append({**each, "members": members})
    for (role, expression, title), given in _grouped(change.add):
        condition = {"expression": expression, "title": title} if expression else None
        for each in found:
            if each["role"] == role and each.get("condition") == condition:
                each["members"] |= set(given)
                break
        else:
            found.append({"role": role, "members": set(given), **({"condition": condition} if condition else {})})
    return found


def _grouped(grants: Iterable[Grant]) -> Iterable[tuple[tuple[str, str, str], list[str]]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for each in grants:
        found.setdefault((each.role, each.expression, each.title), []).append(each.member)
    return sorted(found.items())
