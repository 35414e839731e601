"""The deployer stopped at every call that it makes to AWS: the same command again ends as if nothing had been.

Each distinct operation is hit where it occurs first and where it occurs last, at a deployment's beginning and at its
end; those that are asked until something has ended, twice at the beginning, since how often is a matter of time. With
FAASBRIDGE_EVERY_CALL set it is every call, one after the other, which takes a quarter of an hour.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from faasbridge import App, Message, Reply, Request
from faasbridge.deploy import Plan
from faasbridge.errors import DeployError
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_aws.deployer import AwsDeployer

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Clients, artifact_of, local_aws


class Killed(BaseException):
    """No code may catch it: what a process does that is killed, as far as a process can do that to itself."""


Act = Callable[[Callable[[], Any], Any], Any]


class Faults:
    """Notes requests, and disturbs the one of that operation that is the `number`th."""

    def __init__(self, operation: str = "", number: int = 0, act: Act | None = None) -> None:
        self.operations: list[str] = []
        self.happened = False
        self._lock = threading.Lock()
        self._where = operation, number
        self._act = act

    def attach(self, client: Any) -> None:
        def before(request: Any, event_name: str, **_: Any) -> Any:
            operation = event_name.removeprefix("before-send.")
            with self._lock:
                self.operations.append(operation)
                number = self.operations.count(operation)
            if self._act is not None and (operation, number) == self._where:
                self.happened = True
                return self._act(lambda: client._endpoint.http_session.send(request), request)
            return None

        client.meta.events.register("before-send", before)


def killed_before(send: Callable[[], Any], request: Any) -> Any:
    raise Killed


def killed_after(send: Callable[[], Any], request: Any) -> Any:
    send()
    raise Killed


def reset(send: Callable[[], Any], request: Any) -> Any:
    """AWS did it, and nobody learned so."""
    send()
    raise ConnectionClosedError(endpoint_url=request.url)


def app_named(name: str) -> AppSpec:
    app = App(name)
    rows = app.table("rows", key="id")
    jobs = app.queue("jobs")

    @app.get("/rows/{id}", uses=[rows.get])
    def show(request: Request, id: str) -> Reply:
        return rows.get(id)

    @jobs.on_message(uses=[rows.put])
    def work(message: Message) -> None: ...

    if name.endswith("2"):
        app.table("more", key="id")
    return app.spec()


class Cut:
    """The app at version 1 or 2, whose template and code differ."""

    def __init__(self, endpoint: str, root: Path) -> None:
        self.endpoint = endpoint
        self.stage = Stage("cut", "t", "aws", root, python="3.12")
        self.artifacts = {version: artifact_of(root / f"{version}.zip", f"# {version}") for version in (1, 2, 3)}
        self.calm = Clients(endpoint)

    def spec(self, version: int) -> AppSpec:
        """3 is 2 with other code."""
        return app_named("cut" if version == 1 else "cut2")

    def deploy(self, version: int, faults: Faults | None = None) -> None:
        deployer = self.deployer(faults)
        list(deployer.apply(deployer.plan(self.spec(version), self.artifacts[version])))

    def plan(self, version: int) -> Plan:
        """Which leaves a change set behind where templates differ."""
        return self.deployer().plan(self.spec(version), self.artifacts[version])

    def destroy(self, version: int = 0, faults: Faults | None = None) -> None:
        list(self.deployer(faults).destroy(delete_data=True))

    def forget(self, version: int) -> None:
        """As if that artifact had not been uploaded."""
        s3 = self.calm.get("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            for each in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
                if self.artifacts[version].sha256 in each["Key"]:
                    s3.delete_object(Bucket=bucket["Name"], Key=each["Key"])

    def deployer(self, faults: Faults | None = None) -> AwsDeployer:
        if faults is None:
            return AwsDeployer(self.stage, self.calm)
        clients = Clients(self.endpoint, made=faults.attach, retries={"total_max_attempts": 1})
        return AwsDeployer(self.stage, clients)

    def everything(self) -> dict[str, Any]:
        """What is in the account, without what AWS makes up."""
        get = self.calm.get
        buckets = [each["Name"] for each in get("s3").list_buckets()["Buckets"]]
        functions = get("lambda").list_functions()["Functions"]
        stacks = get("cloudformation").describe_stacks()["Stacks"]
        return {
            "stacks": [each["StackName"] for each in stacks if each["StackStatus"] != "DELETE_COMPLETE"],
            "templates": [get("cloudformation").get_template(StackName="cut-t")["TemplateBody"] for each in stacks[:1]],
            "functions": {each["FunctionName"]: each["CodeSha256"] for each in functions},
            "mappings": len(get("lambda").list_event_source_mappings()["EventSourceMappings"]),
            "queues": sorted(get("sqs").list_queues().get("QueueUrls", [])),
            "tables": sorted(get("dynamodb").list_tables()["TableNames"]),
            "apis": [each["Name"] for each in get("apigatewayv2").get_apis()["Items"]],
            "roles": len(get("iam").list_roles()["Roles"]),
            "groups": sorted(each["logGroupName"] for each in get("logs").describe_log_groups()["logGroups"]),
            "objects": sorted(
                each["Key"] for name in buckets for each in get("s3").list_objects_v2(Bucket=name).get("Contents", [])
            ),
        }


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with local_aws() as endpoint:
        yield endpoint


@pytest.fixture
def cut(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cut:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    cut = Cut(endpoint, tmp_path)
    cut.destroy()
    return cut


WRITES = ("Create", "Put", "Execute", "Update", "Delete")
POLLED = ("DescribeStacks", "DescribeStackEvents", "DescribeChangeSet", "GetFunctionConfiguration")
EVERY_CALL = bool(os.environ.get("FAASBRIDGE_EVERY_CALL"))
Fault = tuple[str, int, Act]


def faults_of(operations: list[str], *, writes_only: bool = False) -> list[Fault]:
    """A read is killed before it is sent; a write after AWS did it, and its answer is lost besides."""
    found: list[Fault] = []
    for name, count in Counter(operations).items():
        action = name.rpartition(".")[2]
        chosen = {1, min(2, count) if action in POLLED else count}
        for number in range(1, count + 1) if EVERY_CALL else sorted(chosen):
            if action.startswith(WRITES):
                found += [(name, number, killed_after), (name, number, reset)]
            elif not writes_only:
                found.append((name, number, killed_before))
    return found


def disturbed(do: Callable[[int, Faults], None], version: int, fault: Fault) -> str:
    """Does it until the fault, which must happen; says what was hit."""
    faults = Faults(*fault)
    with suppress(Killed, DeployError):
        do(version, faults)
    name, number, act = fault
    assert faults.happened or (EVERY_CALL and name.rpartition(".")[2] in POLLED), (name, number)
    return f"{act.__name__} at {name}, the {number}."


def undisturbed(cut: Cut, version: int, before: int = 0) -> tuple[dict[str, Any], list[str]]:
    """What is in the account in the end, and the calls that it took."""
    if before:
        cut.deploy(before)
        cut.plan(version)
    faults = Faults()
    cut.deploy(version, faults)
    return cut.everything(), faults.operations


def test_a_first_deployment(cut: Cut) -> None:
    expected, operations = undisturbed(cut, 1)
    for fault in faults_of(operations):
        cut.destroy()
        what = disturbed(cut.deploy, 1, fault)
        cut.deploy(1)
        assert cut.everything() == expected, what
        assert cut.plan(1).changes == (), what


def test_an_update(cut: Cut) -> None:
    expected, operations = undisturbed(cut, 2, before=1)
    for fault in faults_of(operations):
        cut.deploy(1)
        cut.forget(2)
        cut.plan(2)
        what = disturbed(cut.deploy, 2, fault)
        cut.deploy(2)
        assert cut.everything() == expected, what
        assert cut.plan(2).changes == (), what


def test_a_change_of_code(cut: Cut) -> None:
    expected, operations = undisturbed(cut, 3, before=2)
    for fault in faults_of(operations, writes_only=True):
        if not fault[0].startswith("s3."):  # those are in the other tests
            cut.deploy(2)
            what = disturbed(cut.deploy, 3, fault)
            cut.deploy(3)
            assert cut.everything() == expected, what


def test_a_destroy(cut: Cut) -> None:
    empty = cut.everything()
    cut.deploy(1)
    faults = Faults()
    cut.destroy(1, faults)
    for fault in faults_of(faults.operations):
        cut.deploy(1)
        cut.calm.get("dynamodb").put_item(TableName=table_of(cut), Item={"id": {"S": "1"}})
        what = disturbed(cut.destroy, 1, fault)
        cut.destroy()
        assert cut.everything() == empty, what
        assert list(cut.deployer().destroy()) == [], what


def test_what_outlives_the_stack_goes_with_the_next_destroy(cut: Cut) -> None:
    empty = cut.everything()
    cut.deploy(1)
    groups = cut.everything()["groups"]
    with suppress(Killed):
        cut.destroy(1, Faults("cloudwatch-logs.DeleteLogGroup", 1, killed_before))
    for group in groups:  # as Lambda does for a function that was still running, where its role may
        cut.calm.get("logs").create_log_group(logGroupName=group)
    cut.destroy()
    assert cut.everything() == empty


def table_of(cut: Cut) -> str:
    (name,) = cut.calm.get("dynamodb").list_tables()["TableNames"]
    return str(name)


def test_every_operation_throttled_once_is_only_slower(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    throttled: set[str] = set()

    def throttle(client: Any) -> None:
        def before(request: Any, event_name: str, **_: Any) -> Any:
            operation = event_name.removeprefix("before-send.")
            if operation in throttled:
                return None
            throttled.add(operation)
            body = b"<ErrorResponse><Error><Code>Throttling</Code><Message>slow down</Message></Error></ErrorResponse>"
            raw = SimpleNamespace(stream=lambda: [body])
            return AWSResponse(request.url, 503, {"x-amzn-errortype": "Throttling"}, raw)

        client.meta.events.register("before-send", before)

    deployer = AwsDeployer(cut.stage, Clients(cut.endpoint, made=throttle))
    for version in (1, 2, 3):
        list(deployer.apply(deployer.plan(cut.spec(version), cut.artifacts[version])))
        assert deployer.plan(cut.spec(version), cut.artifacts[version]).changes == ()
    list(deployer.destroy(delete_data=True))
    assert {"cloudformation.ExecuteChangeSet", "lambda.UpdateFunctionCode", "s3.PutObject"} <= throttled


# Where a right is not named as the operation is. Source: Service Authorization Reference.
RIGHTS = {
    "cloudwatch-logs.DeleteLogGroup": "logs:DeleteLogGroup",
    "s3.HeadObject": "s3:GetObject",
    "s3.HeadBucket": "s3:ListBucket",
    "s3.ListObjectsV2": "s3:ListBucket",
    "s3.ListObjectVersions": "s3:ListBucketVersions",
    "s3.ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3.DeleteObjects": "s3:DeleteObject",
    "s3.PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3.PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3.PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}


def test_deploying_takes_the_rights_that_the_documentation_lists(cut: Cut) -> None:
    page = (Path(__file__).parents[3] / "docs" / "providers.md").read_text()
    table = page.partition("What the deployer calls itself")[2].partition("\n\n`faasbridge_aws")[0]
    listed = {
        f"{row[1]}:{action}"
        for row in re.finditer(r"^\| (\w+)[^|]* \| ([^|]+) \|$", table, re.MULTILINE)
        for action in re.split(r"[,;] (?:of existing ones with handlers )?", row[2])
    }
    faults = Faults()
    for version in (1, 2, 3):
        cut.deploy(version, faults)
    cut.destroy(faults=faults)
    taken = {RIGHTS.get(each, each.replace(".", ":")) for each in faults.operations}
    assert len(taken) > 15
    assert taken - listed == set()


SCRIPT = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, {folder!r})
from test_interrupted import Cut, Faults

class Deadly(Faults):
    def attach(self, client):
        def after(http_response, parsed, model, **_):
            if model.name == {operation!r}:
                os.kill(os.getpid(), signal.SIGKILL)
        client.meta.events.register("after-call", after)

getattr(Cut({endpoint!r}, Path({root!r})), {command!r})({version}, Deadly())
"""


@pytest.mark.parametrize(
    ("command", "operation", "version"),
    [("deploy", "ExecuteChangeSet", 1), ("deploy", "UpdateFunctionCode", 3), ("destroy", "DeleteStack", 0)],
)
def test_a_process_that_is_killed(cut: Cut, tmp_path: Path, command: str, operation: str, version: int) -> None:
    empty = cut.everything()
    if command == "destroy" or version > 1:
        cut.deploy(2)
    script = SCRIPT.format(
        folder=str(Path(__file__).parent),
        operation=operation,
        endpoint=cut.endpoint,
        root=str(tmp_path),
        command=command,
        version=version,
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, timeout=100, check=False
    )
    assert ended.returncode == -9, ended.stderr.decode()
    getattr(cut, command)(version)
    if command == "destroy":
        assert cut.everything() == empty
    else:
        assert cut.plan(version).changes == ()
