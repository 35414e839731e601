"""Which queue a function is fed from, and which one takes what it could not handle: read from what is deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from faasbridge.errors import ConfigError

from .connection import Clients


@dataclass(frozen=True)
class Inbox:
    """`owner` is `queue:NAME` or `function:NAME`; `url` and `dead_letters` are URLs."""

    owner: str
    arn: str
    url: str
    dead_letters: str
    attempts: int  # after which SQS moves a message there

    @property
    def of_messages(self) -> bool:
        """Whether what is in it is a message, whatever it looks like."""
        return self.owner.startswith("queue:")


def inbox_of(clients: Clients, mapping: str, physical_name: str, function: str, queues: Mapping[str, str]) -> Inbox:
    """What the event-source mapping of that id polls. `queues`: the declared ones, by their physical names."""
    api = clients.get("lambda")
    arn = str(api.get_event_source_mapping(UUID=mapping)["EventSourceArn"])
    url = _url(clients, arn)
    # Where the function buries; an existing queue may have another policy, or none.
    variables = api.get_function_configuration(FunctionName=physical_name).get("Environment", {}).get("Variables", {})
    dead = variables.get("FAASBRIDGE_DEAD_LETTERS", "")
    attributes = clients.get("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    policy = json.loads(attributes.get("Attributes", {}).get("RedrivePolicy", "{}"))
    if not dead:
        if "deadLetterTargetArn" not in policy:
            raise ConfigError(f"the inbox of function {function!r} has no dead letters")
        dead = _url(clients, policy["deadLetterTargetArn"])
    owner = f"queue:{queues[name]}" if (name := arn.rpartition(":")[2]) in queues else f"function:{function}"
    return Inbox(owner, arn, url, dead, int(policy.get("maxReceiveCount", 1)))


def depth(clients: Clients, url: str) -> dict[str, int]:
    """About how many messages wait, and how many are being handled."""
    names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
    found = clients.get("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    waiting, handled, delayed = (int(found.get(name, 0)) for name in names)
    return {"waiting": waiting + delayed, "in flight": handled}


def _url(clients: Clients, arn: str) -> str:
    *_, account, name = arn.split(":")
    return str(clients.get("sqs").get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])
