"""The built-in kinds on Google Cloud, each as a `provider.ResourceKit`; a third party's kit gives the same fragments.

A fragment is `{"resources": {logical id: {"type", "name", "body"}}, "bindings": [...]}`, as `template.document` says;
fragments are merged by logical id. Of `subscribe` it holds besides `{names.inbox_id(function): {"body": {"topic": ...,
"filter": ...}}}`: which topic the function's inbox is a subscription to. `grant` gives `{"bindings": [...]}` without
members. The name of the resource `names.logical_id(kind, name)` is the address that a function finds in its
environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from .template import grants, names, sources, tables


@dataclass(frozen=True)
class Kit:
    kind: str
    driver: str

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        raise ConfigError(f"{function.location}: {resource.kind} {resource.name!r} sends no events on Google Cloud")


class BucketKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return sources.bucket(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"bindings": grants.bucket(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return sources.bucket_inbox(resource, function, stage)


class TableKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return tables.table(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"bindings": grants.table(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return tables.inbox(resource, function, stage)


class QueueKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return sources.queue(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"bindings": grants.publisher(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return sources.queue_inbox(resource, function, stage)


class TopicKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return sources.topic(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"bindings": grants.publisher(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return sources.topic_inbox(resource, function, stage)


class SecretKit(Kit):
    """A secret has no value in the template: the deployer puts versions."""

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        if resource.existing:
            names.existing_name(resource, stage)
            return {}
        name = names.secret_name(resource.name, stage)
        made = {"type": "secretmanager.secret", "name": name, "body": {"replication": {"automatic": {}}}}
        return {"resources": {names.logical_id("secret", resource.name): made}}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"bindings": grants.secret(resource, rights, stage)}


KITS = (
    BucketKit("bucket", "faasbridge_gcp.drivers.bucket:BucketDriver"),
    TableKit("table", "faasbridge_gcp.drivers.table:TableDriver"),
    QueueKit("queue", "faasbridge_gcp.drivers.queue:QueueDriver"),
    TopicKit("topic", "faasbridge_gcp.drivers.topic:TopicDriver"),
    SecretKit("secret", "faasbridge_gcp.drivers.secret:SecretDriver"),
)
BUILT_IN = frozenset(kit.kind for kit in KITS)
