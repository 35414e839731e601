"""What Lambda gets back from each kind of function, and what the handlers saw."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import faasbridge
import faasbridge.dispatch
from faasbridge import App, BlobEvent, Change, Message, Reject, Request, Tick
from faasbridge.adapter.own_events import decode_response, encode_event
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge_aws.entry import handler_for

ARN = "arn:aws:sqs:eu-west-1:123456789012:jobs"


def record(id: str, body: Any = "ok", *, group: str | None = None, arn: str = ARN, attempt: int = 1) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(attempt), "SentTimestamp": "1795464238123"}
    if group is not None:
        attributes["MessageGroupId"] = group
    return {
        "messageId": id,
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
    }


def failed(answer: dict[str, Any]) -> list[str]:
    assert list(answer) == ["batchItemFailures"]
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


class Jobs:
    """An app whose handler of a queue does as the message says."""

    def __init__(self, **options: Any) -> None:
        self.app = App("shop")
        self.seen: list[str] = []
        self.runs: list[faasbridge.dispatch.Invocation] = []
        self.buried: list[tuple[str, str]] = []
        queue = self.app.queue("jobs")

        @queue.on_message(**options)
        def work(message: Message) -> None:
            self.runs.append(faasbridge.invocation())
            self.seen.append(message.id)
            if message.text() == "fail":
                raise RuntimeError("failed")
            if message.text() == "reject":
                raise Reject("never")

        self.handle = handler_for(self.app, "work")

    def bury(self, record: dict[str, Any], reason: str) -> None:
        self.buried.append((record["messageId"], reason))


class Context:
    """Lambda's context object, as far as the entry looks at it."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def __init__(self, remaining_ms: int = 30_000) -> None:
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@given(outcomes=st.lists(st.sampled_from(["ok", "fail"]), min_size=1, max_size=10))
def test_exactly_the_failed_messages_are_named(outcomes: list[str]) -> None:
    jobs = Jobs()
    records = [record(str(i), outcome) for i, outcome in enumerate(outcomes)]
    answer = jobs.handle({"Records": records}, Context())
    assert failed(answer) == [str(i) for i, outcome in enumerate(outcomes) if outcome == "fail"]
    assert jobs.seen == [str(i) for i in range(len(outcomes))]


