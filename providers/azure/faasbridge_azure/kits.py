"""The built-in kinds on Azure, each as a `provider.ResourceKit`; a third party's kit gives the same fragments.

`synthesize` gives `{"resources": [...]}`, resources of a template that may lack `apiVersion`, `location` and tags;
fragments are merged by type and name. `grant` gives `{"grants": [...]}`, what `roles.grant` makes, or for Cosmos DB
what `tables.grants` does. `subscribe` gives all that, and `settings` of the function app besides. `address` is what a
function finds in its environment, as a template has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from .template import buckets, queues, secrets, tables, topics


@dataclass(frozen=True)
class Kit:
    kind: str
    driver: str

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        raise ConfigError(f"{function.location}: {resource.kind} {resource.name!r} sends no events on Azure")


class BucketKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return buckets.bucket(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"grants": buckets.grants(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return buckets.subscription(resource, function, stage)

    def address(self, resource: ResourceSpec, stage: Stage) -> str:
        return buckets.address(resource, stage)


class TableKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return tables.table(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"grants": tables.grants(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        """What reads the changes runs beside the handler."""
        return tables.feed(resource, function, stage)

    def address(self, resource: ResourceSpec, stage: Stage) -> str:
        return tables.address(resource, stage)


class QueueKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return queues.queue(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"grants": queues.grants(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return queues.own_inbox(resource, function, stage)

    def address(self, resource: ResourceSpec, stage: Stage) -> str:
        return queues.address(resource, stage)


class TopicKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return topics.topic(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"grants": topics.grants(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return topics.subscription(resource, function, stage)

    def address(self, resource: ResourceSpec, stage: Stage) -> str:
        return topics.address(resource, stage)


class SecretKit(Kit):
    """A secret is a name in the app's vault until it has a value."""

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"grants": secrets.grants(resource, rights, stage)}

    def address(self, resource: ResourceSpec, stage: Stage) -> str:
        return secrets.address(resource, stage)


KITS = (
    BucketKit("bucket", "faasbridge_azure.drivers.bucket:BucketDriver"),
    TableKit("table", "faasbridge_azure.drivers.table:TableDriver"),
    QueueKit("queue", "faasbridge_azure.drivers.queue:QueueDriver"),
    TopicKit("topic", "faasbridge_azure.drivers.topic:TopicDriver"),
    SecretKit("secret", "faasbridge_azure.drivers.secret:SecretDriver"),
)
BUILT_IN = frozenset(kit.kind for kit in KITS)
