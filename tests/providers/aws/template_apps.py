"""An app with one of everything, and what a template says once its references are resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faasbridge import App
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec
from faasbridge_aws.kits import KITS
from faasbridge_aws.template import synthesize

KIT_OF = {kit.kind: kit for kit in KITS}
ACCOUNT, REGION = "111122223333", "eu-central-1"
_STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop-dev/0c7f4e60-c92a-11f0-9d3b-0a1b2c3d4e5f"
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackId": _STACK_ID,
    "ArtifactBucket": "artifacts",
    "ArtifactKey": "shop/dev/0.zip",
}


def stage(app: str = "shop", name: str = "dev", **more: Any) -> Stage:
    given: dict[str, Any] = {"python": "3.13", "version": "1.2.3", **more}
    return Stage(app, name, "aws", Path("/nowhere"), **given)


def template(app: App | AppSpec, at: Stage | None = None, kits: Mapping[str, Any] = KIT_OF) -> dict[str, Any]:
    spec = app.spec() if isinstance(app, App) else app
    return synthesize(spec, at or stage(spec.name), kits)


def whole_app() -> App:
    """Every kind of resource, trigger, option and right."""
    app = App("shop", cors=["https://shop.example"], aws={"requests_per_s": 100, "burst": 200})
    files, drops = app.bucket("files"), app.bucket("drops")
    rows = app.table("rows", key="id", sort_key="part", indexes={"by-day": ("day", "id")})
    jobs, bulk, idle, line = app.queue("jobs"), app.queue("bulk"), app.queue("idle"), app.queue("line", ordered=True)
    news, feed = app.topic("news"), app.topic("feed", ordered=True)
    token = app.secret("token")

    @app.get("/", uses=[files.sign_put, files.sign_get, rows.query, token.get, jobs.send])
    def home(request: Any) -> None: ...

    admin = app.api("admin", uses=[rows, files], aws={"endpoint": "function-url"})

    @admin.get("/admin")
    def panel(request: Any) -> None: ...

    @jobs.on_message(uses=[files.get, files.put, rows.put], max_attempts=3, timeout_s=20)
    def work(message: Any) -> None: ...

    @jobs.dead_letters.on_message(uses=[rows.update])
    def mourn(message: Any) -> None: ...

    @bulk.on_batch(batch_size=500, wait_s=2.5, uses=[news.publish], aws={"recursive_loop": True})
    def load(batch: Any) -> None: ...

    @line.on_message(aws={"max_concurrency": 2, "reserved_concurrency": 4})
    def in_line(message: Any) -> None: ...

    @line.dead_letters.on_message
    def out_of_line(message: Any) -> None: ...

    @news.on_message(uses=[drops.list, drops.delete], aws={"snap_start": True, "batch_size": 5})
    def read(message: Any) -> None: ...

    @feed.on_message(uses=[idle.send])
    def follow(message: Any) -> None: ...

    @files.on_create(prefix="in/", suffix=".jpg", memory_mb=64, uses=[files.copy, files.head])
    def arrived(event: Any) -> None: ...

    @files.on_delete
    def gone(event: Any) -> None: ...

    @rows.on_change(uses=[rows.get, rows.delete, rows.scan])
    def changed(change: Any) -> None: ...

    @app.schedule(
        "30 3 * * 1-5",
        timezone="Europe/Berlin",
        aws={"subnet_ids": ["subnet-0a1b2c3d"], "security_group_ids": ["sg-0a1b2c3d"], "log_retention_days": 7},
    )
    def nightly(tick: Any) -> None: ...

    return app


class Resolved:
    """A template's resources with references and ARNs as an account would have them."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._raw = template["Resources"]
        self.resources: dict[str, dict[str, Any]] = {id: self._value(each) for id, each in self._raw.items()}

    def of_type(self, type_: str) -> dict[str, dict[str, Any]]:
        return {id: each for id, each in self.resources.items() if each["Type"] == type_}

    def properties(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.resources[id]["Properties"]
        return found

    def statements(self, role_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.properties(role_id)["Policies"][0]["PolicyDocument"]["Statement"]
        return found

    def queue_statements(self, queue_id: str) -> list[dict[str, Any]]:
        """Of the one policy of that queue."""
        url = self.ref(queue_id)
        policies = [
            each for each in self.of_type("AWS::SQS::QueuePolicy").values() if url in each["Properties"]["Queues"]
        ]
        (policy,) = policies
        found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
        return found

    def ref(self, id: str) -> str:
        if id in _PSEUDO:
            return _PSEUDO[id]
        type_, properties = self._raw[id]["Type"], self._raw[id]["Properties"]
        if type_ == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{properties['QueueName']}"
        if type_ in ("AWS::SNS::Topic", "AWS::SecretsManager::Secret", "AWS::Lambda::Alias"):
            return self.arn(id)
        key = _NAMED.get(type_)
        return str(self._value(properties[key])) if key else f"<{id}>"

    def arn(self, id: str) -> str:
        type_, properties = self._raw[id]["Type"], self._raw[id]["Properties"]
        service, form, key = _ARNS[type_]
        name = self._value(properties[key]) if key in properties else id
        if service == "s3":
            return f"arn:aws:s3:::{name}"
        account = f"{'' if service == 'iam' else REGION}:{ACCOUNT}"
        return f"arn:aws:{service}:{account}:{form.format(name)}"

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            return {key: self._value(each) for key, each in value.items()}
        ((key, given),) = value.items()
        if key == "Ref":
            return self.ref(given)
        if key == "Fn::GetAtt":
            id, attribute = given
            return self.arn(id) + {"Arn": "", "Id": "", "StreamArn": "/stream/label"}.get(attribute, f"!{attribute}")
        if key == "Fn::Sub":
            text, values = given if isinstance(given, list) else (given, {})
            known = {**_PSEUDO, **{name: self._value(each) for name, each in values.items()}}
            return re.sub(r"\$\{([^}]+)\}", lambda match: known[match[1]], text)
        if key == "Fn::Join":
            return given[0].join(self._value(given[1]))
        if key == "Fn::Split":
            return self._value(given[1]).split(given[0])
        if key == "Fn::Select":
            return self._value(given[1])[given[0]]
        return {key: self._value(given)}


_NAMED = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
_ARNS = {
    "AWS::S3::Bucket": ("s3", "{}", "BucketName"),
    "AWS::DynamoDB::Table": ("dynamodb", "table/{}", "TableName"),
    "AWS::SQS::Queue": ("sqs", "{}", "QueueName"),
    "AWS::SNS::Topic": ("sns", "{}", "TopicName"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "secret:{}-a1B2c3", "Name"),
    "AWS::Lambda::Function": ("lambda", "function:{}", "FunctionName"),
    "AWS::Lambda::Alias": ("lambda", "function:{}:live", "FunctionName"),
    "AWS::Lambda::Version": ("lambda", "function:{}:1", "FunctionName"),
    "AWS::Lambda::Url": ("lambda", "url:{}", "TargetFunctionArn"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*", "LogGroupName"),
    "AWS::IAM::Role": ("iam", "role/{}", "RoleName"),
    "AWS::Events::Rule": ("events", "rule/{}", "Name"),
}


def statements_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy in a template."""
    if isinstance(value, dict):
        if "Effect" in value and "Action" in value:
            yield value
        for each in value.values():
            yield from statements_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from statements_in(each)


def app_with_long_names() -> App:
    def long(text: str) -> str:
        return (text + "-" + "x" * 40)[:40]

    app = App(long("app"))
    files, rows, news = (
        app.bucket(long("files")),
        app.table(long("rows"), key="id"),
        app.topic(long("news"), ordered=True),
    )
    jobs, line = app.queue(long("jobs")), app.queue(long("line"), ordered=True)
    app.secret(long("token"))

    @app.get("/")
    def home(request: Any) -> None: ...

    def handler(event: Any) -> None: ...

    jobs.on_message(name=long("on-jobs"))(handler)
    line.on_message(name=long("on-line"))(handler)
    news.on_message(name=long("on-news"))(handler)
    files.on_create(name=long("on-files"))(handler)
    rows.on_change(name=long("on-rows"))(handler)
    app.schedule("0 0 * * *", name=long("nightly"))(handler)
    return app