@given(sent=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ok", "ok", "fail"])), min_size=1, max_size=10))
def test_fifo_stops_at_the_first_failure_of_a_group(sent: list[tuple[str, str]]) -> None:
    jobs = Jobs()
    records = [record(str(i), body, group=group, arn=f"{ARN}.fifo") for i, (group, body) in enumerate(sent)]
    answer = jobs.handle({"Records": records}, Context())
    held: set[str] = set()
    wanted, run = [], []
    for i, (group, body) in enumerate(sent):
        if group not in held:
            run.append(str(i))
        if group in held or body == "fail":
            held.add(group)
            wanted.append(str(i))
    assert (failed(answer), jobs.seen) == (wanted, run)


def test_groups_of_a_standard_queue_promise_no_order() -> None:
    jobs = Jobs()
    answer = jobs.handle({"Records": [record("1", "fail", group="a"), record("2", group="a")]}, Context())
    assert (failed(answer), jobs.seen) == (["1"], ["1", "2"])


def test_handler_sees_attempt_deadline_and_request_id() -> None:
    jobs = Jobs(timeout_s=20)
    jobs.handle({"Records": [record("1", attempt=4)]}, Context(9_000))
    (run,) = jobs.runs
    assert (run.attempt, run.id, run.provider, run.function) == (4, Context.aws_request_id, "aws", "work")
    assert 8_000 < run.remaining_ms <= 9_000
    jobs.handle({"Records": [record("1")]}, Context(90_000))
    assert 19_000 < jobs.runs[1].remaining_ms <= 20_000  # one message's own time


def test_stage_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAASBRIDGE_STAGE", "prod")
    jobs = Jobs()
    jobs.handle({"Records": [record("1")]}, Context())
    assert jobs.runs[0].stage == "prod"


def test_rejected_message_goes_to_the_dead_letters_at_once() -> None:
    jobs = Jobs()
    handle = handler_for(jobs.app, "work", dead_letter=jobs.bury)
    answer = handle({"Records": [record("1", "reject"), record("2", "fail"), record("3")]}, Context())
    assert failed(answer) == ["2"]
    assert jobs.buried == [("1", "never")]


def test_last_attempt_that_fails_goes_to_the_dead_letters_with_its_reason() -> None:
    jobs = Jobs(max_attempts=3)
    handle = handler_for(jobs.app, "work", dead_letter=jobs.bury)
    records = [record(str(attempt), "fail", attempt=attempt) for attempt in (1, 2, 3, 4)]
    assert failed(handle({"Records": records}, Context())) == ["1", "2"]
    assert jobs.buried == [("3", "failed"), ("4", "failed")]


def test_message_that_cannot_be_read_is_a_dead_letter_after_its_last_attempt() -> None:
    jobs = Jobs(max_attempts=2)
    handle = handler_for(jobs.app, "work", dead_letter=jobs.bury)
    broken = [record(id, attempt=attempt) for id, attempt in (("1", 1), ("2", 2))]
    for each in broken:
        each["messageAttributes"] = {"faasbridge": {"stringValue": "{", "dataType": "String"}}
    assert failed(handle({"Records": broken}, Context())) == ["1"]
    ((id, reason),) = jobs.buried
    assert (id, "not packed by FaaSBridge" in reason) == ("2", True)


def test_last_attempt_comes_again_where_the_dead_letters_are_out_of_reach() -> None:
    def unreachable(record: Any, reason: str) -> None:
        raise OSError("no connection")

    handle = handler_for(Jobs(max_attempts=1).app, "work", dead_letter=unreachable)
    assert failed(handle({"Records": [record("1", "fail")]}, Context())) == ["1"]


def test_rejected_message_does_not_hold_back_its_group() -> None:
    jobs = Jobs()
    handle = handler_for(jobs.app, "work", dead_letter=jobs.bury)
    arn = f"{ARN}.fifo"
    answer = handle(
        {"Records": [record("1", "reject", group="a", arn=arn), record("2", group="a", arn=arn)]}, Context()
    )
    assert (failed(answer), jobs.seen) == ([], ["1", "2"])


def test_rejected_message_comes_again_where_the_dead_letters_are_out_of_reach() -> None:
    def unreachable(record: Any, reason: str) -> None:
        raise OSError("no connection")

    jobs = Jobs()
    handle = handler_for(jobs.app, "work", dead_letter=unreachable)
    assert failed(handle({"Records": [record("1", "reject")]}, Context())) == ["1"]
    assert failed(jobs.handle({"Records": [record("1", "reject")]}, Context())) == ["1"]


def test_message_that_cannot_be_read_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs()
    broken = record("1")
    broken["messageAttributes"] = {"faasbridge": {"stringValue": "{", "dataType": "String"}}
    assert failed(jobs.handle({"Records": [broken, record("2")]}, Context())) == ["1"]
    assert "work cannot take record 1" in caplog.text


def test_messages_that_time_does_not_suffice_for_come_again() -> None:
    app, context, seen = App("shop"), Context(5_000), []

    @app.queue("jobs").on_message
    def work(message: Message) -> None:
        seen.append(message.id)
        context.remaining_ms -= 2_200

    records = [record(id) for id in "1234"]
    answer = handler_for(app, "work")({"Records": records}, context)
    assert (seen, failed(answer)) == (["1", "2"], ["3", "4"])


def test_event_of_another_source_in_a_queue_with_a_handler_is_its_message() -> None:
    jobs = Jobs()
    body = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]}
    assert failed(jobs.handle({"Records": [record("1", body)]}, Context())) == []
    assert jobs.seen == ["1"]


def batch_app(fail: Callable[[faasbridge.Batch], None]) -> App:
    app = App("shop")

    @app.queue("jobs").on_batch(name="work")
    def work(batch: faasbridge.Batch) -> None:
        fail(batch)

    return app


def test_batch_fails_what_its_handler_names() -> None:
    def fail(batch: faasbridge.Batch) -> None:
        for message in batch:
            if message.text() != "ok":
                batch.fail(message, Reject("never") if message.text() == "reject" else "later")

    jobs = Jobs()
    handle = handler_for(batch_app(fail), "work", dead_letter=jobs.bury)
    records = [record("1"), record("2", "fail"), record("3", "reject"), record("4")]
    assert failed(handle({"Records": records}, Context())) == ["2"]
    assert jobs.buried == [("3", "never")]


