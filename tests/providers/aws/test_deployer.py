"""The deployer against a local AWS: what it plans, does and leaves, whatever state it finds."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from faasbridge.deploy import Progress
from faasbridge.errors import ConfigError, DeployError

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Clients, Deployment, bucket, function, inbox, queue, table, template, wait


@pytest.fixture
def life(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    life = Deployment(clients, f"life{uuid4().hex[:6]}", tmp_path, monkeypatch)
    monkeypatch.setattr(
        "faasbridge_aws.deploying.rollout._lint", lambda *_: None
    )  # these templates are not meant for AWS
    life.template = template(life.stack, function(), inbox(), table("rows"))
    return life


def with_more(life: Deployment, *more: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return template(life.stack, function(**properties), inbox(), table("rows"), *more)


def test_a_first_plan_creates_everything_and_leaves_nothing_behind(life: Deployment, clients: Clients) -> None:
    assert life.changes() == {("create", "function", "work"), ("create", "queue", "jobs"), ("create", "table", "rows")}
    stacks = clients.get("cloudformation").list_stacks()["StackSummaries"]
    assert life.stack not in [each["StackName"] for each in stacks]


def test_what_was_deployed_needs_no_change(life: Deployment) -> None:
    progress = life.deploy()
    assert [each.state for each in progress if each.step.name == "work"] == ["started", "done"]
    assert life.answer() == '"one"'
    assert life.changes() == set()
    assert life.deploy() == []


def test_other_code_goes_past_the_stack(life: Deployment, clients: Clients) -> None:
    life.deploy()
    before = clients.get("cloudformation").describe_stacks(StackName=life.stack)["Stacks"][0]
    life.code = "def handler(event, context): return 'two'\n"
    plan = life.plan()
    assert [(step.action, step.name, step.reason) for step in plan.changes] == [("update", "work", "code")]
    life.deploy()
    assert life.answer() == '"two"'
    assert clients.get("cloudformation").describe_stacks(StackName=life.stack)["Stacks"][0] == before
    assert life.changes() == set()


def test_code_that_went_back_is_seen_although_the_stack_sees_no_change_of_it(life: Deployment) -> None:
    first = life.code
    life.deploy()
    life.code = "def handler(event, context): return 'two'\n"
    life.deploy()
    life.code, life.template = first, with_more(life, Timeout=20)
    (step,) = life.plan().changes
    assert (step.action, step.reason) == ("update", "Timeout; code")
    life.deploy()
    assert life.answer() == '"one"'
    assert life.changes() == set()


def test_a_failed_update_is_rolled_back_and_told_by_its_first_cause(life: Deployment) -> None:
    life.deploy()
    life.code = "def handler(event, context): return 'two'\n"
    life.deploy()
    life.code = "def handler(event, context): return 'three'\n"
    life.template = with_more(life, wait("never", "PT1S"), queue("more"))
    cause = r"queue 'never' \(AWS::CloudFormation::WaitCondition\): WaitCondition timed out"
    with pytest.raises(DeployError, match=f"^{cause}.*; everything was rolled back$"):
        life.deploy()
    assert life.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert life.answer() == '"two"', "what ran before, not what the stack knew"
    life.template = with_more(life)
    life.deploy()
    assert life.answer() == '"three"'


def test_only_what_really_failed_is_shown_as_failed(life: Deployment) -> None:
    life.template = with_more(life, wait("never", "PT1S"))
    progress: list[Progress] = []
    applying = life.deployer().apply(life.plan())
    with pytest.raises(DeployError):
        progress.extend(applying)
    assert {each.step.name for each in progress if each.state == "failed"} == {"never"}


def test_a_first_deployment_that_failed_is_made_anew(life: Deployment) -> None:
    life.template = with_more(life, wait("never", "PT1S"))
    with pytest.raises(DeployError, match="everything was rolled back"):
        life.deploy()
    assert life.status() == "ROLLBACK_COMPLETE"
    life.template = with_more(life)
    assert {action for action, _, _ in life.changes()} == {"create"}
    life.deploy()
    assert life.status() == "CREATE_COMPLETE"


def test_a_stack_that_was_only_reviewed_is_used(life: Deployment, clients: Clients) -> None:
    clients.get("cloudformation").create_change_set(
        StackName=life.stack,
        ChangeSetName="by-hand",
        ChangeSetType="CREATE",
        TemplateBody='{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}',
    )
    assert life.status() == "REVIEW_IN_PROGRESS"
    life.deploy()
    assert life.status() == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    "body", ['{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}', "Resources:\n  T:\n    Type: AWS::SNS::Topic\n"]
)
def test_a_stack_that_is_not_ours_is_left_alone(life: Deployment, clients: Clients, body: str) -> None:
    api = clients.get("cloudformation")
    api.create_stack(StackName=life.stack, TemplateBody=body)
    api.get_waiter("stack_create_complete").wait(StackName=life.stack, WaiterConfig={"Delay": 1})
    with pytest.raises(ConfigError, match="did not make"):
        life.plan()
    with pytest.raises(ConfigError, match="did not make"):
        list(life.deployer().destroy(delete_data=True))
    assert life.status() == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    "change", [{**table("rows"), **queue("more")}, table("rows", indexes={"by-a": "a", "by-b": "b"})]
)
def test_a_plan_that_was_overtaken_is_not_applied(life: Deployment, change: dict[str, Any]) -> None:
    life.deploy()
    life.template = template(life.stack, function(), inbox(), change)
    overtaken = life.plan()
    life.template = with_more(life, queue("other"))
    life.deploy()
    with pytest.raises(DeployError, match="has changed since the plan was made"):
        list(life.deployer().apply(overtaken))
    assert life.changes() == set()


def test_a_first_plan_that_was_overtaken_deletes_nothing(life: Deployment, clients: Clients) -> None:
    overtaken = life.plan()
    life.template = with_more(life, wait("slow"))
    others = life.deployer().apply(life.plan())
    assert any(each.step.name == "slow" and each.state == "started" for each in others)
    assert life.status() == "CREATE_IN_PROGRESS"
    with pytest.raises(DeployError, match="has changed since the plan was made"):
        list(life.deployer().apply(overtaken))
    clients.get("cloudformation").signal_resource(
        StackName=life.stack, LogicalResourceId="WaitSlow", UniqueId="1", Status="SUCCESS"
    )
    list(others)
    assert life.status() == "CREATE_COMPLETE"
    with pytest.raises(DeployError, match="has changed since the plan was made"):
        list(life.deployer().apply(overtaken))
    assert life.changes() == set()


def test_plans_leave_one_change_set_at_most(life: Deployment, clients: Clients) -> None:
    life.deploy()
    for name in ("first", "second"):
        life.template = with_more(life, queue(name))
        assert life.plan().steps == life.plan().steps
    assert len(clients.get("cloudformation").list_change_sets(StackName=life.stack)["Summaries"]) <= 2


def test_an_operation_that_is_running_is_waited_for(life: Deployment, clients: Clients) -> None:
    life.deploy()
    life.template = with_more(life, wait("slow"))
    interrupted = life.deployer().apply(life.plan())
    assert any(each.step.name == "slow" and each.state == "started" for each in interrupted)
    cast("Generator[Progress]", interrupted).close()
    assert life.changes() == {("update", "stack", life.stack)}
    rest = life.deployer().apply(life.plan())
    assert next(rest).detail == "waiting"
    clients.get("cloudformation").signal_resource(
        StackName=life.stack, LogicalResourceId="WaitSlow", UniqueId="1", Status="SUCCESS"
    )
    assert [each.state for each in rest if each.step.kind == "stack"][-1] == "done"
    assert life.status() == "UPDATE_COMPLETE"
    assert life.changes() == set()


def test_a_template_too_large_for_a_request_goes_through_the_bucket(life: Deployment) -> None:
    life.deploy()
    life.template = {**with_more(life, queue("more")), "Metadata": {"filler": "x" * 60_000}}
    life.deploy()
    assert life.changes() == set()


def test_a_removed_bucket_goes_with_its_data_where_the_plan_says_so(life: Deployment, clients: Clients) -> None:
    s3 = clients.get("s3")
    life.template = with_more(life, bucket("files", VersioningConfiguration={"Status": "Enabled"}))
    life.deploy()
    for content in (b"1", b"2"):
        s3.put_object(Bucket=life.name("files"), Key="a", Body=content)
    life.template = with_more(life)
    (step,) = life.plan().changes
    assert (step.action, step.kind, step.name, step.data_loss) == ("delete", "bucket", "files", True)
    life.deploy()
    assert life.name("files") not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def test_a_bucket_keeps_its_data_until_the_update_that_removes_it_has_succeeded(
    life: Deployment, clients: Clients
) -> None:
    s3 = clients.get("s3")
    life.template = with_more(life, bucket("files"))
    life.deploy()
    s3.put_object(Bucket=life.name("files"), Key="a", Body=b"1")
    life.template = with_more(life, wait("never", "PT1S"))
    with pytest.raises(DeployError, match="everything was rolled back"):
        life.deploy()
    assert s3.list_objects_v2(Bucket=life.name("files"))["KeyCount"] == 1
    life.template = with_more(life)
    overtaken = life.plan()
    life.template = with_more(life, bucket("files"), queue("other"))
    life.deploy()
    with pytest.raises(DeployError, match="has changed since the plan was made"):
        list(life.deployer().apply(overtaken))
    assert s3.list_objects_v2(Bucket=life.name("files"))["KeyCount"] == 1


def test_a_table_that_must_be_made_anew_is_a_loss_of_data(life: Deployment) -> None:
    life.deploy()
    life.template = template(life.stack, function(), inbox(), table("rows", key="other"))
    (step,) = life.plan().changes
    assert (step.action, step.kind, step.data_loss) == ("replace", "table", True)
    assert "KeySchema" in step.reason


def test_indexes_are_made_and_removed_one_in_an_update(life: Deployment, clients: Clients) -> None:
    """What DynamoDB asks; the local AWS would take any number, so the stack's templates are looked at."""
    updates: list[dict[str, set[str]]] = []

    def seen(params: dict[str, Any], **_: Any) -> None:
        made = json.loads(params["TemplateBody"])["Resources"]
        tables = [each["Properties"] for each in made.values() if each["Type"] == "AWS::DynamoDB::Table"]
        updates.append({each["TableName"]: _indexes_of(each) for each in tables})

    life.template = with_more(life, table("more"))
    life.deploy()
    stack = clients.get("cloudformation")
    stack.meta.events.register("provide-client-params.cloudformation.CreateChangeSet", seen)
    try:
        life.template = template(
            life.stack,
            function(),
            inbox(),
            table("rows", indexes={"by-owner": "owner", "by-day": "day", "by-size": "size"}),
            table("more", indexes={"by-owner": "owner"}),
        )
        life.code = "def handler(event, context): return 'two'\n"
        plan = life.plan()
        updates.clear()
        progress = list(life.deployer().apply(plan))
        assert _ends(updates, life) == [
            {"more": set(), "rows": {"by-day"}},
            {"more": set(), "rows": {"by-day", "by-owner"}},
            {"more": {"by-owner"}, "rows": {"by-day", "by-owner", "by-size"}},
        ]
        assert "one index at a time, 2 of 3" in [each.detail for each in progress if each.step.name == "rows"]
        assert life.answer() == '"two"'
        assert life.changes() == set()

        life.template = with_more(life, table("more", indexes={"by-owner": "other"}))
        plan = life.plan()
        updates.clear()
        list(life.deployer().apply(plan))
        assert _ends(updates, life) == [
            {"more": set(), "rows": {"by-owner", "by-size"}},
            {"more": set(), "rows": {"by-size"}},
            {"more": {"by-owner"}, "rows": set()},
        ]
        found = clients.get("dynamodb").describe_table(TableName=life.name("more"))["Table"]
        (index,) = found["GlobalSecondaryIndexes"]
        assert index["KeySchema"] == [{"AttributeName": "other", "KeyType": "HASH"}]
        assert (
            "GlobalSecondaryIndexes" not in clients.get("dynamodb").describe_table(TableName=life.name("rows"))["Table"]
        )
        assert life.changes() == set()
    finally:
        stack.meta.events.unregister("provide-client-params.cloudformation.CreateChangeSet", seen)


