"""S3 buckets: private, encrypted, over TLS only; their events through EventBridge into inboxes. Pure.

Sources: S3 User Guide, "Blocking public access", "Controlling ownership of objects", "Using EventBridge", "Using CORS";
EventBridge User Guide, "Comparison operators for use in event patterns" and quotas; Lambda Developer Guide, "Using
event filtering with an Amazon SQS event source".
"""

from __future__ import annotations

import json
from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from . import names, policies, queues
from .settings import of_resource

# S3 answers 403 for a missing key where the caller may not list the bucket: API_GetObject, "Permissions".
_ACTIONS = {
    "get": (["GetObject"], ["ListBucket"]),
    "head": (["GetObject"], ["ListBucket"]),
    "put": (["PutObject", "AbortMultipartUpload"], []),
    "delete": (["DeleteObject"], []),
    "list": ([], ["ListBucket"]),
    "copy": (["GetObject", "PutObject", "AbortMultipartUpload"], ["ListBucket"]),
    "sign_get": (["GetObject"], []),
    "sign_put": (["PutObject"], []),
}
_DETAIL_TYPES = {"create": "Object Created", "delete": "Object Deleted"}


def bucket(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    if resource.existing:
        names.existing_name(resource, stage)
        return {}
    id = names.logical_id("bucket", resource.name)
    closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    properties: dict[str, Any] = {
        "BucketName": names.bucket_name(resource.name, stage),
        "PublicAccessBlockConfiguration": dict.fromkeys(closed, True),
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        # Whoever has a signed URL may use it from any page; what it allows is in the signature.
        "CorsConfiguration": {
            "CorsRules": [
                {
                    "AllowedOrigins": ["*"],
                    "AllowedMethods": ["GET", "HEAD", "PUT"],
                    "AllowedHeaders": ["*"],
                    "ExposedHeaders": ["ETag", "Content-Length", "Content-Range", "Accept-Ranges"],
                    "MaxAge": 600,
                }
            ]
        },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "interrupted-uploads",
                    "Status": "Enabled",
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                }
            ]
        },
    }
    if of_resource("buckets", resource, stage).get("versioning"):
        properties["VersioningConfiguration"] = {"Status": "Enabled"}
    arn = names.get_att(id, "Arn")
    policy = policies.document([policies.tls_only("s3:*", [arn, names.sub("${Bucket}/*", Bucket=arn)])])
    return {
        "Resources": {
            id: {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": properties,
            },
            names.logical_id("bucket", resource.name, "Policy"): {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": {"Ref": id}, "PolicyDocument": policy},
            },
        }
    }


def grants(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    arn = arn_of(resource, stage)
    of_objects = {f"s3:{action}" for right in rights for action in _ACTIONS.get(right, ([], []))[0]}
    of_bucket = {f"s3:{action}" for right in rights for action in _ACTIONS.get(right, ([], []))[1]}
    statements = []
    if of_objects:
        statements.append(policies.allow(of_objects, names.sub("${Bucket}/*", Bucket=arn)))
    if of_bucket:
        statements.append(policies.allow(of_bucket, arn))
    return statements


def subscription(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """A rule of EventBridge that sends the bucket's events to the inbox, or where that fails to its dead letters.

    A pattern's values are alternatives. A wildcard could ask for prefix and suffix at once, but an account may have 30
    rules with one. So of both the rule asks for the prefix, and what polls the inbox for the suffix.
    """
    inbox, dead = names.inbox_id(function), names.inbox_id(function, "Dead")
    rule_id = names.logical_id("function", function.name, "Rule")
    settings = function.trigger.settings
    wanted = [{name: text} for name in ("prefix", "suffix") if (text := settings.get(name))]
    detail: dict[str, Any] = {"bucket": {"name": [address_of(resource, stage)]}}
    if wanted:
        detail["object"] = {"key": wanted[:1]}
    made: dict[str, Any] = {
        rule_id: {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": stage.physical_name(function.name, names.RULE_CHARS),
                "Description": f"{function.trigger.kind} in {resource.name}, for {function.name}",
                "EventPattern": {
                    "source": ["aws.s3"],
                    "detail-type": [_DETAIL_TYPES[function.trigger.kind]],
                    "detail": detail,
                },
                "Targets": [
                    {
                        "Id": "inbox",
                        "Arn": names.get_att(inbox, "Arn"),
                        "DeadLetterConfig": {"Arn": names.get_att(dead, "Arn")},
                    }
                ],
            },
        },
        **queues.admit(inbox, "events.amazonaws.com", names.get_att(rule_id, "Arn")),
        **queues.admit(dead, "events.amazonaws.com", names.get_att(rule_id, "Arn")),
    }
    if len(wanted) > 1:
        pattern = json.dumps({"body": {"detail": {"object": {"key": wanted[1:]}}}})
        made[names.logical_id("function", function.name, "Mapping")] = {
            "Properties": {"FilterCriteria": {"Filters": [{"Pattern": pattern}]}}
        }
    if not resource.existing:
        made[names.logical_id("bucket", resource.name)] = {
            "Properties": {
                "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
            },
            "Metadata": names.metadata("bucket", resource.name),
        }
    return {"Resources": made}


def arn_of(resource: ResourceSpec, stage: Stage) -> Any:
    if resource.existing:
        return names.sub(f"arn:${{AWS::Partition}}:s3:::{names.existing_name(resource, stage)}")
    return names.arn("bucket", resource.name)


def address_of(resource: ResourceSpec, stage: Stage) -> Any:
    return names.existing_name(resource, stage) if resource.existing else names.ref("bucket", resource.name)
