"""What a deployed function may do: what its `uses` says, its own inbox and log, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App
from faasbridge.conformance.app import app as conformance

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import ACCOUNT, REGION, Resolved, stage, statements_in, template, whole_app

if importlib.util.find_spec("lambda_preflight") is None:
    pytest.skip("lambda-preflight is not installed: install the dependency group test-aws", allow_module_level=True)

from lambda_preflight import PolicyEvaluator, PolicySet

WHOLE = Resolved(template(whole_app()))
APPS = {"whole": whole_app(), "conformance": conformance}

# What each operation of a driver calls, by kind: the action and the thing it is called on.
CALLS: dict[str, dict[str, list[str]]] = {
    "bucket": {
        "get": ["s3:GetObject objects", "s3:ListBucket"],
        "head": ["s3:GetObject objects", "s3:ListBucket"],
        "put": ["s3:PutObject objects", "s3:AbortMultipartUpload objects"],
        "delete": ["s3:DeleteObject objects"],
        "list": ["s3:ListBucket"],
        "copy": ["s3:GetObject objects", "s3:PutObject objects"],
        "sign_get": ["s3:GetObject objects"],
        "sign_put": ["s3:PutObject objects"],
    },
    "table": {
        "get": ["dynamodb:GetItem"],
        "put": ["dynamodb:PutItem"],
        "update": ["dynamodb:UpdateItem"],
        "delete": ["dynamodb:DeleteItem"],
        "query": ["dynamodb:Query", "dynamodb:Query indexes"],
        "scan": ["dynamodb:Scan"],
    },
    "queue": {"send": ["sqs:SendMessage"]},
    "topic": {"publish": ["sns:Publish"]},
    "secret": {"get": ["secretsmanager:GetSecretValue"]},
}
# What an operation may do besides, and need not.
ALSO = {
    ("bucket", "copy"): ["s3:ListBucket", "s3:AbortMultipartUpload objects"],
    ("table", "update"): ["dynamodb:GetItem"],
}
_CALLED = sorted({call.split()[0] for kind in CALLS.values() for calls in kind.values() for call in calls})
_OTHERS = """
    dynamodb:DeleteTable iam:PassRole lambda:InvokeFunction logs:DeleteLogGroup s3:DeleteBucket s3:PutBucketPolicy
    secretsmanager:PutSecretValue sns:Subscribe sqs:DeleteQueue sqs:PurgeQueue