def test_batch_s_last_attempts_go_to_the_dead_letters() -> None:
    def explode(batch: faasbridge.Batch) -> None:
        raise RuntimeError("all of it")

    jobs = Jobs()
    handle = handler_for(batch_app(explode), "work", dead_letter=jobs.bury)
    records = [record("1", attempt=5), record("2", attempt=4), record("3", attempt=6)]
    assert failed(handle({"Records": records}, Context())) == ["2"]
    assert jobs.buried == [("1", "all of it"), ("3", "all of it")]


def test_batch_that_raises_fails_whole_and_a_fifo_batch_from_the_first_failure_on() -> None:
    def explode(batch: faasbridge.Batch) -> None:
        raise RuntimeError("all of it")

    handle = handler_for(batch_app(explode), "work")
    assert failed(handle({"Records": [record("1"), record("2")]}, Context())) == ["1", "2"]

    def second(batch: faasbridge.Batch) -> None:
        batch.fail(next(message for message in batch if message.id == "2"))

    handle = handler_for(batch_app(second), "work")
    arn = f"{ARN}.fifo"
    records = [record(id, group=group, arn=arn) for id, group in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "a")]]
    assert failed(handle({"Records": records}, Context())) == ["2", "4"]


def test_a_message_that_is_held_back_is_not_buried_before_its_turn() -> None:
    def fail(batch: faasbridge.Batch) -> None:
        first, second = batch
        batch.fail(first, "later")
        batch.fail(second, Reject("never"))

    jobs = Jobs()
    handle = handler_for(batch_app(fail), "work", dead_letter=jobs.bury)
    records = [record(id, group="a", arn=f"{ARN}.fifo") for id in "12"]
    assert failed(handle({"Records": records}, Context())) == ["1", "2"]
    assert jobs.buried == []


def row(sequence: str, *, fail: bool = False) -> dict[str, Any]:
    image = {"id": {"S": "a"}, "rank": {"S": "z"}, "fail": {"BOOL": fail}}
    return {
        "eventID": f"e-{sequence}",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:1:table/shop-dev-photos/stream/x",
        "dynamodb": {"Keys": {"rank": {"S": "z"}, "id": {"S": "a"}}, "NewImage": image, "SequenceNumber": sequence},
    }


def change_app(seen: list[Change[Any]]) -> App:
    app = App("shop")

    @app.table("photos", key="id", sort_key="rank").on_change
    def index(change: Change[Any]) -> None:
        seen.append(change)
        if change.new and change.new["fail"]:
            raise RuntimeError("failed")

    return app


def test_stream_is_told_the_first_failure_and_stops_there() -> None:
    seen: list[Change[Any]] = []
    handle = handler_for(change_app(seen), "index")
    answer = handle({"Records": [row("11"), row("12", fail=True), row("13")]}, Context())
    assert failed(answer) == ["12"]
    assert [change.id for change in seen] == ["e-11", "e-12"]
    assert failed(handle({"Records": [row("14")]}, Context())) == []


def test_change_has_the_apps_own_names() -> None:
    seen: list[Change[Any]] = []
    handle = handler_for(change_app(seen), "index")
    handle({"Records": [row("11")]}, Context())
    handle({"Records": [record("1", row("12"))]}, Context())  # through a Pipe
    assert [(change.table, change.key) for change in seen] == [("photos", "a"), ("photos", "a")]


def test_stream_of_kinesis_is_told_the_sequence_number() -> None:
    jobs = Jobs()
    records = [
        {
            "eventSource": "aws:kinesis",
            "eventID": f"shard:{number}",
            "kinesis": {"data": data, "partitionKey": "1", "sequenceNumber": number},
        }
        for number, data in [("1", "b2s="), ("2", "ZmFpbA=="), ("3", "b2s=")]
    ]
    assert failed(jobs.handle({"Records": records}, Context())) == ["2"]
    assert jobs.seen == ["shard:1", "shard:2"]


S3 = {
    "eventSource": "aws:s3",
    "eventName": "ObjectCreated:Put",
    "s3": {"bucket": {"name": "shop-dev-uploads"}, "object": {"key": "a.jpg", "sequencer": "1"}},
}


