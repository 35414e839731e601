"""SQS: an inbox with its dead letters, for a queue of the app's own and for any other function. Pure.

Messages are kept as long as SQS can: one that is moved to the dead letters of a standard queue keeps the time it was
sent, so a shorter time in the inbox would only lose what waits there. Sources: SQS Developer Guide, "Using dead-letter
queues", "Encryption at rest", "SQS policy examples".
"""

from __future__ import annotations

from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from . import names, policies
from .timing import visibility_s

KEEP_S = 14 * 24 * 3600


def own_queue(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    """A declared queue and its dead letters. A queue of dead letters is made by the one that it belongs to."""
    id = names.logical_id("queue", resource.name)
    if "dead_letters_of" in resource.options:
        owner = names.metadata("queue", resource.name)
        return {"Resources": {each: {"Metadata": owner} for each in (id, policy_id(id))}}
    fifo, attempts = is_fifo(resource, stage), resource.options.get("max_attempts", 5)
    if resource.existing:
        return {"Resources": _dead_letters("queue", resource.name, id, arn_of(resource, stage), stage, fifo=fifo)}
    return {"Resources": _pair("queue", resource.name, id, resource.name, stage, fifo=fifo, attempts=attempts)}


def own_inbox(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """What a queue lacks to be the inbox of its handler."""
    id, fifo = names.logical_id("queue", resource.name), is_fifo(resource, stage)
    if resource.existing:
        return {}
    if "dead_letters_of" in resource.options:
        made = _pair("queue", resource.name, id, resource.name, stage, fifo=fifo, attempts=function.max_attempts)
        # What the queue itself lacks; all else of it is made by the queue whose dead letters it holds.
        redrive = made[id]["Properties"]["RedrivePolicy"]
        made = {each: made[each] for each in made if each not in (id, policy_id(id))}
    else:
        made, redrive = {}, {"maxReceiveCount": function.max_attempts}
    made[id] = {
        "Properties": {"VisibilityTimeout": visibility_s(function), "RedrivePolicy": redrive},
        "Metadata": names.metadata("queue", resource.name),
    }
    return {"Resources": made}


def function_inbox(function: FunctionSpec, stage: Stage, *, fifo: bool) -> dict[str, Any]:
    """The inbox of a function that no queue of the app feeds."""
    made = _pair(
        "function",
        function.name,
        names.inbox_id(function),
        f"{function.name}-inbox",
        stage,
        fifo=fifo,
        attempts=function.max_attempts,
        dead_id=names.inbox_id(function, "Dead"),
    )
    made[names.inbox_id(function)]["Properties"]["VisibilityTimeout"] = visibility_s(function)
    return {"Resources": made}


def is_fifo(resource: ResourceSpec, stage: Stage) -> bool:
    if resource.existing:
        return names.existing_name(resource, stage).endswith(".fifo")
    return bool(resource.options.get("ordered"))


def arn_of(resource: ResourceSpec, stage: Stage) -> Any:
    if not resource.existing:
        return names.arn("queue", resource.name)
    name = names.existing_name(resource, stage)
    return name if name.startswith("arn:") else names.account_arn("sqs", name)


def url_of(resource: ResourceSpec, stage: Stage) -> Any:
    if not resource.existing:
        return names.ref("queue", resource.name)
    name = names.existing_name(resource, stage)
    region, account = "${AWS::Region}", "${AWS::AccountId}"
    if name.startswith("arn:"):
        *_, region, account, name = name.split(":")
    return names.sub(f"https://sqs.{region}.${{AWS::URLSuffix}}/{account}/{name}")


def _pair(
    kind: str, name: str, id: str, base_name: str, stage: Stage, *, fifo: bool, attempts: int, dead_id: str = ""
) -> dict[str, Any]:
    physical = names.queue_name(base_name, stage, fifo=fifo)
    dead_id = dead_id or names.logical_id("queue", names.dead_letters_name(name))
    redrive = {"deadLetterTargetArn": names.get_att(dead_id, "Arn"), "maxReceiveCount": attempts}
    return {
        **queue(id, physical, fifo=fifo, RedrivePolicy=redrive),
        **_dead_letters(
            kind,
            name,
            id,
            names.account_arn("sqs", physical),
            stage,
            fifo=fifo,
            dead_id=dead_id,
            base_name=base_name,
        ),
    }


def _dead_letters(
    kind: str, name: str, id: str, source: Any, stage: Stage, *, fifo: bool, dead_id: str = "", base_name: str = ""
) -> dict[str, Any]:
    """`source`: the ARN of the one queue that moves messages there; not taken from the queue, which refers to this."""
    dead_id = dead_id or names.logical_id("queue", names.dead_letters_name(name))
    physical = names.queue_name(names.dead_letters_name(base_name or name), stage, fifo=fifo)
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [source]}
    made = queue(dead_id, physical, fifo=fifo, RedriveAllowPolicy=allowed)
    return {each: {**made[each], "Metadata": names.metadata(kind, name, "dead-letters")} for each in made}


def queue(id: str, physical: str, *, fifo: bool, **more: Any) -> dict[str, Any]:
    """`more`: properties besides."""
    properties: dict[str, Any] = {
        "QueueName": physical,
        "MessageRetentionPeriod": KEEP_S,
        "SqsManagedSseEnabled": True,
        **more,
    }
    if fifo:
        properties["FifoQueue"] = True
    return {
        id: {
            "Type": "AWS::SQS::Queue",
            "Properties": properties,
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
        },
        policy_id(id): policy(id, policies.tls_only("sqs:*", names.get_att(id, "Arn"))),
    }


def policy(id: str, *statements: Any) -> dict[str, Any]:
    """The policy of a queue, or what is to be added to it."""
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {"Queues": [{"Ref": id}], "PolicyDocument": policies.document(statements)},
    }


def policy_id(queue_id: str) -> str:
    head, _, name = queue_id.partition("0")
    return f"{head}Policy0{name}"


def admit(queue_id: str, service: str, source_arn: Any) -> dict[str, Any]:
    """Lets a source send to the queue: to be merged with its policy."""
    return {policy_id(queue_id): policy(queue_id, policies.sends(service, names.get_att(queue_id, "Arn"), source_arn))}
