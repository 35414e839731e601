"""Statements of policies, each as narrow as what it is for. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

VERSION = "2012-10-17"


def allow(actions: Iterable[str], resources: Any, *, condition: Any = None, principal: str = "") -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": sorted(actions), "Resource": resources}
    if principal:
        statement["Principal"] = {"Service": principal}
    if condition:
        statement["Condition"] = condition
    return statement


def tls_only(action: str, resources: Any) -> dict[str, Any]:
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def sends(service: str, queue_arn: Any, source_arn: Any) -> dict[str, Any]:
    """For the policy of a queue: this service, on behalf of this source."""
    condition = {"ArnEquals": {"aws:SourceArn": source_arn}}
    return allow(["sqs:SendMessage"], queue_arn, condition=condition, principal=service)


def document(statements: Iterable[Any]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": list(statements)}


def role(service: str, statements: Iterable[Any], *, of_account: bool = False) -> dict[str, Any]:
    """A role that one service takes on. `of_account`: for this account's resources only, so that nobody else's can
    make the service use it. IAM's names are the whole account's, a stack is one region's: CloudFormation names roles.

    Source: IAM User Guide, "The confused deputy problem".
    """
    trust: dict[str, Any] = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    if of_account:
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    policy = {"PolicyName": "uses", "PolicyDocument": document(_merged(statements))}
    properties = {"AssumeRolePolicyDocument": document([trust]), "Policies": [policy]}
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _merged(statements: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One for the same actions, since a role's policies have a limit."""
    merged: dict[str, dict[str, Any]] = {}
    for statement in statements:
        others = {name: value for name, value in statement.items() if name != "Resource"}
        found = merged.setdefault(json.dumps(others, sort_keys=True), {**others, "Resource": []})
        given = statement["Resource"]
        found["Resource"] += given if isinstance(given, list) else [given]
    for each in merged.values():
        if len(each["Resource"]) == 1:
            each["Resource"] = each["Resource"][0]
    return list(merged.values())
