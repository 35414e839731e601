"""SNS topics, and their subscriptions by inboxes: raw, so that a message arrives as it was published. Pure.

A topic passes messages on; where they wait, in inboxes and dead letters, they are encrypted. A key of KMS for the topic
would need rights of every publisher. Sources: SNS Developer Guide, "Raw message delivery", "Dead-letter queues",
"Securing Amazon SNS data with server-side encryption".
"""

from __future__ import annotations

from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from . import names, policies, queues


def topic(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    if resource.existing:
        names.existing_name(resource, stage)
        return {}
    fifo = bool(resource.options.get("ordered"))
    id = names.logical_id("topic", resource.name)
    properties: dict[str, Any] = {"TopicName": names.topic_name(resource.name, stage, fifo=fifo)}
    if fifo:
        properties["FifoTopic"] = True
    policy = {
        "Topics": [{"Ref": id}],
        "PolicyDocument": policies.document([policies.tls_only("sns:Publish", {"Ref": id})]),
    }
    return {
        "Resources": {
            id: {"Type": "AWS::SNS::Topic", "Properties": properties},
            names.logical_id("topic", resource.name, "Policy"): {"Type": "AWS::SNS::TopicPolicy", "Properties": policy},
        }
    }


def subscription(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    topic_arn = arn_of(resource, stage)
    inbox, dead = names.inbox_id(function), names.inbox_id(function, "Dead")
    made = {
        "Type": "AWS::SNS::Subscription",
        "DependsOn": [queues.policy_id(inbox), queues.policy_id(dead)],
        "Properties": {
            "TopicArn": topic_arn,
            "Protocol": "sqs",
            "Endpoint": names.get_att(inbox, "Arn"),
            "RawMessageDelivery": True,
            "RedrivePolicy": {"deadLetterTargetArn": names.get_att(dead, "Arn")},
        },
    }
    return {
        "Resources": {
            names.logical_id("function", function.name, "Subscription"): made,
            **queues.admit(inbox, "sns.amazonaws.com", topic_arn),
            **queues.admit(dead, "sns.amazonaws.com", topic_arn),
        }
    }


def arn_of(resource: ResourceSpec, stage: Stage) -> Any:
    if not resource.existing:
        return names.ref("topic", resource.name)
    name = names.existing_name(resource, stage)
    return name if name.startswith("arn:") else names.account_arn("sns", name)
