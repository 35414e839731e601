"""From CloudFormation's change sets to plans: the forms of API_ResourceChange, and what each means to a user."""

from __future__ import annotations

from typing import Any

import pytest

from faasbridge.deploy import Step
from faasbridge_aws.deploying import changes


def resource(kind: str, name: str, type_: str, part: str = "") -> dict[str, Any]:
    owner = {"kind": kind, "name": name, **({"part": part} if part else {})}
    return {"Type": type_, "Metadata": {"faasbridge": owner}}


FUNCTION = {
    "Work": resource("function", "work", "AWS::Lambda::Function"),
    "Role": resource("function", "work", "AWS::IAM::Role"),
}
QUEUE = {
    "Jobs": resource("queue", "jobs", "AWS::SQS::Queue"),
    "Dead": resource("queue", "jobs", "AWS::SQS::Queue", "dead-letters"),
}
TABLE = {"Rows": resource("table", "rows", "AWS::DynamoDB::Table")}
ALL = {**FUNCTION, **QUEUE, **TABLE}


def change(action: str, logical_id: str, *names: str, replacement: str = "", policy: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {
        "Action": action,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": logical_id.lower(),
        "ResourceType": ALL.get(logical_id, {"Type": "AWS::S3::Bucket"})["Type"],
        "Details": [{"Target": {"Attribute": "Properties", "Name": name}} for name in names],
    }
    if replacement:
        found["Replacement"] = replacement
    if policy:
        found["PolicyAction"] = policy
    return {"Type": "Resource", "ResourceChange": found}


def planned(found: list[dict[str, Any]], old: dict[str, Any], new: dict[str, Any]) -> list[Step]:
    steps = changes.steps(found, {"Resources": old}, {"Resources": new})
    return [step for step in steps if step.action != "none"]


@pytest.mark.parametrize(
    ("found", "step"),
    [
        ([change("Modify", "Work", "Timeout", "Code")], Step("update", "function", "work", "Timeout, code")),
        ([change("Modify", "Role", "Policies")], Step("update", "function", "work", "Role: Policies")),
        (
            [change("Modify", "Role", "Policies"), change("Modify", "Work", "Timeout")],
            Step("update", "function", "work", "Role: Policies; Timeout"),
        ),
        (
            [change("Modify", "Role", "Path", replacement="True")],
            Step("update", "function", "work", "Role: Path"),
        ),
        (
            [change("Modify", "Work", "FunctionName", replacement="True")],
            Step("replace", "function", "work", "FunctionName, it must be made anew"),
        ),
        (
            [change("Modify", "Rows", "KeySchema", replacement="True")],
            Step("replace", "table", "rows", "KeySchema, it must be made anew", data_loss=True),
        ),
        (
            [change("Modify", "Rows", "KeySchema", replacement="Conditional")],
            Step("replace", "table", "rows", "KeySchema, it may have to be made anew", data_loss=True),
        ),
        (
            [change("Modify", "Rows", "KeySchema", replacement="True", policy="ReplaceAndRetain")],
            Step("replace", "table", "rows", "KeySchema, it must be made anew"),
        ),
        (
            [change("Modify", "Dead", "FifoQueue", replacement="True")],
            Step("update", "queue", "jobs", "Queue: FifoQueue, it must be made anew", data_loss=True),
        ),
    ],
)
def test_a_change_of_what_is_there(found: list[dict[str, Any]], step: Step) -> None:
    assert planned(found, ALL, ALL) == [step]


def test_what_is_new_is_created_and_a_new_part_is_an_update() -> None:
    found = [change("Add", "Rows"), change("Add", "Dead")]
    old = {**FUNCTION, "Jobs": QUEUE["Jobs"]}
    assert planned(found, old, ALL) == [
        Step("update", "queue", "jobs", "new Queue"),
        Step("create", "table", "rows"),
    ]


def test_what_is_removed_is_deleted_and_tables_lose_data() -> None:
    found = [change("Remove", "Rows"), change("Remove", "Jobs"), change("Remove", "Dead"), change("Remove", "Role")]
    assert planned(found, ALL, {"Work": FUNCTION["Work"]}) == [
        Step("update", "function", "work", "no Role any more"),
        Step("delete", "queue", "jobs"),
        Step("delete", "table", "rows", data_loss=True),
    ]


def test_what_is_retained_is_no_loss() -> None:
    (step,) = planned([change("Remove", "Rows", policy="Retain")], ALL, {**FUNCTION, **QUEUE})
    assert (step.action, step.data_loss) == ("delete", False)


def test_only_buckets_that_really_go_are_emptied() -> None:
    found = [
        change("Remove", "Gone"),
        change("Remove", "Kept", policy="Retain"),
        change("Modify", "Anew", "BucketName", replacement="True"),
        change("Modify", "Same", "Tags", replacement="Conditional"),
    ]
    assert changes.lost(found, "AWS::S3::Bucket") == ("gone", "anew")
    assert changes.lost(found, "AWS::DynamoDB::Table") == ()


def test_things_are_listed_in_the_order_of_the_template_with_the_untouched() -> None:
    steps = changes.steps([], {"Resources": ALL}, {"Resources": ALL}, [("function", "work")])
    assert steps == (
        Step("update", "function", "work", "code"),
        Step("none", "queue", "jobs"),
        Step("none", "table", "rows"),
    )