def blob_app(seen: list[BlobEvent]) -> App:
    app = App("shop")

    @app.bucket("uploads").on_create(suffix=".jpg")
    def thumbnail(event: BlobEvent) -> None:
        seen.append(event)
        if event.key == "bad.jpg":
            raise ValueError("no picture")
        if event.key == "never.jpg":
            raise Reject("empty")

    return app


def test_direct_event_raises_what_the_handler_raises() -> None:
    seen: list[BlobEvent] = []
    handle = handler_for(blob_app(seen), "thumbnail")
    assert handle({"Records": [S3]}, Context()) is None
    assert (seen[0].bucket, seen[0].key, seen[0].source) == ("uploads", "a.jpg", "arn:aws:s3:::shop-dev-uploads")
    bad = json.loads(json.dumps(S3).replace("a.jpg", "bad.jpg"))
    with pytest.raises(ValueError, match="no picture"):
        handle({"Records": [bad]}, Context())
    never = json.loads(json.dumps(S3).replace("a.jpg", "never.jpg"))
    with pytest.raises(Reject, match="empty"):
        handle({"Records": [never]}, Context())
    buried: list[Any] = []
    kept = handler_for(blob_app(seen), "thumbnail", dead_letter=lambda native, reason: buried.append((native, reason)))
    kept({"Records": [never]}, Context())
    assert buried == [({"Records": [never]}, "empty")]


def test_whoever_invokes_by_hand_is_told_of_a_rejection() -> None:
    buried: list[Any] = []
    handle = handler_for(blob_app([]), "thumbnail", dead_letter=lambda native, reason: buried.append(native))
    with pytest.raises(Reject, match="empty"):
        handle(encode_event(BlobEvent("uploads", "never.jpg")), Context())
    assert buried == []


@pytest.mark.parametrize(("name", "key"), [("ObjectRemoved:Delete", "a.jpg"), ("ObjectCreated:Put", "a.png")])
def test_what_the_function_did_not_ask_for_is_done_without_it(name: str, key: str) -> None:
    seen: list[BlobEvent] = []
    handle = handler_for(blob_app(seen), "thumbnail")
    notification = {"Records": [json.loads(json.dumps({**S3, "eventName": name}).replace("a.jpg", key))]}
    assert handle(notification, Context()) is None
    wanted = {"Records": [S3]}
    answer = handle({"Records": [record("1", notification), record("2", wanted)]}, Context())
    assert (failed(answer), [event.key for event in seen]) == ([], ["a.jpg"])


def test_function_refuses_what_it_is_not_for() -> None:
    handle = handler_for(blob_app([]), "thumbnail")
    with pytest.raises(InvalidEvent, match="'thumbnail' takes BlobEvent, but was sent Change 'e-1'"):
        handle([row("1")], Context())
    with pytest.raises(InvalidEvent, match="no event that FaaSBridge knows"):
        handle({"hello": "world"}, Context())


def test_tick_knows_how_late_it_is() -> None:
    app, seen = App("shop"), []

    @app.schedule("0 3 * * *")
    def sweep(tick: Tick) -> None:
        seen.append(tick)

    handle = handler_for(app, "sweep")
    now = datetime.now(UTC).isoformat()
    assert handle({"faasbridge": "tick", "schedule": "sweep", "scheduled_for": now}, Context()) is None
    assert 0 <= seen[0].late_s < 60
    assert failed(handle({"Records": [record("1", {"faasbridge": "tick", "schedule": "sweep"})]}, Context())) == []
    assert seen[1].scheduled_for == datetime(2026, 11, 23, 20, 3, tzinfo=UTC)


def test_async_handlers_share_one_loop() -> None:
    import asyncio

    app, loops = App("shop"), []

    @app.queue("jobs").on_message
    async def work(message: Message) -> None:
        loops.append(asyncio.get_running_loop())

    handle = handler_for(app, "work")
    assert failed(handle({"Records": [record("1"), record("2")]}, Context())) == []
    assert len(set(loops)) == 1


def test_driver_is_the_callers_and_only_for_declared_rights() -> None:
    app = App("shop")
    uploads = app.bucket("uploads")
    asked = []

    @app.queue("jobs").on_message(uses=[uploads.get])
    def work(message: Message) -> None:
        uploads.native() if message.text() == "native" else uploads.get("a.jpg")

    class Driver:
        def get(self, key: str) -> bytes:
            asked.append(key)
            return b""

    handle = handler_for(app, "work", driver_of=lambda resource: Driver() if resource is uploads else None)
    assert failed(handle({"Records": [record("1"), record("2", "native")]}, Context())) == ["2"]
    assert asked == ["a.jpg"]


