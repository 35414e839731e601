"""What is invoked of a function: the function itself, or with SnapStart the alias of its newest version. Pure.

SnapStart starts from published versions only. A version cannot change, so every change of the template or of the code
makes another: its description tells them apart, and CloudFormation makes it anew when that differs.
Sources: Lambda Developer Guide, "Improving startup performance with Lambda SnapStart"; CloudFormation Template
Reference, AWS::Lambda::Version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from faasbridge.spec import FunctionSpec

from . import names
from .settings import of_function

ALIAS = "live"
_NAMES = frozenset({"BucketName", "Name", "QueueName", "TableName", "TopicName"})


def target(function: FunctionSpec) -> Any:
    """The ARN that triggers invoke."""
    if of_function(function).get("snap_start"):
        return {"Ref": names.logical_id(names.owner_kind(function), function.name, "Alias")}
    return names.get_att(names.function_id(function), "Arn")


def version(function: FunctionSpec, resources: Mapping[str, Any]) -> dict[str, Any]:
    """`resources`: all others of the template, without their tags, which are no part of a version.

    The description must change exactly when the function does: of one that did not change Lambda makes no version.
    """
    kind = names.owner_kind(function)
    version_id = names.logical_id(kind, function.name, "Version")
    made = resources[names.function_id(function)]
    variables = made["Properties"]["Environment"]["Variables"].values()
    used = [resources.get(each["Ref"], {}) for each in variables if isinstance(each, dict) and "Ref" in each]
    called = [{key: value for key, value in each.get("Properties", {}).items() if key in _NAMES} for each in used]
    digest = sha256(json.dumps([made, called], sort_keys=True).encode()).hexdigest()[:16]
    function_ref = {"Ref": names.function_id(function)}
    return {
        "Resources": {
            version_id: {
                "Type": "AWS::Lambda::Version",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {
                    "FunctionName": function_ref,
                    "Description": names.sub(f"{digest} ${{ArtifactKey}}"),
                },
            },
            names.logical_id(kind, function.name, "Alias"): {
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "FunctionName": function_ref,
                    "FunctionVersion": names.get_att(version_id, "Version"),
                    "Name": ALIAS,
                },
            },
        }
    }