"""
EVERY_ACTION = [*_CALLED, *_OTHERS.split()]


def evaluator(resolved: Resolved, function: str) -> PolicyEvaluator:
    role = next(
        id
        for id in resolved.of_type("AWS::IAM::Role")
        if id in (f"FunctionRole0{function.replace('_', 'Zu')}", f"ApiRole0{function}")
    )
    document = {"Version": "2012-10-17", "Statement": resolved.statements(role)}
    return PolicyEvaluator(PolicySet.from_policy_documents([document]), strict=True)


def arns(resolved: Resolved, app: App, kind: str, name: str, call: str) -> list[str]:
    """What an action is called on."""
    id = f"{kind.capitalize()}0{name.replace('-', 'Zd')}"
    arn = resolved.arn(id)
    if call.endswith(" objects"):
        return [f"{arn}/some/key.jpg"]
    if call.endswith(" indexes"):
        return [f"{arn}/index/{index}" for index in app.resources[kind, name].options.get("indexes", {})]
    return [arn]


@pytest.mark.parametrize("name", APPS)
def test_what_uses_declares_is_allowed(name: str) -> None:
    app = APPS[name]
    resolved = Resolved(template(app))
    for function in app.spec().functions:
        policies = evaluator(resolved, function.name)
        for right in function.rights:
            for call in CALLS[right.kind].get(right.operation, ()):
                for arn in arns(resolved, app, right.kind, right.name, call):
                    decision = policies.evaluate(call.split()[0], arn)
                    assert decision.allowed, (function.name, right, arn, decision.reason)


@pytest.mark.parametrize("name", APPS)
def test_everything_else_is_denied(name: str) -> None:
    """Each action on each resource of the app that no right of the function covers, its inbox apart."""
    app = APPS[name]
    resolved = Resolved(template(app))
    tried = 0
    for function in app.spec().functions:
        policies = evaluator(resolved, function.name)
        allowed = {
            (call.split()[0], arn)
            for right in function.rights
            for call in [*CALLS[right.kind].get(right.operation, ()), *ALSO.get((right.kind, right.operation), ())]
            for arn in arns(resolved, app, right.kind, right.name, call)
        }
        allowed |= set(own(resolved, function.name, function.inbox))
        for action in EVERY_ACTION:
            for arn in everything(resolved):
                if (action, arn) not in allowed and policies.evaluate(action, arn).allowed:
                    pytest.fail(f"{function.name} may {action} on {arn}")
                tried += 1
    assert tried > 1000


def own(resolved: Resolved, function: str, inbox: str | None) -> Iterator[tuple[str, str]]:
    """What a function may do to its own dead letters."""
    if inbox is None:
        return
    kind, _, name = inbox.partition(":")
    if kind == "queue":
        yield "sqs:SendMessage", resolved.arn(f"Queue0{name.replace('-', 'Zd')}Zddead")
    else:
        yield "sqs:SendMessage", resolved.arn(f"FunctionInboxDead0{function.replace('_', 'Zu')}")


def everything(resolved: Resolved) -> Iterator[str]:
    for type_ in ("S3::Bucket", "DynamoDB::Table", "SQS::Queue", "SNS::Topic", "SecretsManager::Secret"):
        for id in resolved.of_type(f"AWS::{type_}"):
            arn = resolved.arn(id)
            yield arn
            yield arn + "x"
            yield arn.replace("shop-dev", "shop-prod")
            if type_ == "S3::Bucket":
                yield f"{arn}/some/key.jpg"
            if type_ == "DynamoDB::Table":
                yield f"{arn}/index/by-day"
                yield f"{arn}/stream/label"
    yield f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop-dev-work"
    yield f"arn:aws:iam::{ACCOUNT}:role/admin"
    yield "*"


def test_a_poller_may_take_from_its_own_inbox_only() -> None:
    for function in whole_app().spec().functions:
        policies = evaluator(WHOLE, function.name)
        kind, _, name = (function.inbox or "").partition(":")
        mine = f"Queue0{name.replace('-', 'Zd')}" if kind == "queue" else f"FunctionInbox0{function.name}"
        for queue in WHOLE.of_type("AWS::SQS::Queue"):
            for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility"):
                decision = policies.evaluate(f"sqs:{action}", WHOLE.arn(queue))
                assert decision.allowed == (function.inbox is not None and queue == mine), (function.name, queue)


def test_a_function_writes_its_own_log_only() -> None:
    stream = "arn:aws:logs:{}:{}:log-group:/aws/lambda/shop-dev-{}:log-stream:2026/11/24"
    work = evaluator(WHOLE, "work")
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        assert work.evaluate(action, stream.format(REGION, ACCOUNT, "work")).allowed
        assert not work.evaluate(action, stream.format(REGION, ACCOUNT, "mourn")).allowed


def test_the_pipe_of_a_table_reads_its_stream_and_fills_one_inbox() -> None:
    document = {"Statement": WHOLE.statements("FunctionPipeRole0changed")}
    policies = PolicyEvaluator(PolicySet.from_policy_documents([document]), strict=True)
    stream = WHOLE.properties("FunctionPipe0changed")["Source"]
    for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"):
        assert policies.evaluate(f"dynamodb:{action}", stream).allowed
        assert not policies.evaluate(f"dynamodb:{action}", stream.replace("rows", "cols")).allowed
    fills = {
        id for id in WHOLE.of_type("AWS::SQS::Queue") if policies.evaluate("sqs:SendMessage", WHOLE.arn(id)).allowed
    }
    assert fills == {"FunctionInbox0changed", "FunctionInboxDead0changed"}


def test_a_schedule_fills_one_inbox() -> None:
    document = {"Statement": WHOLE.statements("FunctionScheduleRole0nightly")}
    policies = PolicyEvaluator(PolicySet.from_policy_documents([document]), strict=True)
    fills = {
        id for id in WHOLE.of_type("AWS::SQS::Queue") if policies.evaluate("sqs:SendMessage", WHOLE.arn(id)).allowed
    }
    assert fills == {"FunctionInbox0nightly", "FunctionInboxDead0nightly"}


@pytest.mark.parametrize("name", APPS)
def test_no_policy_allows_wildcards(name: str) -> None:
    """But for network interfaces, whose actions AWS cannot limit to resources."""
    resolved = Resolved(template(APPS[name]))
    for statement in statements_in(list(resolved.resources.values())):
        if statement["Effect"] == "Deny" or "sts:AssumeRole" in statement["Action"]:
            continue
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), statement
        if not all(action.startswith("ec2:") for action in actions):
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            assert all(resource.count(":") >= 5 and not resource.startswith("*") for resource in resources), statement
            assert all(resource.rstrip("*").endswith(("/", ":")) or "*" not in resource for resource in resources)


@pytest.mark.parametrize("name", APPS)
def test_only_services_and_only_for_one_source_may_send_to_a_queue(name: str) -> None:
    resolved = Resolved(template(APPS[name]))
    for queue in resolved.of_type("AWS::SQS::Queue"):
        for statement in resolved.queue_statements(queue):
            assert statement["Resource"] == resolved.arn(queue)
            if statement["Effect"] == "Allow":
                assert statement["Action"] == ["sqs:SendMessage"]
                assert set(statement["Principal"]) == {"Service"}
                assert statement["Condition"]["ArnEquals"]["aws:SourceArn"].startswith("arn:aws:")
            else:
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_roles_are_taken_on_by_one_service_and_for_this_account() -> None:
    for id, role in WHOLE.of_type("AWS::IAM::Role").items():
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert set(trust["Principal"]) == {"Service"}
        if trust["Principal"]["Service"] != "lambda.amazonaws.com":
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, id


def test_existing_resources_are_granted_by_their_physical_names() -> None:
    app = App("shop")
    files, rows = app.bucket("files", existing=True), app.table("rows", key="id", existing=True)
    jobs, news = app.queue("jobs", existing=True), app.topic("news", existing=True)

    @app.get("/", uses=[files.get, rows.get, jobs.send, news.publish])
    def home(request: Any) -> None: ...

    physical = {"files": "old-files", "rows": "OldRows", "jobs": "old-jobs", "news": "old-news"}
    policies = evaluator(Resolved(template(app, stage(settings={"existing": physical}))), "http")
    place = f"{REGION}:{ACCOUNT}"
    for action, arn in (
        ("s3:GetObject", "arn:aws:s3:::old-files/x"),
        ("dynamodb:GetItem", f"arn:aws:dynamodb:{place}:table/OldRows"),
        ("sqs:SendMessage", f"arn:aws:sqs:{place}:old-jobs"),
        ("sns:Publish", f"arn:aws:sns:{place}:old-news"),
    ):
        assert policies.evaluate(action, arn).allowed
        assert not policies.evaluate(action, arn.replace("ld", "lt")).allowed
