"""AppSpec -> what it needs of Google Cloud. Pure: the same spec, stage and kits give the same JSON.

document     what a template holds, and how fragments become one
names        logical ids, names in the project           settings    options of functions, settings of a stage
messages     topics, inboxes and their dead letters      grants      rights as roles on resources
sources      queues, topics, buckets, schedules: what feeds an inbox
tables       a stage's database, and the changes in it
functions    what runs, in whose name, and who may call it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faasbridge.adapter.binding import KINDS, variable
from faasbridge.errors import ConfigError
from faasbridge.provider import ResourceKit, Stage
from faasbridge.spec import AppSpec, FunctionSpec, ResourceSpec

from . import functions, grants, messages, names, sources, tables
from .document import Document, Template

__all__ = ["Template", "synthesize"]


def synthesize(spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> Template:
    """Raises ConfigError for what Google Cloud cannot do, and for a kind that no kit makes."""
    return _Synthesis(spec, stage, kits).template()


class _Synthesis:
    def __init__(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> None:
        self.spec = spec
        self.stage = stage
        self.kits = kits
        self.resources = {
            (each.kind, each.name): each for each in sorted(spec.resources, key=lambda each: (each.kind, each.name))
        }
        self.document = Document(stage)

    def template(self) -> Template:
        app = names.owner("app", self.stage.app)
        every = sorted(self.spec.functions, key=lambda each: each.name)
        if every:
            self.document.add(functions.artifacts(self.stage), app)
        if any(each.inbox is not None for each in every):
            self.document.add(functions.pusher(self.stage), app)
        if any(each.inbox is None for each in every):
            self.document.add(functions.invoke_key(self.stage), app)
        for resource in self.resources.values():
            owner = names.owner(resource.kind, resource.name)
            self.document.add(self._kit(resource).synthesize(resource, self.stage), owner)
            address = self._address(resource)
            if address is not None:
                self.document.addresses[variable(resource.kind, resource.name)] = address
        for function in every:
            self._function(function)
        return self.document.template()

    def _function(self, function: FunctionSpec) -> None:
        owner = names.owner(names.owner_kind(function), function.name)
        bindings, environment = self._uses(function)
        if function.inbox is None:
            self.document.endpoints[function.name] = names.function_id(function)
            environment["FAASBRIDGE_INVOKE_KEY"] = names.secret_name("invoke-key", self.stage)
            bindings.append({"on": names.INVOKE_KEY, "role": "roles/secretmanager.secretAccessor"})
        else:
            self._inbox(function)
            dead = names.dead_letters_id(function)
            environment["FAASBRIDGE_DEAD_LETTERS"] = names.topic_name(f"{names.inbox_name(function)}-dead", self.stage)
            bindings.append({"on": dead, "role": "roles/pubsub.publisher"})
        self.document.add(functions.function(function, self.stage, environment, bindings), owner)

    def _inbox(self, function: FunctionSpec) -> None:
        """The source says which topic it is a subscription to; the rest is the same for all."""
        owner = names.owner(names.owner_kind(function), function.name)
        source = self._source(function)
        if source is not None:
            fragment = self._kit(source).subscribe(source, function, self.stage)
        elif function.trigger.kind == "tick":
            fragment = sources.schedule(function, self.stage)
        else:
            raise ConfigError(f"{function.location}: nothing on Google Cloud sends a {function.trigger.kind!r}")
        id = names.inbox_id(function)
        rest = {each: made for each, made in fragment["resources"].items() if each != id}
        self.document.add({**fragment, "resources": rest}, owner)
        body = fragment["resources"][id]["body"]
        if source is None or source.kind != "queue":
            part = names.owner("function", function.name, "dead-letters")
            dead = messages.dead_letters(
                names.dead_letters_id(function),
                names.inbox_name(function),
                self.stage,
                part,
            )
            self.document.add(dead, owner)
            inbox_owner = names.owner("function", function.name, "inbox")
        else:
            inbox_owner = names.owner("queue", source.name, "subscription")
            if "dead_letters_of" in source.options:  # as the inbox of a handler it has dead letters of its own
                part = names.owner("queue", source.name, "dead-letters")
                dead = messages.dead_letters(names.dead_letters_id(function), source.name, self.stage, part)
                self.document.add(dead, owner)
        self.document.resources.pop(id, None)  # the one in which messages waited for a handler: it becomes this
        self.document.add(messages.inbox(function, self.stage, body, inbox_owner), owner)

    def _uses(self, function: FunctionSpec) -> tuple[list[Any], dict[str, str]]:
        """Bindings without a member, and the environment variables that say where the resources are."""
        rights: dict[tuple[str, str], set[str]] = {}
        for right in function.rights:
            rights.setdefault((right.kind, right.name), set()).add(right.operation)
        bindings: list[Any] = []
        environment: dict[str, str] = {}
        drivers: dict[str, str] = {}
        for key, operations in sorted(rights.items()):
            resource = self.resources.get(key) or self.spec.resource(*key)
            kit = self._kit(resource)
            bindings += kit.grant(resource, frozenset(operations), self.stage).get("bindings", ())
            address = self._address(resource)
            if address is not None:
                environment[variable(*key)] = address
            if resource.kind not in KINDS:
                drivers[resource.kind] = kit.driver
            if operations & {"sign_get", "sign_put"}:
                environment["FAASBRIDGE_ACCOUNT"] = names.account(function.name, self.stage)
                itself = names.function_id(function, "account")
                bindings.append({"on": itself, "role": "roles/iam.serviceAccountTokenCreator"})
        return grants.without_covered(bindings), {**environment, **functions.drivers_variable(drivers)}

    def _address(self, resource: ResourceSpec) -> str | None:
        """What a driver takes. Of a third party's kind the name of its main resource."""
        if resource.kind in ("queue", "topic"):
            return messages.existing_or_own_topic(resource, self.stage)
        if resource.kind == "bucket":
            return sources.bucket_address(resource, self.stage)
        if resource.kind == "table":
            return tables.address(resource, self.stage)
        if resource.existing:
            return names.existing(resource, self.stage, f"{resource.kind}s")
        made = self.document.resources.get(names.logical_id(resource.kind, resource.name))
        return made["name"] if made else None

    def _source(self, function: FunctionSpec) -> ResourceSpec | None:
        trigger = function.trigger
        return self.resources[trigger.resource_kind, trigger.resource] if trigger.resource_kind else None

    def _kit(self, resource: ResourceSpec) -> ResourceKit:
        kit = self.kits.get(resource.kind)
        if kit is None:
            raise ConfigError(
                f"{resource.location + ': ' if resource.location else ''}nothing makes the kind {resource.kind!r} of "
                f"{resource.name!r} on Google Cloud: install the plugin that has its kit"
            )
        return kit
