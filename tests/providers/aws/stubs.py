"""botocore clients whose answers are those of AWS's documentation, where no local AWS gets into such a state."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.stub import Stubber


class Stubs:
    def __init__(self) -> None:
        session = botocore.session.Session()
        session.set_credentials("test", "test")
        config = Config(retries={"total_max_attempts": 1})
        self.made: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}
        for service in ("cloudformation", "dynamodb", "logs", "sts", "s3", "lambda"):
            self.made[service] = session.create_client(service, region_name="eu-central-1", config=config)
            self.stubs[service] = Stubber(self.made[service])
            self.stubs[service].activate()

    def get(self, service: str) -> Any:
        return self.made[service]

    def says(self, operation: str, answer: dict[str, Any], service: str = "cloudformation") -> None:
        self.stubs[service].add_response(operation, answer)


TOPIC = {"Topic": {"Type": "AWS::SNS::Topic"}}
STACK = "AWS::CloudFormation::Stack"
ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-dev/1"


def stack(status: str, **more: Any) -> dict[str, Any]:
    found = {"StackName": "shop-dev", "StackId": ID, "StackStatus": status, "CreationTime": 0, **more}
    return {"Stacks": [found]}


def template(*, app: str = "shop", protected: bool = False) -> dict[str, Any]:
    """A stack's, with a table and a bucket."""

    def one(kind: str, name: str, type_: str, **properties: Any) -> dict[str, Any]:
        return {"Type": type_, "Metadata": {"faasbridge": {"kind": kind, "name": name}}, "Properties": properties}

    body = {
        "Metadata": {"faasbridge": {"app": app, "stage": "dev" if app == "shop" else "eu"}},
        "Resources": {
            "Rows": one("table", "rows", "AWS::DynamoDB::Table", DeletionProtectionEnabled=protected),
            "Files": one("bucket", "files", "AWS::S3::Bucket"),
        },
    }
    return {"TemplateBody": json.dumps(body)}


RESOURCES = {
    "StackResourceSummaries": [
        {
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": logical_id.lower(),
            "ResourceType": type_,
            "ResourceStatus": "CREATE_COMPLETE",
            "LastUpdatedTimestamp": 0,
        }
        for logical_id, type_ in (("Rows", "AWS::DynamoDB::Table"), ("Files", "AWS::S3::Bucket"))
    ]
}


def events(*found: tuple[str, str, str, str]) -> dict[str, Any]:
    """(logical id, type, status, reason), the oldest first."""
    return {
        "StackEvents": [
            {
                "EventId": f"{number}",
                "StackId": ID,
                "StackName": "shop-dev",
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": ID if logical_id == "shop-dev" else logical_id.lower(),
                "ResourceType": type_,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "Timestamp": 0,
            }
            for number, (logical_id, type_, status, reason) in reversed(list(enumerate(found)))
        ]
    }


def change_set(aws: Stubs, deployed: dict[str, Any] | None = None, /, **made: Any) -> None:
    """The calls that a change set of a template that differs takes."""
    id = "arn:aws:cloudformation:::changeSet/1"
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("get_template", deployed or {"TemplateBody": '{"Resources": {}, "Description": "older"}'})
    aws.says("describe_stack_events", events())
    aws.says("list_stack_resources", {"StackResourceSummaries": []})
    aws.says("list_change_sets", {"Summaries": []})
    aws.says("get_caller_identity", {"Account": "123456789012"}, "sts")
    aws.says("create_change_set", {"Id": id, "StackId": ID})
    aws.says("describe_change_set", {"ChangeSetId": id, **made})
