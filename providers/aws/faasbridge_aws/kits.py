"""The built-in kinds on AWS, each as a `provider.ResourceKit`; a third party's kit gives the same fragments.

A fragment of `synthesize` and `subscribe` is `{"Resources": {logical id: resource}, "Outputs": ...}`; fragments are
merged by logical id, so one may add to what another made: members deeply, lists one after the other. `{"Ref": ...}` of
the resource `names.logical_id(kind, name)` is the address that a function finds in its environment. `grant` gives
`{"Statement": [...]}` for the function's role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from .template import buckets, names, policies, queues, tables, topics


@dataclass(frozen=True)
class Kit:
    kind: str
    driver: str

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        raise ConfigError(f"{function.location}: {resource.kind} {resource.name!r} sends no events on AWS")


class BucketKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return buckets.bucket(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"Statement": buckets.grants(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return buckets.subscription(resource, function, stage)


class TableKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return tables.table(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"Statement": tables.grants(resource, rights, stage)}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return tables.subscription(resource, function, stage)


class QueueKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return queues.own_queue(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        actions = ["sqs:SendMessage"] if "send" in rights else []
        return {"Statement": [policies.allow(actions, queues.arn_of(resource, stage))] if actions else []}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        """A queue is its handler's inbox already."""
        return queues.own_inbox(resource, function, stage)


class TopicKit(Kit):
    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return topics.topic(resource, stage)

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        actions = ["sns:Publish"] if "publish" in rights else []
        return {"Statement": [policies.allow(actions, topics.arn_of(resource, stage))] if actions else []}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return topics.subscription(resource, function, stage)


class SecretKit(Kit):
    """A secret has no value in the template: CloudFormation makes an empty one, the deployer puts versions.

    Its address is the whole ARN, which ends in characters that Secrets Manager chose, so a right to one secret is never
    a right to another of a similar name. Source: CloudFormation Template Reference, AWS::SecretsManager::Secret.
    """

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {
            "Resources": {
                names.logical_id("secret", resource.name): {
                    "Type": "AWS::SecretsManager::Secret",
                    "DeletionPolicy": "Delete",
                    "UpdateReplacePolicy": "Delete",
                    "Properties": {
                        "Name": stage.physical_name(resource.name, names.SECRET_CHARS),
                        "Description": f"{resource.name} of {stage.app}, stage {stage.name}",
                    },
                }
            }
        }

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        actions = ["secretsmanager:GetSecretValue"] if "get" in rights else []
        arn = names.get_att(names.logical_id("secret", resource.name), "Id")
        return {"Statement": [policies.allow(actions, arn)] if actions else []}


KITS = (
    BucketKit("bucket", "faasbridge_aws.drivers.bucket:BucketDriver"),
    TableKit("table", "faasbridge_aws.drivers.table:TableDriver"),
    QueueKit("queue", "faasbridge_aws.drivers.queue:QueueDriver"),
    TopicKit("topic", "faasbridge_aws.drivers.topic:TopicDriver"),
    SecretKit("secret", "faasbridge_aws.drivers.secret:SecretDriver"),
)
BUILT_IN = frozenset(kit.kind for kit in KITS)
