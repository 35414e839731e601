"""A Lambda function with what is its own alone: role, log group, environment, and the mapping from its inbox. Pure.

Sources: Lambda Developer Guide, "Lambda execution role", "Using environment variables", "Giving functions access to
resources in a VPC", "Improving startup performance with Lambda SnapStart"; CloudFormation Template Reference,
AWS::Lambda::Function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec

from . import names, policies
from .settings import of_function
from .timing import batch_size, timeout_s, window_s

_ENVIRONMENT_BYTES = 4096
_REFERENCE_BYTES = 160  # about the longest that an address gets: an ARN, the URL of a queue
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(REGION|DEFAULT_REGION|EXECUTION_ENV|LAMBDA_.*|ACCESS_KEY(_ID)?"
    r"|SECRET_ACCESS_KEY|SESSION_TOKEN)|LAMBDA_(TASK_ROOT|RUNTIME_DIR)"
)
_RETENTION_DAYS = 30
LEAST_CONCURRENCY, _MOST_CONCURRENCY = 2, 1000  # of a mapping: API_ScalingConfig
_SNAPSHOT_STORAGE_MB = 512
_INTERFACES = [
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
]


def function(
    spec: FunctionSpec, stage: Stage, architecture: str, grants: list[Any], addresses: Mapping[str, Any]
) -> dict[str, Any]:
    """`grants`: the statements of what it uses; `addresses`: environment variables that lead there."""
    kind, options = names.owner_kind(spec), of_function(spec)
    id = names.function_id(spec)
    role_id, log_id = (names.logical_id(kind, spec.name, part) for part in ("Role", "Log"))
    name = names.function_name(spec.name, stage)
    properties: dict[str, Any] = {
        "FunctionName": name,
        "Description": f"{spec.name} of {stage.app}, stage {stage.name}",
        "Runtime": f"python{stage.python}",
        "Architectures": [architecture],
        "Handler": "faasbridge_aws.entry.handler",
        "Code": {"S3Bucket": {"Ref": "ArtifactBucket"}, "S3Key": {"Ref": "ArtifactKey"}},
        "Role": names.get_att(role_id, "Arn"),
        "MemorySize": max(128, spec.memory_mb),
        "Timeout": timeout_s(spec),
        "Environment": {"Variables": environment(spec, stage, addresses)},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": log_id}},
    }
    if "ephemeral_storage_mb" in options:
        if options.get("snap_start") and options["ephemeral_storage_mb"] > _SNAPSHOT_STORAGE_MB:
            raise ConfigError(
                f"{spec.location}: snap_start goes with ephemeral_storage_mb up to {_SNAPSHOT_STORAGE_MB}, not "
                f"{options['ephemeral_storage_mb']}: leave one of them out"
            )
        properties["EphemeralStorage"] = {"Size": options["ephemeral_storage_mb"]}
    if "reserved_concurrency" in options:
        properties["ReservedConcurrentExecutions"] = options["reserved_concurrency"]
    if "layers" in options:
        properties["Layers"] = list(options["layers"])
    in_network = "subnet_ids" in options or "security_group_ids" in options
    if in_network:
        properties["VpcConfig"] = {
            "SubnetIds": list(options.get("subnet_ids", ())),
            "SecurityGroupIds": list(options.get("security_group_ids", ())),
        }
    if options.get("recursive_loop"):
        properties["RecursiveLoop"] = "Allow"
    if options.get("snap_start"):
        properties["SnapStart"] = {"ApplyOn": "PublishedVersions"}
    log = policies.allow(["logs:CreateLogStream", "logs:PutLogEvents"], names.get_att(log_id, "Arn"))
    # The actions on network interfaces cannot be limited to resources that do not exist yet.
    network = [policies.allow([f"ec2:{action}" for action in _INTERFACES], "*")] if in_network else []
    return {
        "Resources": {
            log_id: {
                "Type": "AWS::Logs::LogGroup",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {
                    "LogGroupName": f"/aws/lambda/{name}",
                    "RetentionInDays": options.get("log_retention_days", _RETENTION_DAYS),
                },
            },
            role_id: policies.role("lambda.amazonaws.com", [log, *network, *grants]),
            id: {"Type": "AWS::Lambda::Function", "Properties": properties},
        }
    }


def mapping(spec: FunctionSpec, target: Any, inbox_arn: Any, *, fifo: bool) -> dict[str, Any]:
    """What polls the inbox. `target`: the ARN of what is invoked."""
    properties: dict[str, Any] = {
        "EventSourceArn": inbox_arn,
        "FunctionName": target,
        "BatchSize": batch_size(spec, fifo=fifo),
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    window = window_s(spec, fifo=fifo)
    if window:
        properties["MaximumBatchingWindowInSeconds"] = window
    options = of_function(spec)
    most, reserved = options.get("max_concurrency"), options.get("reserved_concurrency", 0)
    if most is None and reserved >= LEAST_CONCURRENCY:
        # Else Lambda takes more messages than may run, and each that it turns away has lost an attempt.
        most = min(reserved, _MOST_CONCURRENCY)
    if most is not None:
        properties["ScalingConfig"] = {"MaximumConcurrency": most}
    id = names.logical_id(names.owner_kind(spec), spec.name, "Mapping")
    role_id = names.logical_id(names.owner_kind(spec), spec.name, "Role")
    return {
        "Resources": {id: {"Type": "AWS::Lambda::EventSourceMapping", "DependsOn": [role_id], "Properties": properties}}
    }


def environment(spec: FunctionSpec, stage: Stage, addresses: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ConfigError for variables that Lambda does not take."""
    for variable in stage.env:
        if not _VARIABLE.fullmatch(variable) or _RESERVED.fullmatch(variable):
            raise ConfigError(
                f"[tool.faasbridge.stages.{stage.name}.env]: Lambda takes no variable {variable!r}: names have "
                "letters, digits and underscores, a letter first, and those of its own are taken"
            )
    found: dict[str, Any] = {
        **stage.env,
        "FAASBRIDGE_FUNCTION": spec.name,
        "FAASBRIDGE_STAGE": stage.name,
        **addresses,
    }
    size = sum(
        len(name.encode()) + (len(value.encode()) if isinstance(value, str) else _REFERENCE_BYTES) + len('"":"",')
        for name, value in found.items()
    )
    if size > _ENVIRONMENT_BYTES:
        raise ConfigError(
            f"the environment of function {spec.name!r} has about {size:,} bytes, and Lambda takes "
            f"{_ENVIRONMENT_BYTES:,}: move long values of [tool.faasbridge.stages.{stage.name}.env] into a secret or "
            "a file, or divide a function that uses so many resources"
        )
    return dict(sorted(found.items()))


def drivers_variable(drivers: Mapping[str, str]) -> dict[str, str]:
    """Where a function finds the drivers of third parties' kinds."""
    return {"FAASBRIDGE_DRIVERS": json.dumps(dict(sorted(drivers.items())), separators=(",", ":"))} if drivers else {}