def test_an_update_that_fails_keeps_the_indexes_made_before(life: Deployment) -> None:
    life.deploy()
    rows = table("rows", indexes={"by-a": "a", "by-b": "b"})
    life.template = template(life.stack, function(), inbox(), rows, wait("never", "PT1S"))
    with pytest.raises(DeployError, match=r"'never'.*; everything but a change of an index was rolled back$"):
        life.deploy()
    life.template = template(life.stack, function(), inbox(), rows)
    assert life.changes() == {("update", "table", "rows")}
    life.deploy()
    assert life.changes() == set()


def _indexes_of(properties: dict[str, Any]) -> set[str]:
    return {each["IndexName"] for each in properties.get("GlobalSecondaryIndexes", ())}


def _ends(updates: list[dict[str, set[str]]], life: Deployment) -> list[dict[str, set[str]]]:
    """By the tables' own names."""
    return [{name.removeprefix(life.name("")): indexes for name, indexes in each.items()} for each in updates]


def test_destroy_refuses_where_there_is_data(life: Deployment, clients: Clients) -> None:
    life.template = with_more(life, bucket("files", VersioningConfiguration={"Status": "Enabled"}))
    life.deploy()
    clients.get("dynamodb").put_item(TableName=life.name("rows"), Item={"id": {"S": "1"}})
    for content in (b"1", b"2"):
        clients.get("s3").put_object(Bucket=life.name("files"), Key="a", Body=content)
    with pytest.raises(ConfigError, match=r"bucket 'files' holds 2 objects, table 'rows' holds 1 row: .*--delete-data"):
        list(life.deployer().destroy())
    assert life.answer() == '"one"'
    clients.get("s3").delete_object(Bucket=life.name("files"), Key="a")  # a delete marker more
    progress = list(life.deployer().destroy(delete_data=True))
    told = [(each.state, each.detail) for each in progress if each.step.kind == "objects"]
    assert told[-2:] == [("started", "3 of 3, 100 %"), ("done", "3")]


