"""What the deployer's tests share: a local AWS, and templates small enough to see what a deployment of them does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from faasbridge.deploy import Plan, Progress
from faasbridge.provider import Artifact, Stage
from faasbridge.simulation.environments import environment
from faasbridge.simulation.ports import free_port
from faasbridge.spec import AppSpec
from faasbridge_aws.deployer import AwsDeployer
from faasbridge_aws.simulator.tools import SERVICES


@contextmanager
def local_aws() -> Iterator[str]:
    """The endpoint of a server that ends with the block, and leaves nothing."""
    with tempfile.TemporaryDirectory(prefix="local-aws-", ignore_cleanup_errors=True) as folder:
        yield from _served(folder)


def _served(folder: str) -> Iterator[str]:
    python = environment("ministack", SERVICES)
    endpoint = f"http://127.0.0.1:{free_port()}"
    variables = {
        **os.environ,
        "TMPDIR": folder,  # its functions' code, which it does not remove
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "GATEWAY_PORT": endpoint.rpartition(":")[2],
        "AWS_ENDPOINT_URL": endpoint,
    }
    process = subprocess.Popen(
        [python.parent / "ministack"], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "ministack does not start"
                time.sleep(0.05)
        yield endpoint
    finally:
        process.terminate()
        process.wait(30)


class Clients:
    """`options` are botocore's, of each client; `made` is called with each that is made."""

    def __init__(
        self,
        endpoint: str,
        account: str = "test",
        *,
        made: Callable[[Any], None] = lambda client: None,
        **options: Any,
    ) -> None:
        self._tell = made
        self._config = Config(**options)
        self._session = botocore.session.Session()
        self._session.set_credentials(account, "test")
        self._endpoint = endpoint
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        if service not in self._made:
            client = self._session.create_client(
                service, region_name="us-east-1", endpoint_url=self._endpoint, config=self._config
            )
            self._tell(client)
            self._made[service] = client
        return self._made[service]


class Deployment:
    """One app of a test's own, with whatever template the test gives it."""

    def __init__(self, clients: Clients, app: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clients = clients
        self.root = root
        self.stage = Stage(app, "t", "aws", root)
        self.spec = AppSpec(app, app)
        self.template: Mapping[str, Any] = {}
        self.code = "def handler(event, context): return 'one'\n"
        monkeypatch.setattr("faasbridge.pipeline.template", lambda spec, stage: self.template)

    @property
    def stack(self) -> str:
        return f"{self.stage.app}-t"

    def name(self, name: str) -> str:
        return f"{self.stack}-{name}"

    def artifact(self) -> Artifact:
        return artifact_of(self.root / "artifact.zip", self.code)

    def deployer(self) -> AwsDeployer:
        return AwsDeployer(self.stage, self.clients, receive_wait_s=0)

    def plan(self) -> Plan:
        return self.deployer().plan(self.spec, self.artifact())

    def deploy(self) -> list[Progress]:
        return list(self.deployer().apply(self.plan()))

    def changes(self) -> set[tuple[str, str, str]]:
        return {(step.action, step.kind, step.name) for step in self.plan().changes}

    def status(self) -> str:
        found = self.clients.get("cloudformation").describe_stacks(StackName=self.stack)
        return str(found["Stacks"][0]["StackStatus"])

    def answer(self, function: str = "work") -> str:
        return str(self.clients.get("lambda").invoke(FunctionName=self.name(function))["Payload"].read(), "utf-8")


def artifact_of(path: Path, code: str) -> Artifact:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), code)
    content = path.read_bytes()
    return Artifact(path, hashlib.sha256(content).hexdigest(), len(content))


def template(stack: str, *resources: Mapping[str, Any]) -> dict[str, Any]:
    """Of what the functions below make."""
    merged = {logical_id: resource for each in resources for logical_id, resource in each.items()}
    parameters = {"ArtifactBucket": {"Type": "String"}, "ArtifactKey": {"Type": "String"}}
    text = {"AWSTemplateFormatVersion": "2010-09-09", "Parameters": parameters, "Resources": merged}
    return _named(text, stack)  # type: ignore[no-any-return]


