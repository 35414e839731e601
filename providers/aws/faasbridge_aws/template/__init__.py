"""AppSpec -> CloudFormation template. Pure: the same spec, stage and kits give the same JSON, and nothing is read.

    names        logical ids, physical names, outputs       policies    statements, roles
    document     fragments merged by logical id, tags       settings    options of functions, settings of a stage
    queues       inboxes and their dead letters             timing      batches, time-outs, visibility
    buckets tables topics schedules                         the sources, each with what feeds an inbox from it
    function api                                            what runs, and how it is reached
    versions                                                what SnapStart starts from

What depends on the artifact is in the parameters `ArtifactBucket` and `ArtifactKey`. Each resource names in its
Metadata the declared thing that it is, or is a `part` of: `{"faasbridge": {"kind": "queue", "name": "jobs"}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import ResourceKit, Stage
from faasbridge.spec import AppSpec, FunctionSpec, ResourceSpec

from . import api, names, policies, queues, schedules, versions
from . import function as functions
from .document import Document, identity, tags
from .settings import architecture, of_function

__all__ = ["identity", "synthesize", "tags"]

_POLL = ["ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage"]
_BUILT_IN = ("bucket", "queue", "secret", "table", "topic")


def synthesize(spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> dict[str, Any]:
    """Raises ConfigError for what AWS cannot do, and for a kind that no kit makes."""
    return _Synthesis(spec, stage, kits).template()


class _Synthesis:
    def __init__(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> None:
        self.spec = spec
        self.stage = stage
        self.kits = kits
        self.architecture = architecture(spec, stage)
        self.resources = {
            (each.kind, each.name): each for each in sorted(spec.resources, key=lambda each: (each.kind, each.name))
        }
        for key, each in self.resources.items():
            self.resources[key] = self._with_order(each)
        self.document = Document(stage)

    def template(self) -> dict[str, Any]:
        for resource in self.resources.values():
            kit = self._kit(resource)
            self.document.add(kit.synthesize(resource, self.stage), names.metadata(resource.kind, resource.name))
        for function in sorted(self.spec.functions, key=lambda each: each.name):
            self._function(function)
        for function in self.spec.functions:
            if of_function(function).get("snap_start"):
                owner = names.metadata(names.owner_kind(function), function.name)
                self.document.add(versions.version(function, self.document.resources), owner)
        return self.document.template()

    def _function(self, function: FunctionSpec) -> None:
        owner = names.metadata(names.owner_kind(function), function.name)
        statements, addresses = self._uses(function)
        target = versions.target(function)
        if function.inbox is None:
            self.document.add(api.endpoint(function, self.stage, target), owner)
        else:
            inbox_arn, fifo = self._inbox(function, owner)
            dead = names.inbox_id(function, "Dead")
            statements = [
                policies.allow([f"sqs:{action}" for action in _POLL], inbox_arn),
                policies.allow(["sqs:SendMessage"], names.get_att(dead, "Arn")),
                *statements,
            ]
            addresses = {**addresses, "FAASBRIDGE_DEAD_LETTERS": {"Ref": dead}}
            self.document.add(functions.mapping(function, target, inbox_arn, fifo=fifo), owner)
        made = functions.function(function, self.stage, self.architecture, statements, addresses)
        self.document.add(made, owner)

    def _inbox(self, function: FunctionSpec, owner: Mapping[str, Any]) -> tuple[Any, bool]:
        """The ARN of the function's inbox, which its source fills, and whether it keeps an order."""
        source = self._source(function)
        if source is not None and source.kind == "queue":
            self.document.add(self._kit(source).subscribe(source, function, self.stage), owner)
            return queues.arn_of(source, self.stage), queues.is_fifo(source, self.stage)
        fifo = source is not None and source.kind == "topic" and queues.is_fifo(source, self.stage)
        self.document.add(queues.function_inbox(function, self.stage, fifo=fifo), owner)
        if source is not None:
            self.document.add(self._kit(source).subscribe(source, function, self.stage), owner)
        elif function.trigger.kind == "tick":
            self.document.add(schedules.schedule(function, self.stage), owner)
        return names.get_att(names.inbox_id(function), "Arn"), fifo

    def _uses(self, function: FunctionSpec) -> tuple[list[Any], dict[str, Any]]:
        """Statements for the role, and the environment variables that say where the resources are."""
        rights: dict[tuple[str, str], set[str]] = {}
        for right in function.rights:
            rights.setdefault((right.kind, right.name), set()).add(right.operation)
        statements: list[Any] = []
        addresses: dict[str, Any] = {}
        drivers: dict[str, str] = {}
        for key, operations in sorted(rights.items()):
            resource = self.resources.get(key) or self.spec.resource(*key)
            kit = self._kit(resource)
            statements += kit.grant(resource, frozenset(operations), self.stage).get("Statement", ())
            address = self._address(resource)
            if address is not None:
                addresses[names.address_variable(*key)] = address
            if resource.kind not in _BUILT_IN:
                drivers[resource.kind] = kit.driver
        return statements, {**addresses, **functions.drivers_variable(drivers)}

    def _address(self, resource: ResourceSpec) -> Any:
        if not resource.existing:
            id = names.logical_id(resource.kind, resource.name)
            return {"Ref": id} if id in self.document.resources else None
        if resource.kind == "queue":
            return queues.url_of(resource, self.stage)
        if resource.kind == "topic":
            from .topics import arn_of

            return arn_of(resource, self.stage)
        return names.existing_name(resource, self.stage)

    def _source(self, function: FunctionSpec) -> ResourceSpec | None:
        trigger = function.trigger
        if not trigger.resource_kind:
            return None
        return self.resources[trigger.resource_kind, trigger.resource]

    def _kit(self, resource: ResourceSpec) -> ResourceKit:
        kit = self.kits.get(resource.kind)
        if kit is None:
            raise ConfigError(
                f"{resource.location + ': ' if resource.location else ''}nothing makes the kind {resource.kind!r} of "
                f"{resource.name!r} on AWS: install the plugin that has its kit"
            )
        return kit

    def _with_order(self, resource: ResourceSpec) -> ResourceSpec:
        """Dead letters keep an order where the queue does whose they are: SQS wants the same of both."""
        top = resource
        while (parent := top.options.get("dead_letters_of")) is not None:
            top = self.resources[top.kind, parent]
        if top is resource:
            return resource
        ordered = queues.is_fifo(top, self.stage)
        return replace(resource, options={**resource.options, "ordered": ordered})