def test_destroy_leaves_nothing(life: Deployment, clients: Clients) -> None:
    life.deploy()
    life.answer()
    list(life.deployer().destroy())
    s3, logs = clients.get("s3"), clients.get("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{life.stack}")["logGroups"]
    (artifacts,) = [each["Name"] for each in s3.list_buckets()["Buckets"] if "artifacts" in each["Name"]]
    assert groups == []
    assert s3.list_objects_v2(Bucket=artifacts, Prefix=f"{life.stage.app}/")["KeyCount"] == 0
    assert list(life.deployer().destroy()) == []
    assert {action for action, _, _ in life.changes()} == {"create"}


def test_a_large_artifact_is_uploaded_in_parts_and_only_once(
    life: Deployment, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.code = f"def handler(event, context): return 'big'\n# {uuid4().hex}" + "x" * (6 * 1024 * 1024)
    monkeypatch.setattr("faasbridge_aws.deploying.artifacts._PART_BYTES", 5 * 1024 * 1024)
    progress = [each for each in life.deploy() if each.step.kind == "artifact"]
    assert [each.detail for each in progress if "%" in each.detail][-1].startswith("100 %")
    assert life.answer() == '"big"'
    assert [each for each in life.deploy() if each.step.kind == "artifact"] == []


def test_what_is_deployed_is_described(life: Deployment) -> None:
    assert life.deployer().status()["deployed"] is False
    life.deploy()
    status = life.deployer().status()
    assert (status["state"], status["region"]) == ("CREATE_COMPLETE", "us-east-1")
    work = status["functions"]["work"]
    assert (work["runtime"], work["memory"], work["waiting"], work["dead letters"]) == ("python3.12", "128 MB", 0, 0)


def test_a_stacks_name_has_an_end(life: Deployment, clients: Clients) -> None:
    from dataclasses import replace

    from faasbridge_aws.deployer import AwsDeployer

    with pytest.raises(ConfigError, match="128"):
        AwsDeployer(replace(life.stage, app="a" * 128), clients)


def test_a_stack_that_was_only_reviewed_is_destroyed(life: Deployment, clients: Clients) -> None:
    clients.get("cloudformation").create_change_set(
        StackName=life.stack,
        ChangeSetName="by-hand",
        ChangeSetType="CREATE",
        TemplateBody='{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}',
    )
    list(life.deployer().destroy())
    assert life.deployer().status()["deployed"] is False


def test_what_a_plugin_adds_to_the_template_is_planned(life: Deployment) -> None:
    life.deploy()
    more = {"Topic": {"Type": "AWS::SNS::Topic"}}
    life.template = {**life.template, "Resources": {**life.template["Resources"], **more}}
    assert life.changes() == {("create", "resource", "Topic")}
    life.deploy()
    assert life.changes() == set()
