"""What goes wrong between here and AWS is one sentence, says what to do, and holds no secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions

from faasbridge.cli.faults import CLOUD, explained
from faasbridge.errors import DeployError
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_aws.deploying import logs
from faasbridge_aws.deploying.connection import faults
from faasbridge_aws.plugin import Aws

sys.path.insert(0, str(Path(__file__).parent))
from deploying import artifact_of
from stubs import Stubs

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
        (client_error("RequestTimeTooSkewed"), "this machine's clock is wrong"),
        (
            client_error("SignatureDoesNotMatch", "Signature expired: 20261123T0Z is earlier than 20261124T0Z"),
            "this machine's clock is wrong.*set the time",
        ),
        (exceptions.ParamValidationError(report="Invalid length\nof Name"), "client failed: .*Invalid length of Name"),
        (client_error("InvalidClientTokenId"), "does not accept the credentials.*region is enabled"),
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
        (client_error("403", "Forbidden", "HeadObject"), "lack the right to s3:GetObject"),
        (
            client_error("AccessDenied", "User: me is not authorized to perform: s3:PutObject with an explicit deny"),
            "lack the right to s3:PutObject: a policy denies it",
        ),
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


def test_following_logs_goes_on_where_aws_throttles(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Stubs()
    monkeypatch.setattr(logs, "_PAUSE_S", 0.01)
    monkeypatch.setattr(logs, "_GROUPS_A_SECOND", 1000)
    for _ in range(2):
        aws.stubs["logs"].add_client_error("filter_log_events", "ThrottlingException")
    aws.says("filter_log_events", {"events": [{"timestamp": 1, "message": "late", "eventId": "1"}]}, "logs")
    with pytest.raises(exceptions.ClientError, match="Throttling"):
        list(logs.read(aws, {"group": "work"}, since_s=60, follow=False))
    assert next(logs.read(aws, {"group": "work"}, since_s=60, follow=True)).text == "late"
