"""The template: what an app and stage need of Google Cloud, as resources of its APIs and bindings of IAM. Pure.

    {
        "app": "shop", "stage": "dev", "labels": {"faasbridge-app": "shop", ...},
        "resources": {logical id: Resource},
        "bindings": [Binding],
        "endpoints": {api: logical id of its function},
        "addresses": {"FAASBRIDGE_QUEUE_JOBS": "projects/${project}/topics/shop-dev-jobs", ...}
    }

Whatever is known only where it is deployed stands in strings as a token, keys of objects excepted: `${project}`,
`${number}` (the project's), `${region}`, and `${url:<logical id>}`, the URL (`serviceConfig.uri`) of a function.

Types are made in the order of this table, those of one type side by side, and removed in the reverse order.

A body is the JSON of the API's own message, in the form of protobuf's JSON mapping (`storage.*`: the JSON API's). It
holds what is wanted and no more: what is not in it is Google's default, and is not compared. It never holds the name.

    type                    name                                                       body
    iam.serviceAccount      projects/${project}/serviceAccounts/ID@...                 iam.admin.v1 ServiceAccount
    firestore.database      projects/${project}/databases/D                            firestore.admin.v1 Database
    pubsub.topic            projects/${project}/topics/T                               pubsub.v1 Topic
    storage.bucket          projects/_/buckets/B                                       JSON API's Bucket
    secretmanager.secret    projects/${project}/secrets/S                              secretmanager.v1 Secret
    firestore.index         .../databases/D/collectionGroups/C/indexes/<logical id>    firestore.admin.v1 Index
    firestore.field         .../databases/D/collectionGroups/C/fields/F                firestore.admin.v1 Field
    functions.function      projects/${project}/locations/${region}/functions/F        functions.v2 Function
    run.service             projects/${project}/locations/${region}/services/F         run.v2 Service
    pubsub.subscription     projects/${project}/subscriptions/S                        pubsub.v1 Subscription
    storage.notification    projects/_/buckets/B/notificationConfigs/<logical id>      JSON API's Notification
    scheduler.job           projects/${project}/locations/${region}/jobs/J             scheduler.v1 Job

- `storage.notification` and `firestore.index` are named by Google: they are found by what their bodies say. Neither can
  be changed, only made anew.
- `functions.function` lacks `buildConfig.source`, which is the deployer's.
- `run.service` is made by the function of that name: it is only patched, with the fields of its body as the mask, after
  each change of the function. Its IAM policy says who may call the function.
- `firestore.field` is that of a table's expiry. It is there always: it is patched, and in place of its removal its
  `ttlConfig` is cleared and the table's documents deleted.
- What has labels says there whose it is (`labels`); a service account and a job say so in their description. The rest
  belongs to one of those, or is ours by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, TypedDict, get_args

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage

Type = Literal[
    "iam.serviceAccount",
    "firestore.database",
    "pubsub.topic",
    "storage.bucket",
    "secretmanager.secret",
    "firestore.index",
    "firestore.field",
    "functions.function",
    "run.service",
    "pubsub.subscription",
    "storage.notification",
    "scheduler.job",
]
TYPES: tuple[Type, ...] = get_args(Type)
LABELLED = frozenset(
    {"pubsub.topic", "pubsub.subscription", "storage.bucket", "functions.function", "secretmanager.secret"}
)
DESCRIBED = frozenset({"iam.serviceAccount", "scheduler.job"})
PROJECT = "project"

APP_LABEL, STAGE_LABEL, VERSION_LABEL = "faasbridge-app", "faasbridge-stage", "faasbridge-version"
KIND_LABEL, NAME_LABEL, PART_LABEL = "faasbridge-kind", "faasbridge-name", "faasbridge-part"
_NO_LABEL_CHARACTER = re.compile(r"[^a-z0-9_-]")
_LABEL_CHARS = 63
_GOOGLE = re.compile("g[o0]{2}gle")


class Owner(TypedDict):
    """The declared thing that a resource is, or a part of; a plan's step is about it."""

    kind: str
    name: str
    part: NotRequired[str]  # "dead-letters", "inbox", ...; absent from the one resource that is the thing itself


class Resource(TypedDict):
    type: Type
    name: str
    body: dict[str, Any]
    owner: Owner


class Condition(TypedDict):
    """As in google.type.Expr."""

    title: str
    expression: str


class Binding(TypedDict):
    """A role for one member on one resource, or with "project" on the whole project."""

    on: str  # logical id, or "project"
    role: str
    member: str  # "serviceAccount:shop-dev-work-1a2b3c4d@${project}.iam.gserviceaccount.com"
    owner: Owner
    condition: NotRequired[Condition]
    # In place of a logical id (`on` is empty then): the name and type of what is declared as existing.
    resource: NotRequired[str]
    type: NotRequired[Type]


