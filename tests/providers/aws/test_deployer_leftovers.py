"""What a stack gives up and leaves behind: the deployment that made it so removes it, or the next one does.

A local AWS deletes a bucket with all that is in it, so these are AWS's answers as documented.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faasbridge.deploy import Plan
from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_aws.deployer import AwsDeployer

sys.path.insert(0, str(Path(__file__).parent))
from deploying import artifact_of
from stubs import RESOURCES, STACK, Stubs, change_set, events, stack, template

WANTED = {
    "Resources": {
        "News": {"Type": "AWS::SNS::Topic", "Metadata": {"faasbridge": {"kind": "topic", "name": "news"}}},
    }
}


@pytest.fixture
def aws() -> Iterator[Stubs]:
    stubs = Stubs()
    yield stubs
    for each in stubs.stubs.values():
        each.assert_no_pending_responses()


@pytest.fixture
def deployer(aws: Stubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AwsDeployer:
    monkeypatch.setattr("faasbridge.pipeline.template", lambda spec, stage: WANTED)
    monkeypatch.setattr("faasbridge_aws.deploying.rollout._lint", lambda *_: None)
    return AwsDeployer(Stage("shop", "dev", "aws", tmp_path), aws)


TAGS = [{"Key": "faasbridge:app", "Value": "shop"}, {"Key": "faasbridge:stage", "Value": "dev"}]
EMPTY = {"StackResourceSummaries": []}


def given_up(ended: str = "UPDATE_COMPLETE") -> tuple[tuple[str, str, str, str], ...]:
    """Source: CloudFormation User Guide, "Troubleshooting", "Resource removed from stack but not deleted"."""
    return (
        ("shop-dev", STACK, "UPDATE_IN_PROGRESS", ""),
        ("shop-dev", STACK, f"{ended}_CLEANUP_IN_PROGRESS", ""),
        ("Files", "AWS::S3::Bucket", "DELETE_IN_PROGRESS", ""),
        ("Files", "AWS::S3::Bucket", "DELETE_FAILED", "The bucket you tried to delete is not empty"),
        ("shop-dev", STACK, ended, "One or more resources could not be deleted."),
    )


def test_a_bucket_that_the_stack_could_not_delete_is_emptied_and_deleted(
    aws: Stubs, deployer: AwsDeployer, tmp_path: Path
) -> None:
    removed = {"LogicalResourceId": "Files", "PhysicalResourceId": "files", "ResourceType": "AWS::S3::Bucket"}
    changes = [{"Type": "Resource", "ResourceChange": {"Action": "Remove", **removed}}]
    change_set(aws, template(), Status="CREATE_COMPLETE", Changes=changes)
    plan = deployer.plan(AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", ""))
    aws.says("head_object", {"ContentLength": plan.token.artifact.size}, "s3")
    aws.says("get_template", template())
    aws.says("list_stack_resources", RESOURCES)
    aws.says("describe_stack_events", events())
    aws.says("execute_change_set", {})
    aws.says("describe_stack_events", events(*given_up()))
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("list_stack_resources", EMPTY)
    removing(aws)
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("list_objects_v2", {}, "s3")
    told = [each.state for each in deployer.apply(plan) if each.step.kind == "bucket"]
    assert told == ["started", "done"]


def planned(aws: Stubs, deployer: AwsDeployer, tmp_path: Path, status: str = "UPDATE_COMPLETE") -> Plan:
    """Where nobody deleted the bucket after the stack had given it up."""
    aws.says("describe_stacks", stack(status))
    aws.says("get_template", {"TemplateBody": '{"Resources": {}, "Description": "older"}'})
    aws.says("describe_stack_events", events(*given_up(status)))
    aws.says("head_bucket", {}, "s3")
    return deployer.plan(AppSpec("shop", "shop"), artifact_of(tmp_path / "a.zip", ""))


def up_to_date(aws: Stubs, *found: tuple[str, str, str, str], status: str = "UPDATE_COMPLETE") -> None:
    aws.says("describe_stacks", stack(status, Tags=TAGS))
    aws.says("get_template", {"TemplateBody": json.dumps(WANTED)})
    aws.says("describe_stack_events", events(*found))
    aws.says("list_stack_resources", EMPTY)


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_bucket_that_an_interrupted_deployment_left_is_planned_away_by_the_next(
    aws: Stubs, deployer: AwsDeployer, tmp_path: Path, status: str
) -> None:
    plan = planned(aws, deployer, tmp_path, status)
    (step,) = plan.changes
    assert (step.action, step.kind, step.name, step.data_loss) == ("delete", "bucket", "files", True)
    aws.says("describe_stacks", stack(status))
    aws.says("describe_stack_events", events(*given_up(status)))
    aws.says("head_bucket", {}, "s3")
    removing(aws)
    up_to_date(aws, *given_up(status), status=status)
    aws.stubs["s3"].add_client_error("head_bucket", "404")
    told = [each.state for each in deployer.apply(plan) if each.step == step]
    assert told == ["started", "done"]


def test_a_bucket_that_is_the_stacks_again_stays(aws: Stubs, deployer: AwsDeployer, tmp_path: Path) -> None:
    plan = planned(aws, deployer, tmp_path)
    again = (
        ("shop-dev", STACK, "UPDATE_IN_PROGRESS", ""),
        ("Files", "AWS::S3::Bucket", "CREATE_COMPLETE", ""),
        ("shop-dev", STACK, "UPDATE_COMPLETE", ""),
    )
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("describe_stack_events", events(*given_up(), *again))
    up_to_date(aws, *given_up(), *again)
    list(deployer.apply(plan))


def destroying(aws: Stubs) -> None:
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("get_template", {"TemplateBody": json.dumps(WANTED)})
    aws.says("list_stack_resources", EMPTY)
    aws.says("describe_stack_events", events(*given_up()))
    aws.says("head_bucket", {}, "s3")


def test_a_bucket_that_was_left_behind_is_destroyed_before_the_stack(aws: Stubs, deployer: AwsDeployer) -> None:
    destroying(aws)
    removing(aws)
    aws.says("describe_stack_events", events(*given_up()))
    aws.says("delete_stack", {})
    aws.says("describe_stack_events", events(*given_up(), ("shop-dev", STACK, "DELETE_COMPLETE", "")))
    aws.says("describe_stacks", stack("DELETE_COMPLETE"))
    aws.says("get_caller_identity", {"Account": "123456789012"}, "sts")
    aws.says("list_objects_v2", {}, "s3")
    list(deployer.destroy(delete_data=True))


def test_a_bucket_that_was_left_behind_is_data(aws: Stubs, deployer: AwsDeployer) -> None:
    destroying(aws)
    aws.says("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]}, "s3")
    with pytest.raises(ConfigError, match=r"^bucket 'files' holds 1 object: .*--delete-data"):
        list(deployer.destroy())


def removing(aws: Stubs) -> None:
    """The calls that a bucket with an object takes."""
    aws.says("head_bucket", {}, "s3")
    for _ in range(2):
        aws.says("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]}, "s3")
    aws.says("delete_objects", {}, "s3")
    aws.says("list_multipart_uploads", {}, "s3")
    aws.says("delete_bucket", {}, "s3")
