"""The deployer and stacks in states that a local AWS does not get into, with AWS's answers as documented."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App
from faasbridge.errors import ConfigError, DeployError
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_aws.deployer import AwsDeployer

sys.path.insert(0, str(Path(__file__).parent))
from deploying import artifact_of
from stubs import RESOURCES, STACK, TOPIC, Stubs, change_set, events, stack, template


@pytest.fixture
def aws() -> Iterator[Stubs]:
    stubs = Stubs()
    yield stubs
    for each in stubs.stubs.values():
        each.assert_no_pending_responses()


@pytest.fixture
def deployer(aws: Stubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AwsDeployer:
    monkeypatch.setattr("faasbridge.pipeline.template", lambda spec, stage: {"Resources": TOPIC})
    return AwsDeployer(Stage("shop", "dev", "aws", tmp_path), aws)


OLD = ("shop-dev", STACK, "UPDATE_ROLLBACK_FAILED", "")


def test_a_rollback_that_failed_is_continued(aws: Stubs, deployer: AwsDeployer, tmp_path: Path) -> None:
    """Source: CloudFormation API Reference, ContinueUpdateRollback."""
    aws.says("describe_stacks", stack("UPDATE_ROLLBACK_FAILED"))
    aws.says("get_template", template())
    plan = deployer.plan(AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", ""))
    (step,) = plan.changes
    assert (step.kind, "could not be rolled back" in step.reason) == ("stack", True)
    aws.says("describe_stacks", stack("UPDATE_ROLLBACK_FAILED"))
    aws.says("describe_stack_events", events(OLD))
    aws.says("continue_update_rollback", {})
    again = (
        ("shop-dev", STACK, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"),
        ("Rows", "AWS::DynamoDB::Table", "UPDATE_FAILED", "the role is gone."),
        ("shop-dev", STACK, "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [Rows]."),
    )
    aws.says("describe_stack_events", events(OLD, *again))
    aws.says("describe_stacks", stack("UPDATE_ROLLBACK_FAILED"))
    body = '{"Resources": {"Rows": {"Type": "T", "Metadata": {"faasbridge": {"kind": "table", "name": "rows"}}}}}'
    aws.says("get_template", {"TemplateBody": body})
    with pytest.raises(DeployError, match=r"^table 'rows' \(AWS::DynamoDB::Table\): the role is gone; .*put right"):
        list(deployer.apply(plan))


def test_a_stack_half_destroyed_is_explained(aws: Stubs, deployer: AwsDeployer, tmp_path: Path) -> None:
    aws.says("describe_stacks", stack("DELETE_FAILED"))
    with pytest.raises(DeployError, match=r"half destroyed.*faasbridge destroy"):
        deployer.plan(AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", ""))


@pytest.mark.parametrize("command", ["plan", "plan to recover", "plan to wait", "destroy", "status", "secrets", "logs"])
def test_a_stack_of_another_app_is_left_alone(aws: Stubs, deployer: AwsDeployer, tmp_path: Path, command: str) -> None:
    """`shop` at stage `dev-eu` and `shop-dev` at stage `eu` have one name of a stack."""
    status = {"plan to recover": "UPDATE_ROLLBACK_FAILED", "plan to wait": "UPDATE_IN_PROGRESS"}.get(
        command, "UPDATE_COMPLETE"
    )
    if command.startswith("plan") or command in ("destroy", "status"):
        aws.says("describe_stacks", stack(status))
    aws.says("get_template", template(app="shop-dev"))
    plan = partial(deployer.plan, AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", ""))
    calls: dict[str, Callable[[], Any]] = {
        "plan": plan,
        "plan to recover": plan,
        "plan to wait": plan,
        "destroy": lambda: list(deployer.destroy(delete_data=True)),
        "status": deployer.status,
        "secrets": deployer.secrets,
        "logs": lambda: list(deployer.logs(None, since_s=60, follow=False)),
    }
    with pytest.raises(ConfigError, match="the stack shop-dev is that of the app 'shop-dev', stage 'eu': rename"):
        calls[command]()


def test_nothing_is_emptied_of_a_stack_that_may_not_be_deleted(aws: Stubs, deployer: AwsDeployer) -> None:
    aws.says("describe_stacks", stack("UPDATE_COMPLETE", EnableTerminationProtection=True))
    aws.says("get_template", template())
    aws.says("list_stack_resources", RESOURCES)
    with pytest.raises(ConfigError, match=r"termination protection.* --no-enable-termination-protection"):
        list(deployer.destroy(delete_data=True))


def test_nothing_is_emptied_where_a_table_may_not_be_deleted(aws: Stubs, deployer: AwsDeployer) -> None:
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("get_template", template())
    aws.says("list_stack_resources", RESOURCES)
    aws.says("describe_table", {"Table": {"DeletionProtectionEnabled": True}}, "dynamodb")
    said = r"table 'rows' is protected from deletion: set deletion_protection = false in \[tool\..*\.tables\.rows\]"
    with pytest.raises(ConfigError, match=said):
        list(deployer.destroy(delete_data=True))


@pytest.mark.parametrize(
    "change", [{"Action": "Remove"}, {"Action": "Modify", "Replacement": "True"}], ids=lambda change: change["Action"]
)
def test_a_protected_table_is_not_planned_away(
    aws: Stubs, deployer: AwsDeployer, tmp_path: Path, change: dict[str, Any]
) -> None:
    """CloudFormation could not delete it, and would leave it behind."""
    of_table = {"LogicalResourceId": "Rows", "ResourceType": "AWS::DynamoDB::Table", **change}
    changes = [{"Type": "Resource", "ResourceChange": of_table}]
    change_set(aws, template(protected=True), Status="CREATE_COMPLETE", Changes=changes)
    with pytest.raises(ConfigError, match=r"table 'rows' is protected from deletion: .*, deploy that"):
        deployer.plan(AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", ""))


@pytest.mark.parametrize("turned_on", [True, False])
def test_an_existing_bucket_must_send_its_events(
    aws: Stubs, deployer: AwsDeployer, tmp_path: Path, turned_on: bool
) -> None:
    app = App("shop")
    app.bucket("files", existing=True).on_create(name="arrived")(lambda event: None)
    settings = {"existing": {"files": "acme-files"}}
    mine = AwsDeployer(Stage("shop", "dev", "aws", tmp_path, settings=settings), aws)
    aws.says("get_bucket_notification_configuration", {"EventBridgeConfiguration": {}} if turned_on else {}, "s3")
    if turned_on:
        aws.stubs["cloudformation"].add_client_error("describe_stacks", "ValidationError", "shop-dev does not exist")
        assert mine.plan(app.spec(), artifact_of(tmp_path / "a.zip", "")).changes
    else:
        with pytest.raises(ConfigError, match=r"acme-files does not send its events to .*'files'.*turn that on"):
            mine.plan(app.spec(), artifact_of(tmp_path / "a.zip", ""))


def destroying(aws: Stubs, *ends: str, reason: str = "") -> None:
    """The calls of a destroy whose attempts end so: bucket, table and stack are there."""
    aws.says("describe_stacks", stack("DELETE_FAILED"))
    aws.says("get_template", template())
    aws.says("list_stack_resources", RESOURCES)
    aws.says("describe_table", {"Table": {}}, "dynamodb")
    before: tuple[tuple[str, str, str, str], ...] = (("shop-dev", STACK, "DELETE_FAILED", ""),)
    for end in ends:
        for _ in range(2):
            aws.says("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]}, "s3")
        aws.says("delete_objects", {}, "s3")
        aws.says("list_multipart_uploads", {}, "s3")
        aws.says("describe_stack_events", events(*before))
        aws.says("delete_stack", {})
        failed = [("Files", "AWS::S3::Bucket", "DELETE_FAILED", reason)] if end == "DELETE_FAILED" else []
        before = (*before, ("shop-dev", STACK, "DELETE_IN_PROGRESS", ""), *failed, ("shop-dev", STACK, end, ""))
        aws.says("describe_stack_events", events(*before))
        aws.says("describe_stacks", stack(end))


def test_a_stack_half_destroyed_is_destroyed_also_while_its_bucket_is_written_to(
    aws: Stubs, deployer: AwsDeployer
) -> None:
    destroying(aws, "DELETE_FAILED", "DELETE_FAILED", "DELETE_COMPLETE", reason="The bucket is not empty.")
    aws.says("get_caller_identity", {"Account": "123456789012"}, "sts")
    aws.says("list_objects_v2", {}, "s3")
    ended = [each.step.name for each in deployer.destroy(delete_data=True) if each.state == "done"]
    assert set(ended) == {"files", "rows"}


def test_a_bucket_that_never_gets_empty_is_named(aws: Stubs, deployer: AwsDeployer) -> None:
    destroying(aws, *["DELETE_FAILED"] * 3, reason="The bucket you tried to delete is not empty.")
    said = r"^bucket 'files' \(AWS::S3::Bucket\): The bucket .* not empty; .*half destroyed: run destroy again$"
    with pytest.raises(DeployError, match=said):
        list(deployer.destroy(delete_data=True))


def test_an_object_that_may_not_be_deleted_is_named(aws: Stubs, deployer: AwsDeployer) -> None:
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("get_template", template())
    aws.says("list_stack_resources", RESOURCES)
    aws.says("describe_table", {"Table": {}}, "dynamodb")
    aws.says("describe_stack_events", events())
    for _ in range(2):
        aws.says("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]}, "s3")
    aws.says("delete_objects", {"Errors": [{"Key": "a", "Code": "AccessDenied", "Message": "Access Denied"}]}, "s3")
    with pytest.raises(DeployError, match=r"bucket files cannot be emptied: .*'a' not \(AccessDenied\): Access Denied"):
        list(deployer.destroy(delete_data=True))


def test_a_strangers_bucket_is_not_used(aws: Stubs, deployer: AwsDeployer, tmp_path: Path) -> None:
    """With an expected owner S3 answers 403 where that is another one. Source: S3 User Guide, "Verifying bucket
    ownership with bucket owner condition"."""
    artifact = artifact_of(tmp_path / "a.zip", "")
    aws.stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "Stack with id shop-dev does not exist"
    )
    plan = deployer.plan(AppSpec("shop", "shop"), artifact)
    aws.says("get_caller_identity", {"Account": "123456789012"}, "sts")
    aws.stubs["s3"].add_client_error(
        "head_object",
        "403",
        expected_params={
            "Bucket": "faasbridge-artifacts-123456789012-eu-central-1",
            "Key": f"shop/dev/{artifact.sha256}.zip",
            "ExpectedBucketOwner": "123456789012",
            "ChecksumMode": "ENABLED",
        },
    )
    with pytest.raises(DeployError, match="cannot be used: it is another account's"):
        list(deployer.apply(plan))


def test_the_finding_of_a_validation_is_told_not_only_its_number(
    aws: Stubs, deployer: AwsDeployer, tmp_path: Path
) -> None:
    """Source: CloudFormation User Guide, "Validate stack deployments"."""
    reason = "Validation failed with 1 error(s). Call DescribeEvents to retrieve the full list of issues."
    change_set(aws, Status="FAILED", StatusReason=reason)
    finding = {"ValidationPath": "/Resources/Q", "ValidationStatusReason": "Resource of type 'Q' already exists."}
    aws.says("describe_events", {"OperationEvents": [finding]})
    aws.says("delete_change_set", {})
    with pytest.raises(DeployError, match=r"refuses the template: /Resources/Q: Resource of type 'Q' already exists$"):
        deployer.plan(AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", ""))


def test_a_change_of_outputs_alone_is_a_change_of_the_stack(aws: Stubs, deployer: AwsDeployer, tmp_path: Path) -> None:
    change_set(aws, Status="CREATE_COMPLETE", Changes=[])
    (step,) = deployer.plan(AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", "")).changes
    assert (step.action, step.kind, step.name) == ("update", "stack", "shop-dev")