def function(name: str = "work", **properties: Any) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = {"Version": "2012-10-17", "Statement": [trust]}
    id = name.title()
    return {
        f"{id}Role": _resource("function", name, "AWS::IAM::Role", AssumeRolePolicyDocument=policy),
        f"{id}Logs": _resource("function", name, "AWS::Logs::LogGroup", LogGroupName=f"/aws/lambda/STACK-{name}"),
        id: _resource(
            "function",
            name,
            "AWS::Lambda::Function",
            FunctionName=f"STACK-{name}",
            Runtime="python3.12",
            Handler="index.handler",
            Role={"Fn::GetAtt": [f"{id}Role", "Arn"]},
            Code={"S3Bucket": {"Ref": "ArtifactBucket"}, "S3Key": {"Ref": "ArtifactKey"}},
            **properties,
        ),
    }


def inbox(name: str = "jobs", handler: str = "work") -> dict[str, Any]:
    dead = {"deadLetterTargetArn": {"Fn::GetAtt": ["JobsDead", "Arn"]}, "maxReceiveCount": 1}
    return {
        "JobsDead": _resource("queue", name, "AWS::SQS::Queue", QueueName=f"STACK-{name}-dead"),
        "Jobs": _resource(
            "queue", name, "AWS::SQS::Queue", QueueName=f"STACK-{name}", RedrivePolicy=dead, VisibilityTimeout=1
        ),
        "JobsMapping": _resource(
            "function",
            handler,
            "AWS::Lambda::EventSourceMapping",
            FunctionName={"Ref": handler.title()},
            EventSourceArn={"Fn::GetAtt": ["Jobs", "Arn"]},
            FunctionResponseTypes=["ReportBatchItemFailures"],
        ),
    }


def table(name: str, key: str = "id", indexes: Mapping[str, str] = {}) -> dict[str, Any]:
    """`indexes`: the field of each."""
    more: dict[str, Any] = {}
    if indexes:
        more["GlobalSecondaryIndexes"] = [
            {
                "IndexName": name,
                "KeySchema": [{"AttributeName": field, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            for name, field in sorted(indexes.items())
        ]
    fields = sorted({key, *indexes.values()})
    return {
        f"Table{name.title()}": _resource(
            "table",
            name,
            "AWS::DynamoDB::Table",
            TableName=f"STACK-{name}",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": field, "AttributeType": "S"} for field in fields],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            **more,
        )
    }


def bucket(name: str, **properties: Any) -> dict[str, Any]:
    return {
        f"Bucket{name.title()}": _resource("bucket", name, "AWS::S3::Bucket", BucketName=f"STACK-{name}", **properties)
    }


def queue(name: str) -> dict[str, Any]:
    return {f"Queue{name.title()}": _resource("queue", name, "AWS::SQS::Queue", QueueName=f"STACK-{name}")}


def wait(name: str, timeout: str = "PT1M") -> dict[str, Any]:
    """Made when it is told so with `signal_resource`, or fails in the end; it stands for a queue."""
    policy = {"CreationPolicy": {"ResourceSignal": {"Count": 1, "Timeout": timeout}}}
    return {f"Wait{name.title()}": _resource("queue", name, "AWS::CloudFormation::WaitCondition") | policy}


def secret(name: str) -> dict[str, Any]:
    return {f"Secret{name.title()}": _resource("secret", name, "AWS::SecretsManager::Secret", Name=f"STACK-{name}")}


def _resource(kind: str, name: str, type_: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_, "Metadata": {"faasbridge": {"kind": kind, "name": name}}, "Properties": properties}


def _named(value: Any, stack: str) -> Any:
    if isinstance(value, str):
        return value.replace("STACK", stack)
    if isinstance(value, dict):
        return {key: _named(each, stack) for key, each in value.items()}
    return [_named(each, stack) for each in value] if isinstance(value, list) else value
