"""DynamoDB tables on demand, with the stream of their changes through a Pipe into inboxes. Pure.

Tables are encrypted with a key that DynamoDB owns, unless told otherwise: Developer Guide, "Encryption at rest".
"""

from __future__ import annotations

from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from ..attribute_value import EXPIRY, attribute_name
from . import names, policies
from .settings import of_resource

_ACTIONS = {
    "get": ["GetItem"],
    "put": ["PutItem"],
    "update": ["GetItem", "UpdateItem"],
    "delete": ["DeleteItem"],
    "scan": ["Scan"],
}
_STREAM = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"]


def table(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    """Keys are strings, indexes hold whole rows. A stage's settings may ask for more: `options.TableSettings`."""
    if resource.existing:
        names.existing_name(resource, stage)
        return {}
    options = resource.options
    settings = of_resource("tables", resource, stage)
    keys = _key_schema(options["key"], options.get("sort_key"))
    indexes = dict(sorted((options.get("indexes") or {}).items()))
    fields = {options["key"], options.get("sort_key"), *(field for pair in indexes.values() for field in pair)} - {None}
    for index in indexes:
        if len(index) < 3:  # Source: DynamoDB Developer Guide, "Naming rules"
            raise ConfigError(
                f"{resource.location}: table {resource.name!r}: AWS wants three characters of an index's name; "
                f"{index!r} has fewer"
            )
    properties: dict[str, Any] = {
        "TableName": names.table_name(resource, stage),
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute_name(field), "AttributeType": "S"} for field in sorted(fields)
        ],
        "KeySchema": keys,
        "TimeToLiveSpecification": {"AttributeName": EXPIRY, "Enabled": True},
        "PointInTimeRecoverySpecification": {
            "PointInTimeRecoveryEnabled": bool(settings.get("point_in_time_recovery", False))
        },
        "DeletionProtectionEnabled": bool(settings.get("deletion_protection", False)),
    }
    if indexes:
        properties["GlobalSecondaryIndexes"] = [
            {"IndexName": index, "KeySchema": _key_schema(*pair), "Projection": {"ProjectionType": "ALL"}}
            for index, pair in indexes.items()
        ]
    made = {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": properties,
    }
    return {"Resources": {names.logical_id("table", resource.name): made}}


def grants(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    arn = arn_of(resource, stage)
    actions = {f"dynamodb:{action}" for right in rights for action in _ACTIONS.get(right, ())}
    statements = [policies.allow(actions, arn)] if actions else []
    if "query" in rights:
        indexes = sorted(resource.options.get("indexes") or {})
        of_indexes = [names.sub("${Table}/index/" + index, Table=arn) for index in indexes]
        statements.append(policies.allow(["dynamodb:Query"], [arn, *of_indexes]))
    return statements


def subscription(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """A Pipe: each record of the stream is one message of the inbox.

    A batch that SQS refuses is halved until what is wrong stands alone; what cannot be delivered is told, by its
    sequence number, in the dead letters. Sources: EventBridge User Guide, "Pipes batching and concurrency", "Pipes
    error handling".
    """
    table_id = names.logical_id("table", resource.name)
    stream = _existing_stream(resource, stage) if resource.existing else names.get_att(table_id, "StreamArn")
    inbox, dead = (names.get_att(names.inbox_id(function, part), "Arn") for part in ("", "Dead"))
    role_id = names.logical_id("function", function.name, "PipeRole")
    statements = [
        policies.allow([f"dynamodb:{action}" for action in _STREAM], stream),
        policies.allow(["sqs:SendMessage"], [inbox, dead]),
    ]
    pipe = {
        "Type": "AWS::Pipes::Pipe",
        "Properties": {
            "RoleArn": names.get_att(role_id, "Arn"),
            "Source": stream,
            "SourceParameters": {
                "DynamoDBStreamParameters": {
                    "StartingPosition": "TRIM_HORIZON",
                    "BatchSize": 10,
                    "MaximumRetryAttempts": 100,
                    "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
                    "DeadLetterConfig": {"Arn": dead},
                }
            },
            "Target": inbox,
        },
    }
    made: dict[str, Any] = {
        role_id: policies.role("pipes.amazonaws.com", statements, of_account=True),
        names.logical_id("function", function.name, "Pipe"): pipe,
    }
    if not resource.existing:
        made[table_id] = {
            "Properties": {"StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"}},
            "Metadata": names.metadata("table", resource.name),
        }
    return {"Resources": made}


def arn_of(resource: ResourceSpec, stage: Stage) -> Any:
    if resource.existing:
        return names.account_arn("dynamodb", f"table/{names.existing_name(resource, stage)}")
    return names.arn("table", resource.name)


def _existing_stream(resource: ResourceSpec, stage: Stage) -> str:
    stream = of_resource("tables", resource, stage).get("stream")
    if not stream:
        raise ConfigError(
            f"table {resource.name!r} is declared with existing=True, and its stream's ARN cannot be known from its "
            f"name: turn the stream on with new and old images, and set `stream` in "
            f"[tool.faasbridge.stages.{stage.name}.aws.tables.{resource.name}]"
        )
    return str(stream)


def _key_schema(key: str, sort_key: str | None) -> list[dict[str, str]]:
    found = [{"AttributeName": attribute_name(key), "KeyType": "HASH"}]
    if sort_key is not None:
        found.append({"AttributeName": attribute_name(sort_key), "KeyType": "RANGE"})
    return found
