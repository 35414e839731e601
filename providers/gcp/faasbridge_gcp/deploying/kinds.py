"""Each type of a template's resources: how those of a stage are found, made, changed and removed.

What is found is in the same form as a template's body, the JSON of the API's own message, so that both can be compared.
Everything may be done twice: what is there already is changed, where it is ours, and what is gone stays so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.api_core import exceptions
from google.protobuf import json_format  # type: ignore[import-untyped, unused-ignore]

from ..template.document import APP_LABEL, STAGE_LABEL, Owner, Type
from .connection import Cloud, settled
from .owning import described, is_ours, owner_of, refuse_foreign
from .storage import Buckets, Notifications

Body = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A resource that is there. `handle` is Google's name of what it names itself."""

    type: Type
    name: str
    body: Body
    owner: Owner
    handle: str = ""
    state: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


def canonical(message: Any, body: Mapping[str, Any]) -> Body:
    """A template's body as the API would give it back."""
    return as_body(message.from_json(json.dumps(body)))


def as_body(message: Any) -> Body:
    return json_format.MessageToDict(type(message).pb(message))  # type: ignore[no-any-return]


def message_of(message: Any, body: Mapping[str, Any]) -> Any:
    return message.from_json(json.dumps(body))


def mask(fields: Iterable[str]) -> dict[str, list[str]]:
    """Of JSON's names: `serviceConfig` -> `service_config`."""
    return {"paths": [re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", name) for name in sorted(fields)]}


def gone(call: Callable[..., Any], **arguments: Any) -> Any:
    """A removal of what may be gone already."""
    try:
        return call(**arguments)
    except exceptions.NotFound:
        return None


class Accounts:
    type: Type = "iam.serviceAccount"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.iam_admin_v1 import ServiceAccount

        self.message: Any = ServiceAccount
        self._cloud = cloud
        self._api = cloud.get("accounts")

    def found(self, labels: Mapping[str, str]) -> Iterable[Found]:
        for each in self._api.list_service_accounts(name=f"projects/{self._cloud.project}"):
            said = described(each.description)
            if is_ours(said, labels):
                yield Found(self.type, each.name, as_body(each), owner_of(said))

    def create(self, name: str, body: Body) -> None:
        id = name.rpartition("/")[2].partition("@")[0]
        request = {"name": name.partition("/serviceAccounts/")[0], "account_id": id, "service_account": body_of(body)}
        try:
            self._api.create_service_account(request=request)
        except exceptions.AlreadyExists:
            refuse_foreign(name, self._api.get_service_account(name=name), body)
            self.update(Found(self.type, name, {}, {"kind": "", "name": ""}), body, body)

    def update(self, found: Found, body: Body, changed: Iterable[str]) -> None:
        account = {"name": found.name, **body_of(body)}
        self._api.patch_service_account(request={"service_account": account, "update_mask": mask(changed)})

    def delete(self, found: Found) -> None:
        gone(self._api.delete_service_account, name=found.name)


def body_of(body: Body) -> dict[str, Any]:
    return {"display_name": body.get("displayName", ""), "description": body.get("description", "")}


class Topics:
    type: Type = "pubsub.topic"

    def __init__(self, cloud: Cloud) -> None:
        from google.pubsub_v1.types import Topic

        self.message: Any = Topic
        self._cloud = cloud
        self._api = cloud.get("publisher")

    def found(self, labels: Mapping[str, str]) -> Iterable[Found]:
        for each in self._api.list_topics(project=f"projects/{self._cloud.project}"):
            if is_ours(each.labels, labels):
                yield Found(self.type, each.name, as_body(each), owner_of(each.labels))

    def create(self, name: str, body: Body) -> None:
        topic = message_of(self.message, {**body, "name": name})
        try:
            self._api.create_topic(request=topic)
        except exceptions.AlreadyExists:
            refuse_foreign(name, self._api.get_topic(topic=name), body)
            self._api.update_topic(request={"topic": topic, "update_mask": mask(body)})

    def update(self, found: Found, body: Body, changed: Iterable[str]) -> None:
        topic = message_of(self.message, {**body, "name": found.name})
        self._api.update_topic(request={"topic": topic, "update_mask": mask(changed)})

    def delete(self, found: Found) -> None:
        gone(self._api.delete_topic, topic=found.name)


class Subscriptions:
    type: Type = "pubsub.subscription"

    def __init__(self, cloud: Cloud) -> None:
        from google.pubsub_v1.types import Subscription

        self.message: Any = Subscription
        self._cloud = cloud
        self._api = cloud.get("subscriber")

    def found(self, labels: Mapping[str, str]) -> Iterable[Found]:
        for each in self._api.list_subscriptions(project=f"projects/{self._cloud.project}"):
            if is_ours(each.labels, labels):
                yield Found(self.type, each.name, as_body(each), owner_of(each.labels))

    def create(self, name: str, body: Body) -> None:
        wanted = message_of(self.message, {**body, "name": name})
        try:
            settled(self._api.create_subscription, request=wanted)
        except exceptions.AlreadyExists:
            refuse_foreign(name, self._api.get_subscription(subscription=name), body)
            fields = body.keys() - {"topic", "filter", "enableMessageOrdering"}
            self._api.update_subscription(request={"subscription": wanted, "update_mask": mask(fields)})

    def update(self, found: Found, body: Body, changed: Iterable[str]) -> None:
        wanted = message_of(self.message, {**body, "name": found.name})
        self._api.update_subscription(request={"subscription": wanted, "update_mask": mask(changed)})

    def delete(self, found: Found) -> None:
        gone(self._api.delete_subscription, subscription=found.name)


class Secrets:
    type: Type = "secretmanager.secret"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.secretmanager_v1.types import Secret

        self.message: Any = Secret
        self._cloud = cloud
        self._api = cloud.get("secretmanager")

    def found(self, labels: Mapping[str, str]) -> Iterable[Found]:
        clauses = " AND ".join(f"labels.{key}={labels[key]}" for key in (APP_LABEL, STAGE_LABEL))
        parent = f"projects/{self._cloud.project}"
        for each in self._api.list_secrets(request={"parent": parent, "filter": clauses}):
            name = f"{parent}/secrets/{each.name.rpartition('/')[2]}"  # it may say the project's number
            yield Found(self.type, name, as_body(each), owner_of(each.labels))

    def create(self, name: str, body: Body) -> None:
        parent, _, id = name.partition("/secrets/")
        secret = message_of(self.message, body)
        try:
            self._api.create_secret(request={"parent": parent, "secret_id": id, "secret": secret})
        except exceptions.AlreadyExists:
            refuse_foreign(name, self._api.get_secret(name=name), body)
            self.update(Found(self.type, name, {}, {"kind": "", "name": ""}), body, ("labels",))

    def update(self, found: Found, body: Body, changed: Iterable[str]) -> None:
        secret = message_of(self.message, {**body, "name": found.name})
        self._api.update_secret(request={"secret": secret, "update_mask": mask(changed)})

    def delete(self, found: Found) -> None:
        gone(self._api.delete_secret, name=found.name)


class Jobs:
    type: Type = "scheduler.job"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.scheduler_v1.types import Job

        self.message: Any = Job
        self._cloud = cloud
        self._api = cloud.get("scheduler")

    def found(self, labels: Mapping[str, str], parent: str = "") -> Iterable[Found]:
        """`parent` is another region than the stage's."""
        for each in self._api.list_jobs(parent=parent or self._cloud.parent):
            said = described(each.description)
            if is_ours(said, labels):
                yield Found(self.type, each.name, as_body(each), owner_of(said))

    def create(self, name: str, body: Body) -> None:
        job = message_of(self.message, {**body, "name": name})
        try:
            self._api.create_job(request={"parent": name.partition("/jobs/")[0], "job": job})
        except exceptions.AlreadyExists:
            refuse_foreign(name, self._api.get_job(name=name), body)
            self._api.update_job(request={"job": job, "update_mask": mask(body)})

    def update(self, found: Found, body: Body, changed: Iterable[str]) -> None:
        job = message_of(self.message, {**body, "name": found.name})
        self._api.update_job(request={"job": job, "update_mask": mask(changed)})

    def delete(self, found: Found) -> None:
        gone(self._api.delete_job, name=found.name)


def kinds(cloud: Cloud) -> dict[str, Any]:
    from .functions import Functions, Services
    from .tables import Databases, Fields, Indexes

    made = (
        Accounts,
        Databases,
        Topics,
        Buckets,
        Secrets,
        Indexes,
        Fields,
        Functions,
        Services,
        Subscriptions,
        Notifications,
        Jobs,
    )
    return {each.type: each(cloud) for each in made}
