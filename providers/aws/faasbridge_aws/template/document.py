"""The template as it grows: fragments of kits and of the template's own parts, merged by logical id. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage

_LIST_TAGS = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
    }
)
_MAP_TAGS = frozenset({"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage", "AWS::Pipes::Pipe"})
_NAMES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
}
_NO_TAG_CHARACTER = re.compile(r"[^A-Za-z0-9 _.:/=+@-]")  # Source: AWS Tagging, "Tag naming limits and requirements"


def tags(stage: Stage) -> dict[str, str]:
    """Those of the stack and of everything in it that takes tags."""
    found = {"faasbridge:app": stage.app, "faasbridge:stage": stage.name}
    if stage.version:
        found["faasbridge:version"] = _NO_TAG_CHARACTER.sub("-", stage.version)[:256]
    return found


class Document:
    def __init__(self, stage: Stage) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, Any] = {}
        self._stage = stage
        self._tags = tags(stage)

    def add(self, fragment: Mapping[str, Any], owner: Mapping[str, Any]) -> None:
        """Merges `{"Resources": ..., "Outputs": ...}`: members deeply, lists one after the other.

        A resource without Metadata of its own belongs to `owner`.
        """
        for id, resource in fragment.get("Resources", {}).items():
            known = self.resources.get(id)
            if known is None:
                self.resources[id] = _merged({"Metadata": dict(owner)}, resource)
            else:
                self.resources[id] = _merged(known, resource)
        self.outputs.update(fragment.get("Outputs", {}))

    def template(self) -> dict[str, Any]:
        """Raises ConfigError where two declared things would have one name."""
        self._check_names()
        for resource in self.resources.values():
            self._tag(resource)
        made: dict[str, Any] = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": f"{self._stage.app}, stage {self._stage.name}",
            "Metadata": identity(self._stage),
            "Parameters": {
                "ArtifactBucket": {"Type": "String", "Description": "The bucket that the code is in"},
                "ArtifactKey": {"Type": "String", "Description": "The key of the code in it"},
            },
            "Resources": dict(sorted(self.resources.items())),
        }
        if not any(each.get("Type") == "AWS::Lambda::Function" for each in self.resources.values()):
            del made["Parameters"]
        if self.outputs:
            made["Outputs"] = dict(sorted(self.outputs.items()))
        return made

    def _check_names(self) -> None:
        taken: dict[tuple[str, str], dict[str, Any]] = {}
        for resource in self.resources.values():
            name = resource.get("Properties", {}).get(_NAMES.get(resource.get("Type", "")))
            if (
                isinstance(name, str)
                and (other := taken.setdefault((resource["Type"], name), resource)) is not resource
            ):
                raise ConfigError(f"{_owner(other)} and {_owner(resource)} would both be {name} on AWS: rename one")

    def _tag(self, resource: dict[str, Any]) -> None:
        if resource.get("Type") in _LIST_TAGS:
            properties = resource.setdefault("Properties", {})
            own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}
            properties["Tags"] = [{"Key": key, "Value": value} for key, value in sorted({**self._tags, **own}.items())]
        elif resource.get("Type") in _MAP_TAGS:
            properties = resource.setdefault("Properties", {})
            properties["Tags"] = dict(sorted({**self._tags, **properties.get("Tags", {})}.items()))


def identity(stage: Stage) -> dict[str, Any]:
    """The template's own Metadata: app and stage of two stacks may differ where their names, `<app>-<stage>`, do
    not."""
    return {"faasbridge": {"app": stage.app, "stage": stage.name}}


def _owner(resource: Mapping[str, Any]) -> str:
    owner = resource["Metadata"].get("faasbridge", {})
    return f"{owner.get('kind', 'resource')} {owner.get('name', '')!r}"


def _merged(into: Mapping[str, Any], fragment: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(into)
    for key, value in fragment.items():
        known = result.get(key)
        if key == "Metadata":
            result[key] = value
        elif isinstance(known, dict) and isinstance(value, Mapping) and not _is_function(known):
            result[key] = _merged(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            result[key] = [*known, *(each for each in value if each not in known)]
        else:
            result[key] = dict(value) if isinstance(value, Mapping) else value
    return result


def _is_function(value: Mapping[str, Any]) -> bool:
    """An intrinsic function is one value."""
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))
