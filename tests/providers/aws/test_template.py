"""What is deployed to AWS: the inbox of every handler, what fills it, what runs, and how it is reached."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from faasbridge import App, ConfigError, Resource
from faasbridge.conformance.app import app as conformance
from faasbridge.plugins import manager
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec
from faasbridge_aws.events import decode
from faasbridge_aws.plugin import faasbridge_checks
from faasbridge_aws.template import names

sys.path.insert(0, str(Path(__file__).parent))
from template_apps import ACCOUNT, KIT_OF, REGION, Resolved, stage, template, whole_app

MADE = template(whole_app())
WHOLE = Resolved(MADE)
EVENT_FUNCTIONS = [each for each in whole_app().spec().functions if each.inbox is not None]


def handler(event: Any) -> None: ...


def inbox_id(function: FunctionSpec) -> str:
    kind, _, name = (function.inbox or "").partition(":")
    return f"Queue0{name.replace('-', 'Zd')}" if kind == "queue" else f"FunctionInbox0{name.replace('_', 'Zu')}"


def test_the_same_app_gives_the_same_text() -> None:
    spec = whole_app().spec()
    shuffled = replace(spec, resources=spec.resources[::-1], functions=spec.functions[::-1])
    assert json.dumps(template(spec)) == json.dumps(template(whole_app())) == json.dumps(template(shuffled))


def test_the_artifact_is_a_parameter() -> None:
    assert set(MADE["Parameters"]) == {"ArtifactBucket", "ArtifactKey"}
    for function in WHOLE.of_type("AWS::Lambda::Function").values():
        assert function["Properties"]["Code"] == {"S3Bucket": "artifacts", "S3Key": "shop/dev/0.zip"}


def test_every_resource_names_the_declared_thing_that_it_belongs_to() -> None:
    spec = whole_app().spec()
    declared = {(each.kind, each.name) for each in spec.resources}
    declared |= {("function" if each.inbox else "api", each.name) for each in spec.functions}
    owners = {id: each["Metadata"]["faasbridge"] for id, each in MADE["Resources"].items()}
    assert {(each["kind"], each["name"]) for each in owners.values()} == declared
    assert owners["FunctionRole0work"] == {"kind": "function", "name": "work"}
    assert owners["Queue0bulkZddead"] == {"kind": "queue", "name": "bulk", "part": "dead-letters"}
    assert owners["Queue0jobsZddead"] == {"kind": "queue", "name": "jobs-dead"}


def test_one_main_resource_stands_for_each_declared_resource() -> None:
    types = {"bucket": "S3::Bucket", "queue": "SQS::Queue", "table": "DynamoDB::Table", "topic": "SNS::Topic"}
    for kind, type_ in {**types, "secret": "SecretsManager::Secret"}.items():
        found = [
            each["Metadata"]["faasbridge"]["name"]
            for each in MADE["Resources"].values()
            if each["Type"] == f"AWS::{type_}"
            and each["Metadata"]["faasbridge"]["kind"] == kind
            and "part" not in each["Metadata"]["faasbridge"]
        ]
        assert sorted(found) == sorted(each.name for each in whole_app().spec().resources if each.kind == kind)


def test_app_stage_and_version_are_tags_of_all_that_takes_tags() -> None:
    expected = {"faasbridge:app": "shop", "faasbridge:stage": "dev", "faasbridge:version": "1.2.3"}
    untagged = set()
    for resource in WHOLE.resources.values():
        tags = resource.get("Properties", {}).get("Tags")
        if tags is None:
            untagged.add(resource["Type"].removeprefix("AWS::"))
        else:
            assert (tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}) == expected
    assert untagged == {
        "ApiGatewayV2::Integration",
        "ApiGatewayV2::Route",
        "Lambda::Alias",
        "Lambda::Permission",
        "Lambda::Url",
        "Lambda::Version",
        "S3::BucketPolicy",
        "SNS::Subscription",
        "SNS::TopicPolicy",
        "SQS::QueuePolicy",
        "Scheduler::Schedule",
    }


@pytest.mark.parametrize("function", EVENT_FUNCTIONS, ids=lambda function: function.name)
class TestInboxes:
    def test_it_moves_what_failed_too_often_to_its_dead_letters(self, function: FunctionSpec) -> None:
        inbox = WHOLE.properties(inbox_id(function))
        dead_arn = inbox["RedrivePolicy"]["deadLetterTargetArn"]
        (dead,) = [id for id in WHOLE.of_type("AWS::SQS::Queue") if WHOLE.arn(id) == dead_arn]
        assert inbox["RedrivePolicy"]["maxReceiveCount"] == function.max_attempts
        assert WHOLE.properties(dead)["RedriveAllowPolicy"] == {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [WHOLE.arn(inbox_id(function))],
        }
        assert (
            WHOLE.properties(dead)["QueueName"].removesuffix(".fifo")
            == f"{inbox['QueueName'].removesuffix('.fifo')}-dead"
        )

    def test_messages_stay_hidden_for_six_time_outs(self, function: FunctionSpec) -> None:
        lambda_ = WHOLE.properties(names.function_id(function))
        hidden_s = WHOLE.properties(inbox_id(function))["VisibilityTimeout"]
        mapping = WHOLE.properties(names.logical_id("function", function.name, "Mapping"))
        assert hidden_s >= 6 * lambda_["Timeout"] + mapping.get("MaximumBatchingWindowInSeconds", 0)

    def test_it_is_polled_with_partial_answers(self, function: FunctionSpec) -> None:
        mapping = WHOLE.properties(names.logical_id("function", function.name, "Mapping"))
        assert mapping["EventSourceArn"] == WHOLE.arn(inbox_id(function))
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    def test_the_function_knows_its_dead_letters(self, function: FunctionSpec) -> None:
        variables = WHOLE.properties(names.function_id(function))["Environment"]["Variables"]
        dead_arn = WHOLE.properties(inbox_id(function))["RedrivePolicy"]["deadLetterTargetArn"]
        assert variables["FAASBRIDGE_DEAD_LETTERS"].endswith("/" + dead_arn.rpartition(":")[2])


def test_queues_are_encrypted_kept_for_two_weeks_and_over_tls_only() -> None:
    for id, queue in WHOLE.of_type("AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True
        assert queue["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert any(each["Effect"] == "Deny" for each in WHOLE.queue_statements(id))


def test_ordered_sources_have_ordered_inboxes_and_dead_letters() -> None:
    fifo = {id for id, each in WHOLE.of_type("AWS::SQS::Queue").items() if each["Properties"].get("FifoQueue")}
    assert fifo == {
        "Queue0line",
        "Queue0lineZddead",
        "Queue0lineZddeadZddead",
        "FunctionInbox0follow",
        "FunctionInboxDead0follow",
    }
    assert all(WHOLE.properties(id)["QueueName"].endswith(".fifo") for id in fifo)


def test_a_handler_of_single_events_gets_one_at_a_time_unless_told_otherwise() -> None:
    sizes = {
        id: each["Properties"]["BatchSize"] for id, each in WHOLE.of_type("AWS::Lambda::EventSourceMapping").items()
    }
    assert {id: size for id, size in sizes.items() if size != 1} == {
        "FunctionMapping0load": 500,
        "FunctionMapping0read": 5,
    }
    assert WHOLE.properties("Function0read")["Timeout"] == 5 * 60
    assert WHOLE.properties("FunctionMapping0inZuline")["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_a_batch_waits_as_long_as_asked() -> None:
    assert WHOLE.properties("FunctionMapping0load")["MaximumBatchingWindowInSeconds"] == 3
    assert WHOLE.properties("Function0load")["Timeout"] == 60


def admitted(queue: str) -> list[tuple[str, str]]:
    return [
        (each["Principal"]["Service"], each["Condition"]["ArnEquals"]["aws:SourceArn"])
        for each in WHOLE.queue_statements(queue)
        if each["Effect"] == "Allow"
    ]


def test_a_topic_fills_the_inbox_of_its_handler_with_raw_messages() -> None:
    subscription = WHOLE.properties("FunctionSubscription0read")
    assert subscription["Endpoint"] == WHOLE.arn("FunctionInbox0read")
    assert subscription["RawMessageDelivery"] is True
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": WHOLE.arn("FunctionInboxDead0read")}
    for queue in ("FunctionInbox0read", "FunctionInboxDead0read"):
        assert admitted(queue) == [("sns.amazonaws.com", WHOLE.arn("Topic0news"))]


def test_a_bucket_fills_the_inbox_of_its_handler_through_a_rule() -> None:
    rule = WHOLE.properties("FunctionRule0arrived")
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["shop-dev-files-0a1b2c3d4e5f"]}, "object": {"key": [{"prefix": "in/"}]}},
    }
    (rest,) = WHOLE.properties("FunctionMapping0arrived")["FilterCriteria"]["Filters"]
    assert json.loads(rest["Pattern"]) == {"body": {"detail": {"object": {"key": [{"suffix": ".jpg"}]}}}}
    (target,) = rule["Targets"]
    assert target["Arn"] == WHOLE.arn("FunctionInbox0arrived")
    assert target["DeadLetterConfig"] == {"Arn": WHOLE.arn("FunctionInboxDead0arrived")}
    for queue in ("FunctionInbox0arrived", "FunctionInboxDead0arrived"):
        assert admitted(queue) == [("events.amazonaws.com", WHOLE.arn("FunctionRule0arrived"))]
    assert WHOLE.properties("FunctionRule0gone")["EventPattern"]["detail-type"] == ["Object Deleted"]
    assert "object" not in WHOLE.properties("FunctionRule0gone")["EventPattern"]["detail"]


def test_only_buckets_with_handlers_send_events() -> None:
    assert "NotificationConfiguration" in WHOLE.properties("Bucket0files")
    assert "NotificationConfiguration" not in WHOLE.properties("Bucket0drops")


@pytest.mark.parametrize(
    ("prefix", "suffix", "asked", "left"),
    [
        ("", "", [], []),
        ("in/", "", ["prefix"], []),
        ("", ".jpg", ["suffix"], []),
        ("in/", ".j", ["prefix"], ["suffix"]),
    ],
)
def test_prefix_and_suffix_are_asked_for_without_wildcards(
    prefix: str, suffix: str, asked: list[str], left: list[str]
) -> None:
    """Of which an account has thirty rules: EventBridge quotas, "Rules containing wildcards"."""
    app = App("shop")
    app.bucket("files").on_create(name="arrived", prefix=prefix, suffix=suffix)(handler)
    made = Resolved(template(app))
    keys = made.properties("FunctionRule0arrived")["EventPattern"]["detail"].get("object", {"key": []})["key"]
    filters = made.properties("FunctionMapping0arrived").get("FilterCriteria", {"Filters": []})["Filters"]
    rest = [json.loads(each["Pattern"])["body"]["detail"]["object"]["key"] for each in filters]
    assert [name for key in keys for name in key] == asked
    assert [name for found in rest for key in found for name in key] == left


def test_buckets_are_private_encrypted_and_usable_by_browsers() -> None:
    for id in ("Bucket0files", "Bucket0drops"):
        bucket = WHOLE.properties(id)
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert "BucketEncryption" in bucket
        assert bucket["CorsConfiguration"]["CorsRules"][0]["AllowedMethods"] == ["GET", "HEAD", "PUT"]
    denied = WHOLE.properties("BucketPolicy0files")["PolicyDocument"]["Statement"][0]
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_settings_of_a_stage_ask_more_of_buckets_and_tables() -> None:
    wishes = {
        "buckets": {"files": {"versioning": True}},
        "tables": {"rows": {"point_in_time_recovery": True, "deletion_protection": True}},
    }
    made = Resolved(template(whole_app(), stage(settings=wishes)))
    assert made.properties("Bucket0files")["VersioningConfiguration"] == {"Status": "Enabled"}
    rows = made.properties("Table0rows")
    assert rows["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert rows["DeletionProtectionEnabled"] is True


def test_a_table_has_its_keys_indexes_and_expiry() -> None:
    rows = WHOLE.properties("Table0rows")
    assert rows["BillingMode"] == "PAY_PER_REQUEST"
    assert [each["AttributeName"] for each in rows["KeySchema"]] == ["id", "part"]
    (index,) = rows["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["Projection"]) == ("by-day", {"ProjectionType": "ALL"})
    assert {each["AttributeName"] for each in rows["AttributeDefinitions"]} == {"id", "part", "day"}
    assert rows["TimeToLiveSpecification"] == {"AttributeName": "$fb:expires_at", "Enabled": True}


def test_a_table_fills_the_inbox_of_its_handler_through_a_pipe() -> None:
    pipe = WHOLE.properties("FunctionPipe0changed")
    assert pipe["Source"] == f"{WHOLE.arn('Table0rows')}/stream/label"
    assert pipe["Target"] == WHOLE.arn("FunctionInbox0changed")
    source = pipe["SourceParameters"]["DynamoDBStreamParameters"]
    assert source["DeadLetterConfig"] == {"Arn": WHOLE.arn("FunctionInboxDead0changed")}
    assert WHOLE.properties("Table0rows")["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_only_tables_with_handlers_have_a_stream() -> None:
    made = Resolved(template(conformance))
    streamed = {
        id for id, each in made.of_type("AWS::DynamoDB::Table").items() if "StreamSpecification" in each["Properties"]
    }
    assert streamed == {"Table0watched"}


def test_a_schedule_fills_the_inbox_of_its_handler_with_a_tick() -> None:
    schedule = WHOLE.properties("FunctionSchedule0nightly")
    assert schedule["ScheduleExpression"] == "cron(30 3 ? * MON,TUE,WED,THU,FRI *)"
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
    target = schedule["Target"]
    assert target["Arn"] == WHOLE.arn("FunctionInbox0nightly")
    text = target["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-24T02:30:00Z")
    (tick,) = decode({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": text}]})
    assert (tick.source, tick.id) == ("nightly", "nightly@2026-11-24T02:30:00+00:00")


def test_a_secret_has_no_value_in_the_template() -> None:
    assert set(WHOLE.properties("Secret0token")) == {"Name", "Description", "Tags"}


def test_a_function_is_what_its_spec_says() -> None:
    home, work = WHOLE.properties("ApiFunction0http"), WHOLE.properties("Function0work")
    assert (work["Runtime"], work["Handler"]) == ("python3.13", "faasbridge_aws.entry.handler")
    assert (work["Timeout"], work["MemorySize"], work["Architectures"]) == (20, 256, ["arm64"])
    assert WHOLE.properties("Function0arrived")["MemorySize"] == 128  # the least that Lambda gives
    assert work["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": "/aws/lambda/shop-dev-work"}
    assert WHOLE.properties("FunctionLog0work")["RetentionInDays"] == 30
    assert WHOLE.properties("FunctionLog0nightly")["RetentionInDays"] == 7
    assert WHOLE.properties("Function0nightly")["VpcConfig"]["SubnetIds"] == ["subnet-0a1b2c3d"]
    assert home["Environment"]["Variables"] == {
        "FAASBRIDGE_BUCKET_FILES": "shop-dev-files-0a1b2c3d4e5f",
        "FAASBRIDGE_FUNCTION": "http",
        "FAASBRIDGE_QUEUE_JOBS": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/shop-dev-jobs",
        "FAASBRIDGE_SECRET_TOKEN": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shop-dev-token-a1B2c3",
        "FAASBRIDGE_STAGE": "dev",
        "FAASBRIDGE_TABLE_ROWS": WHOLE.properties("Table0rows")["TableName"],
    }


def test_the_environment_of_the_stage_is_the_functions_too() -> None:
    made = Resolved(template(whole_app(), stage(env={"PAGE_SIZE": "50"})))
    assert made.properties("Function0work")["Environment"]["Variables"]["PAGE_SIZE"] == "50"


@pytest.mark.parametrize(
    ("env", "said"),
    [({"BIG": "x" * 4000}, "move long values"), ({"AWS_REGION": "x"}, "no variable"), ({"1A": "x"}, "no variable")],
)
def test_an_environment_that_lambda_refuses_is_refused_here(env: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        template(whole_app(), stage(env=env))


def test_an_api_is_one_route_to_its_function_and_nobody_else_may_invoke_it() -> None:
    assert WHOLE.properties("ApiRoute0http")["RouteKey"] == "$default"
    assert "CorsConfiguration" not in WHOLE.properties("Api0http")
    assert WHOLE.properties("ApiIntegration0http")["PayloadFormatVersion"] == "2.0"
    permission = WHOLE.properties("ApiPermission0http")
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["SourceArn"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:<Api0http>/*/*"
    limits = WHOLE.properties("ApiStage0http")["DefaultRouteSettings"]
    assert limits == {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}
    assert MADE["Outputs"]["ApiEndpoint0http"]["Value"] == {"Fn::GetAtt": ["Api0http", "ApiEndpoint"]}


def test_a_function_url_is_public_through_the_url_only() -> None:
    assert "Api0admin" not in MADE["Resources"]
    assert WHOLE.properties("ApiUrl0admin")["AuthType"] == "NONE"
    assert WHOLE.properties("ApiUrlPermission0admin")["Action"] == "lambda:InvokeFunctionUrl"
    invoke = WHOLE.properties("ApiUrlInvokePermission0admin")
    assert (invoke["Action"], invoke["InvokedViaFunctionUrl"]) == ("lambda:InvokeFunction", True)
    assert MADE["Outputs"]["ApiEndpoint0admin"]["Value"] == {"Fn::GetAtt": ["ApiUrl0admin", "FunctionUrl"]}


def test_with_snap_start_the_newest_version_is_what_runs() -> None:
    assert WHOLE.properties("Function0read")["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert WHOLE.properties("FunctionMapping0read")["FunctionName"] == WHOLE.arn("FunctionAlias0read")
    assert WHOLE.properties("FunctionAlias0read")["FunctionVersion"].endswith("!Version")


def test_a_version_is_made_anew_when_its_function_changes_and_only_then() -> None:
    def described(**more: Any) -> str:
        found: str = Resolved(template(whole_app(), stage(**more))).properties("FunctionVersion0read")["Description"]
        return found

    assert described() == described(version="9.9.9")
    assert described() != described(env={"A1": "b"})
    assert described().endswith("shop/dev/0.zip")


def test_messages_that_one_invocation_has_no_time_for_are_refused() -> None:
    """The last ones would come again, an attempt less, without ever having been tried."""
    app = App("shop")
    app.queue("jobs").on_message(name="work", timeout_s=60, aws={"batch_size": 16})(handler)
    with pytest.raises(ConfigError, match=r"16 messages of timeout_s=60 take 960 s, and an invocation has 900"):
        template(app)


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"reserved_concurrency": 1}, None),  # fewer than a mapping can be limited to
        ({"reserved_concurrency": 5}, 5),
        ({"reserved_concurrency": 2000}, 1000),
        ({"reserved_concurrency": 5, "max_concurrency": 3}, 3),
        ({}, None),
    ],
)
def test_no_more_messages_are_taken_than_may_be_handled(options: dict[str, int], most: int | None) -> None:
    app = App("shop")
    app.queue("jobs").on_message(name="work", aws=options)(handler)
    scaling = Resolved(template(app)).properties("FunctionMapping0work").get("ScalingConfig")
    assert scaling == (None if most is None else {"MaximumConcurrency": most})


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"reserved_concurrency": 1}, 2),
        ({"reserved_concurrency": 5, "max_concurrency": 10}, 10),
        ({"reserved_concurrency": 5}, None),
        ({"max_concurrency": 10}, None),
        ({}, None),
    ],
)
def test_messages_that_will_be_turned_away_are_warned_of(options: dict[str, int], taken: int | None) -> None:
    app = App("shop")
    app.queue("jobs").on_message(name="work", aws=options)(handler)
    found = list(faasbridge_checks(app.spec(), stage()))
    assert [each.severity for each in found] == ([] if taken is None else ["warning"])
    assert all(f"takes {taken} messages at a time" in each.message for each in found)


@pytest.mark.parametrize("ordered", ["queue", "topic"])
def test_of_an_ordered_source_one_message_is_handled_at_a_time(ordered: str) -> None:
    """What is held back behind a failure loses an attempt with it."""
    app = App("shop")
    source: Any = getattr(app, ordered)("line", ordered=True)
    source.on_message(name="work", aws={"batch_size": 2})(handler)
    with pytest.raises(ConfigError, match="gets one at a time"):
        template(app)


def test_a_snapshot_has_little_storage() -> None:
    app = App("shop")
    app.queue("jobs").on_message(name="work", aws={"snap_start": True, "ephemeral_storage_mb": 513})(handler)
    with pytest.raises(ConfigError, match="snap_start goes with ephemeral_storage_mb up to 512, not 513"):
        template(app)


@pytest.mark.parametrize("option", ["requests_per_s", "burst"])
def test_a_function_url_has_no_limit_of_requests(option: str) -> None:
    app = App("shop")
    options: Any = {"endpoint": "function-url", option: 5}
    app.api("admin", aws=options).get("/")(handler)
    with pytest.raises(ConfigError, match=f"a function URL has no {option}"):
        template(app)


def test_rights_of_the_same_kind_share_a_statement() -> None:
    app = App("shop")
    app.get("/", uses=[app.table(f"t{i}", key="id").get for i in range(3)])(handler)
    (gets,) = [each for each in Resolved(template(app)).statements("ApiRole0http") if "dynamodb" in str(each)]
    assert gets["Action"] == ["dynamodb:GetItem"]
    assert len(gets["Resource"]) == 3


def test_a_function_may_cause_itself_to_run_where_it_says_so() -> None:
    app = App("shop")
    jobs = app.queue("jobs")
    jobs.on_message(name="work", uses=[jobs.send], aws={"recursive_loop": True})(handler)
    made = Resolved(template(app))
    assert made.properties("Function0work")["RecursiveLoop"] == "Allow"
    assert "RecursiveLoop" not in WHOLE.properties("Function0work")


def test_a_longer_time_out_than_aws_gives_is_refused() -> None:
    app = App("shop")
    app.schedule("0 0 * * *", name="long", timeout_s=901)(handler)
    with pytest.raises(ConfigError, match="900 s at most"):
        template(app)


def test_an_existing_queue_may_be_another_account_s() -> None:
    app = App("shop")
    jobs = app.queue("jobs", existing=True)
    app.get("/", uses=[jobs.send])(handler)
    arn = "arn:aws:sqs:eu-west-1:999999999999:team-jobs"
    made = Resolved(template(app, stage(settings={"existing": {"jobs": arn}})))
    variables = made.properties("ApiFunction0http")["Environment"]["Variables"]
    assert variables["FAASBRIDGE_QUEUE_JOBS"] == "https://sqs.eu-west-1.amazonaws.com/999999999999/team-jobs"
    assert made.statements("ApiRole0http")[-1]["Resource"] == arn


def test_resources_that_exist_are_not_made() -> None:
    app = App("shop")
    jobs, news, files = (
        app.queue("jobs", existing=True),
        app.topic("news", existing=True),
        app.bucket("files", existing=True),
    )
    jobs.on_message(name="work")(handler)
    news.on_message(name="read")(handler)
    files.on_create(name="arrived")(handler)
    with pytest.raises(ConfigError, match=r"stages\.dev\.aws\.existing"):
        template(app)
    physical = {"jobs": "old-jobs", "news": "old-news", "files": "old-files"}
    made = Resolved(template(app, stage(settings={"existing": physical})))
    assert made.properties("FunctionMapping0work")["EventSourceArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:old-jobs"
    assert made.properties("FunctionSubscription0read")["TopicArn"] == f"arn:aws:sns:{REGION}:{ACCOUNT}:old-news"
    assert made.properties("FunctionRule0arrived")["EventPattern"]["detail"]["bucket"] == {"name": ["old-files"]}
    assert not {"Queue0jobs", "Topic0news", "Bucket0files"} & set(made.resources)
    assert made.properties("Queue0jobsZddead")["QueueName"] == "shop-dev-jobs-dead"


def test_the_stream_of_a_table_that_exists_is_a_setting() -> None:
    app = App("shop")
    app.table("rows", key="id", existing=True).on_change(name="changed")(handler)
    settings: dict[str, Any] = {"existing": {"rows": "OldRows"}}
    with pytest.raises(ConfigError, match="set `stream`"):
        template(app, stage(settings=settings))
    stream = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/OldRows/stream/2026-01-01T00:00:00.000"
    made = Resolved(template(app, stage(settings={**settings, "tables": {"rows": {"stream": stream}}})))
    assert made.properties("FunctionPipe0changed")["Source"] == stream


class Cache(Resource):
    kind = "acme.cache"
    operations: ClassVar[Mapping[str, str]] = {"look": "look"}

    def look(self) -> None: ...

    def on_eviction(self, fn: Any) -> Any:
        return self._declare("eviction", fn, {})


@dataclass(frozen=True)
class CacheKit:
    kind: str = "acme.cache"
    driver: str = "acme.drivers:CacheDriver"

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {
            "Resources": {"AcmeZpcache0sessions": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "cache"}}}
        }

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        arn = {"Fn::GetAtt": ["AcmeZpcache0sessions", "Arn"]}
        return {"Statement": [{"Effect": "Allow", "Action": [f"acme:{right}" for right in rights], "Resource": arn}]}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return {"Resources": {"FunctionFeed0evicted": {"Type": "Acme::Feed", "Properties": {"Target": function.inbox}}}}


def test_a_third_partys_kind_is_made_granted_and_subscribed_like_any_other() -> None:
    app = App("shop")
    sessions = app.add(Cache("sessions"))
    sessions.on_eviction(handler_named("evicted"))

    @app.get("/", uses=[sessions.look])
    def home(request: Any) -> None: ...

    made = template(app, kits={**KIT_OF, "acme.cache": CacheKit()})
    resolved = Resolved(made)
    assert made["Resources"]["AcmeZpcache0sessions"]["Metadata"] == {
        "faasbridge": {"kind": "acme.cache", "name": "sessions"}
    }
    variables = resolved.properties("ApiFunction0http")["Environment"]["Variables"]
    assert variables["FAASBRIDGE_ACME_CACHE_SESSIONS"].endswith("/cache")
    assert variables["FAASBRIDGE_DRIVERS"] == '{"acme.cache":"acme.drivers:CacheDriver"}'
    assert resolved.statements("ApiRole0http")[-1]["Action"] == ["acme:look"]
    assert resolved.properties("FunctionFeed0evicted") == {"Target": "function:evicted"}
    assert "FunctionInbox0evicted" in made["Resources"]


def handler_named(name: str) -> Any:
    def named(event: Any) -> None: ...

    named.__name__ = name
    return named


def test_a_kind_without_a_kit_is_named() -> None:
    app = App("shop")
    app.add(Cache("sessions"))
    with pytest.raises(ConfigError, match=r"nothing makes the kind 'acme\.cache'"):
        template(app)


def test_what_aws_cannot_make_is_found_by_the_checks() -> None:
    app = App("shop")
    app.table("rows", key="id", indexes={"of": ("day", "id")})
    found = [each for more in checks(app, stage()) for each in more]
    assert [(each.code, each.severity) for each in found] == [("aws.template", "error")]
    assert "three characters of an index's name" in found[0].message
    assert not any(checks(app, replace(stage(), provider="local")))


@pytest.mark.parametrize(
    ("count", "said"), [(0, "declares no resource and no handler"), (100, "the app needs 902 resources")]
)
def test_what_makes_no_stack_is_found_before_anything_is_built(count: int, said: str) -> None:
    app = App("shop")
    if count:
        files = app.bucket("files")
        for i in range(count):
            files.on_create(name=f"f{i}", prefix=f"{i}/")(handler)
    (found,) = [each for more in checks(app, stage()) for each in more]
    assert (found.severity, said in found.message) == ("error", True)


def test_more_readers_than_a_stream_serves_are_warned_of() -> None:
    def warned(count: int) -> list[str]:
        app = App("shop")
        rows = app.table("rows", key="id")
        for i in range(count):
            rows.on_change(name=f"f{i}")(handler)
        return [f"{each.severity} {each.code}" for more in checks(app, stage()) for each in more]

    assert (warned(2), warned(3)) == ([], ["warning aws.stream-readers"])


def checks(app: App, at: Stage) -> list[Any]:
    found: list[Any] = manager().hook.faasbridge_checks(spec=app.spec(), stage=at)
    return found
