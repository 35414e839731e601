"""Where the drivers of tools find what is deployed: bucket and table names, URLs of queues, ARNs of topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from faasbridge.app import App
from faasbridge.provider import Stage
from faasbridge.resources import Resource

from ..bind import DRIVERS
from ..template.names import dead_letters_name
from .connection import Account
from .stack import StackResource


def addresses(
    account: Account, stage: Stage, app: App, resources: Iterable[StackResource]
) -> dict[tuple[str, str], str]:
    """(kind, name) -> address, of what the stack made and of what was there before it."""
    found: dict[tuple[str, str], str] = {}
    for each in resources:
        kind, name = each.owner
        if not each.is_part:
            found[kind, name] = each.physical_id
        elif kind == "queue" and each.type == "AWS::SQS::Queue":
            found.setdefault((kind, dead_letters_name(name)), each.physical_id)
    for resource in app.resources.values():
        if resource.existing and resource.name in stage.existing:
            found[resource.kind, resource.name] = _existing(account, resource, stage.existing[resource.name])
    return found


def third_party_drivers() -> Mapping[str, str]:
    """Kind -> "module:Class", of the kinds that plugins bring."""
    from faasbridge.plugins import kits

    return {kind: kit.driver for kind, kit in kits("aws").items() if kind not in DRIVERS}


def _existing(account: Account, resource: Resource, name: str) -> str:
    if resource.kind == "queue":
        owner = {"QueueOwnerAWSAccountId": name.split(":")[4]} if name.startswith("arn:") else {}
        found = account.clients.get("sqs").get_queue_url(QueueName=name.rpartition(":")[2], **owner)
        return str(found["QueueUrl"])
    if resource.kind == "topic" and not name.startswith("arn:"):
        return f"arn:{account.partition}:sns:{account.region}:{account.id}:{name}"
    return name
