"""What of a stage is there, read side by side: by label where a type has labels, else through what it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from faasbridge.provider import Stage

from ..template.document import Owner, Template, Type, labels
from ..template.names import database_name
from .connection import Cloud, patient
from .kinds import Found, kinds
from .policies import HAVE_POLICIES, PROJECT, Grant, Policies

_AT_A_TIME = 12
_BY_LABEL: tuple[Type, ...] = (
    "iam.serviceAccount",
    "pubsub.topic",
    "pubsub.subscription",
    "storage.bucket",
    "secretmanager.secret",
    "functions.function",
    "scheduler.job",
)


@dataclass(frozen=True)
class Current:
    """`resources` by type and `key`; `policies` by type and name of the resource."""

    resources: Mapping[tuple[str, str], Found]
    policies: Mapping[tuple[str, str], list[Grant]]

    def of_type(self, type: Type) -> list[Found]:
        return [each for each in self.resources.values() if each.type == type]

    @property
    def accounts(self) -> frozenset[str]:
        """Members of bindings that are service accounts of this stage."""
        return frozenset(
            f"serviceAccount:{each.name.rpartition('/')[2]}" for each in self.of_type("iam.serviceAccount")
        )


def key(type: str, name: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """What tells a resource: its name, or what it says where Google names it."""
    if type == "storage.notification":
        bucket = name.partition("/notificationConfigs/")[0]
        return type, f"{bucket} {body['topic']} {sorted(body['event_types'])}"
    if type == "firestore.index":
        fields = [(each.get("fieldPath"), each.get("order")) for each in body["fields"]]
        if fields and fields[-1][0] == "__name__":
            fields.pop()  # which Firestore adds or leaves out
        return type, f"{name.partition('/indexes/')[0]} {fields}"
    return type, name


class Reader:
    def __init__(self, cloud: Cloud, stage: Stage) -> None:
        self._cloud = cloud
        self._stage = stage
        self.kinds = kinds(cloud)
        self._policies = Policies(cloud)

    def read(self, template: Template | None = None, *, policies: bool = True) -> Current:
        """`template`: what is wanted, whose resources that others made are looked at as well."""
        wanted = labels(self._stage)
        database = self._cloud.resolved(database_name(self._stage))
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            listing = {type: pool.submit(_listed, self.kinds[type].found, wanted) for type in _BY_LABEL}
            databases = pool.submit(_listed, self.kinds["firestore.database"].found, database)
            found = {type: each.result() for type, each in listing.items()}
            more = [pool.submit(_listed, self.kinds["run.service"].found, found["functions.function"])]
            more.append(pool.submit(patient, self._notifications, found, template))
            left = {each.name.partition("/functions/")[0] for each in found["functions.function"]}
            for parent in left - {self._cloud.parent}:  # regions that the stage has left
                more.append(pool.submit(_listed, self.kinds["scheduler.job"].found, wanted, parent))
            if databases.result():
                for type in ("firestore.index", "firestore.field"):
                    more.append(pool.submit(_listed, self.kinds[type].found, database))
            everything = [*databases.result(), *(each for some in found.values() for each in some)]
            everything += [each for some in more for each in some.result()]
            resources = {key(each.type, each.name, each.body): each for each in everything}
            if not policies:
                return Current(resources, {})
            places: set[tuple[str, str]] = {(each.type, each.name) for each in everything if each.type in HAVE_POLICIES}
            places.add((PROJECT, self._cloud.project))
            for binding in template["bindings"] if template else ():
                if not binding["on"]:
                    places.add((binding["type"], binding["resource"]))
            read = {place: pool.submit(patient, self._policies.read, *place) for place in places}
            return Current(resources, {place: each.result() for place, each in read.items()})

    def _notifications(self, found: Mapping[Type, list[Found]], template: Template | None) -> list[Found]:
        topics = {each.name: each.owner for each in found["pubsub.topic"]}
        buckets = {each.name for each in found["storage.bucket"]}
        for each in template["resources"].values() if template else ():
            if each["type"] == "storage.notification":
                buckets.add(each["name"].partition("/notificationConfigs/")[0])
        listed = self.kinds["storage.notification"].found(sorted(buckets), frozenset(topics))
        return [replace(each, owner=_part_of(topics[each.body["topic"].partition(".com/")[2]])) for each in listed]


def _listed(found: Any, *arguments: Any) -> list[Found]:
    return patient(lambda: list(found(*arguments)))  # type: ignore[no-any-return]


def _part_of(owner: Owner) -> Owner:
    return {**owner, "part": owner.get("part", "events")}


def named(found: Iterable[Found], kind: str, name: str) -> Found | None:
    """The main resource of a declared thing."""
    for each in found:
        if each.owner["kind"] == kind and each.owner["name"] == name and "part" not in each.owner:
            return each
    return None
