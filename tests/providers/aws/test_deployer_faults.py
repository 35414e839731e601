"""What goes wrong between here and AWS is one sentence, says what to do, and holds no secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import exceptions
from botocore.config import Config
from botocore.stub import Stubber

from faasbridge.cli.faults import CLOUD, explained
from faasbridge.errors import DeployError
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_aws.deployer import AwsDeployer
from faasbridge_aws.deploying.connection import faults
from faasbridge_aws.plugin import Aws

sys.path.insert(0, str(Path(__file__).parent))
from deploying import artifact_of

SECRET = "wJalrXUtnFEMI"


def client_error(code: str, message: str = "no", operation: str = "DescribeStacks") -> Exception:
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, operation)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.NoCredentialsError(), "no AWS credentials.*AWS_PROFILE"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"), "incomplete.*secret"),
        (exceptions.ProfileNotFound(profile="work"), "no AWS profile 'work'"),
        (exceptions.UnauthorizedSSOTokenError(), "single sign-on session has ended.*aws sso login"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="x"), "single sign-on session has ended"),
        (exceptions.NoRegionError(), r"no AWS region.*tool\.faasbridge\.stages"),
        (exceptions.InvalidRegionError(region_name="mars 1"), "'mars 1' is no AWS region"),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://sqs.mars-1.amazonaws.com", error="x"),
            r"https://sqs\.mars-1\.amazonaws\.com cannot be reached.*region",
        ),
        (exceptions.ConnectTimeoutError(endpoint_url="https://a", error="x"), "https://a cannot be reached"),
        (exceptions.ReadTimeoutError(endpoint_url="https://a", error="x"), "https://a cannot be reached"),
        (client_error("ExpiredToken"), "have expired: log in again"),
        (client_error("ExpiredTokenException"), "have expired"),
        (client_error("InvalidClientTokenId"), "does not accept the credentials"),
        (
            client_error("SignatureDoesNotMatch", f"The Canonical String should have been {SECRET}"),
            r"does not accept the credentials \(SignatureDoesNotMatch\)",
        ),
        (
            client_error(
                "AccessDenied",
                "User: arn:aws:iam::1:user/me is not authorized to perform: cloudformation:CreateChangeSet on resource"
                ": arn:aws:cloudformation:eu-central-1:1:stack/a/* because no policy allows it",
            ),
            r"lack the right to cloudformation:CreateChangeSet on arn:aws:cloudformation:eu-central-1:1:stack/a/\*",
        ),
        (client_error("403", "Forbidden", "HeadObject"), "lack the right to HeadObject"),
        (client_error("ThrottlingException", "Rate exceeded"), "throttles DescribeStacks.*again in a minute"),
        (client_error("OptInRequired"), "not enabled"),
        (client_error("ValidationError", "Template\n  too odd"), "refused DescribeStacks: Template too odd"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_fault_has_its_sentence(error: Exception, said: str) -> None:
    with pytest.raises(DeployError, match=said) as caught, faults():
        raise error
    code, message = explained(caught.value)
    assert caught.value.__cause__ is error
    assert code == CLOUD
    assert "\n" not in message
    assert SECRET not in message


@pytest.mark.parametrize("command", ["plan", "status", "outcome", "destroy", "logs", "secrets"])
def test_without_a_region_every_command_says_so(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    deployer = Aws().deployer(Stage("hello", "dev", "aws", tmp_path))
    calls: dict[str, Callable[[], Any]] = {
        "plan": lambda: deployer.plan(AppSpec("hello", "hello"), artifact_of(tmp_path / "a.zip", "")),
        "status": deployer.status,
        "outcome": deployer.outcome,
        "destroy": lambda: list(deployer.destroy()),
        "logs": lambda: list(deployer.logs(None, since_s=60, follow=False)),
        "secrets": deployer.secrets,
    }
    with pytest.raises(DeployError, match="no AWS region is chosen"):
        calls[command]()


class Stubs:
    """botocore clients whose answers are those of AWS's documentation, where no local AWS gets into such a state."""

    def __init__(self) -> None:
        session = botocore.session.Session()
        session.set_credentials("test", "test")
        config = Config(retries={"total_max_attempts": 1})
        self.made: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}
        for service in ("cloudformation", "sts", "s3", "lambda"):
            self.made[service] = session.create_client(service, region_name="eu-central-1", config=config)
            self.stubs[service] = Stubber(self.made[service])
            self.stubs[service].activate()

    def get(self, service: str) -> Any:
        return self.made[service]

    def says(self, operation: str, answer: dict[str, Any], service: str = "cloudformation") -> None:
        self.stubs[service].add_response(operation, answer)


ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-dev/1"


def stack(status: str) -> dict[str, Any]:
    return {"Stacks": [{"StackName": "shop-dev", "StackId": ID, "StackStatus": status, "CreationTime": 0}]}


def events(*found: tuple[str, str, str, str]) -> dict[str, Any]:
    """(logical id, type, status, reason), the oldest first."""
    return {
        "StackEvents": [
            {
                "EventId": f"{number}",
                "StackId": ID,
                "StackName": "shop-dev",
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": ID if logical_id == "shop-dev" else logical_id,
                "ResourceType": type_,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "Timestamp": 0,
            }
            for number, (logical_id, type_, status, reason) in reversed(list(enumerate(found)))
        ]
    }


@pytest.fixture
def aws() -> Iterator[Stubs]:
    stubs = Stubs()
    yield stubs
    for each in stubs.stubs.values():
        each.assert_no_pending_responses()


@pytest.fixture
def deployer(aws: Stubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AwsDeployer:
    monkeypatch.setattr("faasbridge.pipeline.template", lambda spec, stage: {"Resources": {}})
    return AwsDeployer(Stage("shop", "dev", "aws", tmp_path), aws)


STACK = "AWS::CloudFormation::Stack"
OLD = ("shop-dev", STACK, "UPDATE_ROLLBACK_FAILED", "")


def test_a_rollback_that_failed_is_continued(aws: Stubs, deployer: AwsDeployer, tmp_path: Path) -> None:
    """Source: CloudFormation API Reference, ContinueUpdateRollback."""
    aws.says("describe_stacks", stack("UPDATE_ROLLBACK_FAILED"))
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


def change_set(aws: Stubs, **made: Any) -> None:
    """The calls that a change set of a template that differs takes."""
    id = "arn:aws:cloudformation:::changeSet/1"
    aws.says("describe_stacks", stack("UPDATE_COMPLETE"))
    aws.says("get_template", {"TemplateBody": '{"Resources": {}, "Description": "older"}'})
    aws.says("list_stack_resources", {"StackResourceSummaries": []})
    aws.says("list_change_sets", {"Summaries": []})
    aws.says("get_caller_identity", {"Account": "123456789012"}, "sts")
    aws.says("create_change_set", {"Id": id, "StackId": ID})
    aws.says("describe_change_set", {"ChangeSetId": id, **made})
