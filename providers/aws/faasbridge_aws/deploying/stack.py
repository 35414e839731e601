"""One CloudFormation stack: its state, its resources, and following an operation by its events to the end.

The end of an operation is told by its events, not by the stack's status, which may lag behind a request that was just
accepted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from faasbridge.errors import ConfigError, DeployError

from .connection import Clients, code_of, message_of

# Nothing of these is left to keep: a first deployment that failed, or was planned and never made.
UNMADE = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
SUCCEEDED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE"})
_STARTS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS"})
_CLEANUPS = frozenset({"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"})
_CANCELLED = ("Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled")
_BUSY_S, _SLOWEST_S = 1.0, 4.0

# What a declared thing is in itself; the other resources of the same owner are parts of it.
MAIN_TYPES: Mapping[str, tuple[str, ...]] = {
    "bucket": ("AWS::S3::Bucket",),
    "table": ("AWS::DynamoDB::Table",),
    "queue": ("AWS::SQS::Queue",),
    "topic": ("AWS::SNS::Topic",),
    "secret": ("AWS::SecretsManager::Secret",),
    "function": ("AWS::Lambda::Function",),
    "api": ("AWS::Lambda::Function", "AWS::ApiGatewayV2::Api"),
}

Owner = tuple[str, str]  # the kind and the name that the app knows it by


@dataclass(frozen=True)
class StackEvent:
    id: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str
    of_stack: bool

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")


@dataclass(frozen=True)
class StackResource:
    logical_id: str
    physical_id: str
    type: str
    owner: Owner
    is_part: bool  # of the owner, such as its dead letters, beside what the owner itself is


class Stack:
    def __init__(self, clients: Clients, name: str, identity: Mapping[str, Any]) -> None:
        self.name = name
        self._identity = identity
        self._clients = clients

    @property
    def api(self) -> Any:
        return self._clients.get("cloudformation")

    def describe(self, stack_id: str | None = None) -> dict[str, Any] | None:
        """None where there is none; by its id also one that is deleted."""
        from botocore.exceptions import ClientError

        try:
            found: dict[str, Any] = self.api.describe_stacks(StackName=stack_id or self.name)["Stacks"][0]
        except ClientError as error:
            if _is_absent(error):
                return None
            raise
        return found if stack_id or found["StackStatus"] != "DELETE_COMPLETE" else None

    def template(self) -> dict[str, Any]:
        """As it was sent; empty where the stack has none yet. Raises ConfigError where it is another program's or
        another app's."""
        from botocore.exceptions import ClientError

        try:
            body = self.api.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        except ClientError as error:
            if code_of(error) == "ValidationError":  # no stack, or one that only has a change set
                return {}
            raise
        # botocore has parsed it, unless it is YAML.
        template: dict[str, Any] = {} if isinstance(body, str) else json.loads(json.dumps(body))
        if isinstance(body, str) or (template.get("Resources") and not is_ours(template)):
            raise ConfigError(f"there is a stack {self.name} that FaaSBridge did not make: rename the app or the stage")
        whose = template.get("Metadata", {}).get("faasbridge")
        if whose is not None and whose != self._identity["faasbridge"]:
            raise ConfigError(
                f"the stack {self.name} is that of the app {whose['app']!r}, stage {whose['stage']!r}: "
                "rename this app or its stage"
            )
        return template

    def resources(self, template: Mapping[str, Any] | None = None) -> list[StackResource]:
        """Those that exist, with the owner that the template tells. Empty where there is no stack."""
        from botocore.exceptions import ClientError

        template = self.template() if template is None else template
        found, of_others = owners(template), parts(template)
        pages = self.api.get_paginator("list_stack_resources").paginate(StackName=self.name)
        try:
            summaries = [each for page in pages for each in page["StackResourceSummaries"]]
        except ClientError as error:
            if _is_absent(error):
                return []
            raise
        return [
            StackResource(
                each["LogicalResourceId"],
                each["PhysicalResourceId"],
                each["ResourceType"],
                found.get(each["LogicalResourceId"], ("", "")),
                each["LogicalResourceId"] in of_others,
            )
            for each in summaries
            if each.get("PhysicalResourceId") and each["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def newest_event(self, stack_id: str) -> str:
        events = self.api.describe_stack_events(StackName=stack_id)["StackEvents"]
        return str(events[0]["EventId"]) if events else ""

    def follow(self, stack_id: str, after: str | None) -> Iterator[StackEvent]:
        """The events after that one, as they come, until the operation that they tell of has ended.

        Without one, those of the operation that runs or ran last.
        """
        seen: set[str] = set()
        last = ""
        pause_s = 0.1
        while True:
            fresh = [each for each in self._events(stack_id, after) if each.id not in seen]
            for event in fresh:
                seen.add(event.id)
                yield event
                last = event.status if event.of_stack else last
            if last and not last.endswith("_IN_PROGRESS") and self._rests(stack_id, last, quiet=not fresh):
                return
            pause_s = min(pause_s * 1.5, _BUSY_S if fresh else _SLOWEST_S)
            time.sleep(pause_s)

    def _rests(self, stack_id: str, last: str, *, quiet: bool) -> bool:
        """A failure may be followed by a rollback, which the next event would tell of."""
        found = self.describe(stack_id)
        status = found["StackStatus"] if found is not None else last
        return not status.endswith("_IN_PROGRESS") and (quiet or last not in ("CREATE_FAILED", "UPDATE_FAILED"))

    def given_up(self, found: Mapping[str, Any], type_: str) -> tuple[str, ...]:
        """The physical ids of what the last update was to delete and could not: it is in no stack any more.

        Source: CloudFormation User Guide, "Troubleshooting", "Resource removed from stack but not deleted".
        """
        if found["StackStatus"] not in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
            return ()
        events = self._events(found["StackId"], None, _STARTS | _CLEANUPS)
        last = {event.physical_id: event.status for event in events if event.type == type_}
        return tuple(physical_id for physical_id, status in last.items() if status == "DELETE_FAILED")

    def refusal(self, reason: str, **where: str) -> str:
        """The first finding of the validation before a deployment, of which `reason` may tell only the number.

        Source: CloudFormation User Guide, "Validate stack deployments".
        """
        from botocore.exceptions import ClientError

        reason = " ".join(reason.split()).rstrip(".")
        if "DescribeEvents" not in reason and "Validation" not in reason:
            return reason
        try:
            events = self.api.describe_events(Filters={"FailedEvents": True}, **where)["OperationEvents"]
        except ClientError:  # the right to ask may be missing; the number is still true
            return reason
        for event in events:
            if event.get("ValidationStatusReason"):
                path = event.get("ValidationPath") or event.get("LogicalResourceId", "")
                return f"{path}: {event['ValidationStatusReason']}".rstrip(".")
        return reason

    def failure(self, events: list[StackEvent], template: Mapping[str, Any], ending: str) -> DeployError:
        """`table 'photos' (AWS::DynamoDB::Table): <reason>; <ending>`"""
        cause = first_cause(events)
        reason = "CloudFormation gave no reason" if cause is None else " ".join(cause.reason.split()).rstrip(".")
        if cause is None:
            return DeployError(f"{reason}; {ending}")
        if cause.of_stack:
            return DeployError(f"{self.refusal(reason, StackName=self.name)}; {ending}")
        kind, name = owners(template).get(cause.logical_id, ("resource", cause.logical_id))
        return DeployError(f"{kind} {name!r} ({cause.type}): {reason}; {ending}")

    def _events(self, stack_id: str, after: str | None, starts: frozenset[str] = _STARTS) -> list[StackEvent]:
        """In their order, those after that one or, without one, from the stack's newest in `starts` on. AWS gives the
        newest first."""
        from botocore.exceptions import ClientError

        found: list[StackEvent] = []
        try:
            for page in self.api.get_paginator("describe_stack_events").paginate(StackName=stack_id):
                for each in page["StackEvents"]:
                    if each["EventId"] == after:
                        return found[::-1]
                    event = _event(each)
                    found.append(event)
                    if after is None and event.of_stack and event.status in starts:
                        return found[::-1]
        except ClientError as error:
            if not _is_absent(error):
                raise
        return found[::-1]


def owners(template: Mapping[str, Any]) -> dict[str, Owner]:
    """Logical id -> the declared thing that the resource is, or is a part of. What a plugin put there without an owner
    is its own."""
    found = {}
    for logical_id, resource in template.get("Resources", {}).items():
        owner = _marked(resource) or {"kind": "resource", "name": logical_id}
        found[logical_id] = (owner["kind"], owner["name"])
    return found


def is_ours(template: Mapping[str, Any]) -> bool:
    return any(_marked(resource) for resource in template.get("Resources", {}).values())


def parts(template: Mapping[str, Any]) -> frozenset[str]:
    """The logical ids of the resources that are no more than a part of what owns them."""
    found = set()
    for logical_id, resource in template.get("Resources", {}).items():
        owner = _marked(resource)
        if "part" in owner or resource["Type"] not in MAIN_TYPES.get(owner.get("kind", ""), (resource["Type"],)):
            found.add(logical_id)
    return frozenset(found)


def first_cause(events: list[StackEvent]) -> StackEvent | None:
    """The failure that the others followed from: not one of those that were only cancelled because of it."""
    causes = [each for each in events if each.failed and not each.reason.startswith(_CANCELLED)]
    return next((each for each in causes if not each.of_stack), causes[0] if causes else None)


def _marked(resource: Mapping[str, Any]) -> Mapping[str, str]:
    return resource.get("Metadata", {}).get("faasbridge", {})  # type: ignore[no-any-return]


def _event(raw: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        raw["EventId"],
        raw.get("LogicalResourceId", ""),
        raw.get("PhysicalResourceId", ""),
        raw.get("ResourceType", ""),
        raw.get("ResourceStatus", ""),
        raw.get("ResourceStatusReason", ""),
        raw.get("PhysicalResourceId") == raw["StackId"] or raw.get("LogicalResourceId") == raw["StackName"],
    )


def _is_absent(error: Exception) -> bool:
    return code_of(error) == "ValidationError" and "does not exist" in message_of(error)