def claims_app() -> App:
    app = App("shop")
    admin = app.api("admin", auth=lambda request: None)

    @admin.post("/me/{name}")
    def me(request: Request, name: str) -> faasbridge.Response:
        body = {"name": name, "claims": dict(request.claims), "sent": request.json()}
        return faasbridge.Response(body, status=201, headers={"x-a": "1"}, cookies={"a": "1", "b": "2"})

    return app


def test_api_answers_a_request_of_whoever_may_invoke_it_with_the_claims_given() -> None:
    handle = handler_for(claims_app(), "admin")
    request = Request("POST", "/me/Grüße", body=b'{"n":1}', claims={"sub": "ada"})
    response = decode_response(json.loads(json.dumps(handle(encode_event(request), Context()))))
    assert (response.status, response.headers["x-a"]) == (201, "1")
    assert json.loads(response.finish()[2]) == {"name": "Grüße", "claims": {"sub": "ada"}, "sent": {"n": 1}}
    assert len([name for name, _ in response.finish()[1] if name == "set-cookie"]) == 2
    without = decode_response(handle(encode_event(Request("POST", "/me/x", body=b"{}")), Context()))
    assert without.status == 401
    with pytest.raises(InvalidEvent, match="an api takes a Request, but was sent Message"):
        handle(encode_event(Message("x")), Context())


def test_no_http_request_can_bring_claims_of_its_own() -> None:
    handle = handler_for(claims_app(), "admin")
    ours = encode_event(Request("POST", "/me/ada", body=b"{}", claims={"sub": "ada"}))
    v2 = {
        "version": "2.0",
        "rawPath": "/me/ada",
        "rawQueryString": "faasbridge=event&event=%7B%7D",
        "headers": {"content-type": "application/json", "faasbridge": "event", "event": ours["event"]},
        "requestContext": {"http": {"method": "POST", "sourceIp": ""}, "stage": "$default"},
        "body": json.dumps(ours),
        "isBase64Encoded": False,
    }
    v1 = {
        "httpMethod": "POST",
        "path": "/me/ada",
        "resource": "/{proxy+}",
        "headers": v2["headers"],
        "multiValueHeaders": {},
        "requestContext": {"httpMethod": "POST", "path": "/me/ada", "stage": "prod", "identity": {}},
        "body": v2["body"],
        "isBase64Encoded": False,
    }
    for native in (v2, v1, {**v2, **ours}, {**v1, **ours}):
        assert handle(native, Context())["statusCode"] == 401


def test_unknown_function_is_named() -> None:
    with pytest.raises(ConfigError, match="has no function 'wrok'"):
        handler_for(Jobs().app, "wrok")


def test_api_answers_in_the_form_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    app = App("shop")

    @app.post("/items/{number:int}")
    def item(request: Request, number: int) -> dict[str, Any]:
        return {"number": number, "left": faasbridge.invocation().remaining_ms, "sent": request.json()}

    handle = handler_for(app, "http")
    native = {
        "version": "2.0",
        "rawPath": "/items/7",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {"http": {"method": "POST", "sourceIp": ""}, "stage": "$default"},
        "body": '{"a": 1}',
    }
    answer = handle(native, Context(4_000))
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["number"], body["sent"]) == (200, 7, {"a": 1})
    assert 3_000 < body["left"] <= 4_000
    assert handle({**native, "body": "{"}, Context())["statusCode"] == 400
    with caplog.at_level(logging.ERROR), pytest.raises(InvalidEvent, match="no HTTP event"):
        handle({"Records": []}, Context())


def test_an_answer_needs_no_more_than_what_every_start_imports(started: Callable[[str, str], str]) -> None:
    event = {
        "version": "2.0",
        "rawPath": "/",
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}, "stage": "$default"},
    }
    program = f"""
class Context:
    aws_request_id = "1"
    get_remaining_time_in_millis = staticmethod(lambda: 3000)
from faasbridge_aws.entry import handler
print(handler({event!r}, Context())["body"])
"""
    assert started("faasbridge_aws", program) == "here\n"