class Template(TypedDict):
    app: str
    stage: str
    labels: dict[str, str]
    resources: dict[str, Resource]
    bindings: list[Binding]
    endpoints: dict[str, str]
    addresses: dict[str, str]


def labels(stage: Stage) -> dict[str, str]:
    """Those of everything of a stage that takes labels.

    Source: Resource Manager documentation, "Labels overview", requirements: at most 63 lower-case letters, digits,
    hyphens and underscores.
    """
    return {APP_LABEL: _label(stage.app), STAGE_LABEL: _label(stage.name)}


def owner_labels(owner: Owner) -> dict[str, str]:
    """Those that say what it is, for what is in no template any more. Capitals are lost."""
    found = {KIND_LABEL: _label(owner["kind"]), NAME_LABEL: _label(owner["name"])}
    return {**found, PART_LABEL: _label(owner["part"])} if "part" in owner else found


def description(stage: Stage, owner: Owner) -> str:
    """The same for what has a description."""
    pairs = {**labels(stage), **owner_labels(owner)}
    return " ".join(f"{key}={value}" for key, value in pairs.items())


def _label(text: str) -> str:
    return _NO_LABEL_CHARACTER.sub("-", text.lower())[:_LABEL_CHARS]


class Document:
    """The template as it grows: fragments of kits and of the template's own parts.

    A fragment is `{"resources": {logical id: {type, name, body}}, "bindings": [...]}`; an owner that it lacks is
    the one that `add` is told.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._labels = labels(stage)
        self.resources: dict[str, Resource] = {}
        self.bindings: list[Binding] = []
        self.endpoints: dict[str, str] = {}
        self.addresses: dict[str, str] = {}

    def add(self, fragment: Mapping[str, Any], owner: Owner) -> None:
        """Merged by logical id: of bodies the members, deeply, lists one after the other. Equal bindings are one."""
        for id, given in fragment.get("resources", {}).items():
            self.resources[id] = _merged(self.resources.get(id, {"owner": owner, "body": {}}), given)  # type: ignore[assignment]
        for binding in fragment.get("bindings", ()):
            whole: Any = {"owner": owner, **binding}
            if not any(_target(each) == _target(whole) for each in self.bindings):
                self.bindings.append(whole)

    def template(self) -> Template:
        """Raises ConfigError where two resources would have one name, or one a name that Google keeps for itself."""
        names: dict[str, str] = {}
        for id, resource in self.resources.items():
            _check_name(resource)
            other = names.setdefault(f"{resource['type']} {resource['name']}", id)
            if other != id:
                raise ConfigError(
                    f"{_said(self.resources[other]['owner'])} and {_said(resource['owner'])} would both be "
                    f"{resource['name']} on Google Cloud: rename one"
                )
            if resource["type"] in LABELLED:
                own = {**self._labels, **owner_labels(resource["owner"]), **resource["body"].get("labels", {})}
                resource["body"]["labels"] = own
            elif resource["type"] in DESCRIBED:
                resource["body"]["description"] = description(self._stage, resource["owner"])
        return {
            "app": self._stage.app,
            "stage": self._stage.name,
            "labels": self._labels,
            "resources": dict(sorted(self.resources.items())),
            "bindings": sorted(self.bindings, key=_target),
            "endpoints": dict(sorted(self.endpoints.items())),
            "addresses": dict(sorted(self.addresses.items())),
        }


def _target(binding: Binding) -> tuple[str, ...]:
    condition = binding.get("condition")
    return (
        binding["on"],
        binding.get("resource", ""),
        binding["role"],
        binding["member"],
        condition["expression"] if condition else "",
    )


def _check_name(resource: Resource) -> None:
    """Sources: Pub/Sub reference, Topic.name; Cloud Storage documentation, "Bucket naming requirements"."""
    name, type = resource["name"].rpartition("/")[2], resource["type"]
    starts = name.startswith("goog") and type in ("pubsub.topic", "pubsub.subscription", "storage.bucket")
    if starts or (type == "storage.bucket" and _GOOGLE.search(name)):
        raise ConfigError(
            f"{_said(resource['owner'])} would be {name} on Google Cloud, and "
            f"{'names that start with goog' if starts else 'buckets called google'} are Google's own: rename "
            f"{'the app' if starts else 'the bucket or the app'}"
        )


def _said(owner: Owner) -> str:
    return f"{owner['kind']} {owner['name']!r}"


def _merged(into: Mapping[str, Any], fragment: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(into)
    for key, value in fragment.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping) and key != "owner":
            result[key] = _merged(known, value)
        elif isinstance(known, list) and isinstance(value, Iterable):
            result[key] = [*known, *(each for each in value if each not in known)]
        else:
            result[key] = dict(value) if isinstance(value, Mapping) else value
    return result
