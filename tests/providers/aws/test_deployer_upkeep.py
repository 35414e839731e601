"""Looking after what is deployed: logs, invocations, dead letters and secrets."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from faasbridge import Message, Request
from faasbridge.drivers import Binding
from faasbridge.errors import ConfigError, FaaSBridgeError, NotFound
from faasbridge.provider import LogLine
from faasbridge_aws import wire
from faasbridge_aws.dead_letters import mark
from faasbridge_aws.deploying import logs
from faasbridge_aws.deploying.inboxes import Inbox
from faasbridge_aws.deploying.letters import Letters
from faasbridge_aws.drivers.secret import SecretDriver

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Clients, Deployment, function, inbox, secret, template

CODE = """
def handler(event, context):
    if "Records" in event:
        raise ValueError("cannot do this")
    if event.get("faasbridge") == "event" and "poison" in event["event"]:
        raise ValueError("poison in it")
    if '"http"' in event.get("event", ""):
        return {"faasbridge": "response", "status": 201, "headers": [["x-a", "1"]], "body": "aGk="}
    print("first")
    print("second")
    return {"did": "it"}
"""


@pytest.fixture
def life(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    life = Deployment(clients, f"life{uuid4().hex[:6]}", tmp_path, monkeypatch)
    monkeypatch.setattr("faasbridge_aws.deploying.rollout._lint", lambda *_: None)
    life.code = CODE
    life.template = template(life.stack, function(), inbox(), function("http"), secret("token"))
    life.deploy()
    return life


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def test_a_function_is_invoked_with_the_tail_of_its_log(life: Deployment) -> None:
    lines: list[LogLine] = []
    assert life.deployer().invoke("work", Message("x"), log=lines.append) == {"did": "it"}
    assert [line.text for line in lines] == ["first", "second"]


def test_a_handlers_error_is_told(life: Deployment) -> None:
    with pytest.raises(FaaSBridgeError, match=r"^work: \S+: poison in it$"):
        life.deployer().invoke("work", Message("x", attributes={"a": "poison"}))


def test_an_invocation_need_not_be_waited_for(life: Deployment) -> None:
    deployer = life.deployer()
    assert deployer.invoke("work", Message("x"), wait=False) is None
    eventually(lambda: "first" in [line.text for line in deployer.logs("work", since_s=600, follow=False)])


def test_an_api_answers_with_a_response(life: Deployment) -> None:
    response = life.deployer().invoke("http", Request("GET", "/"))
    assert (response.status, response.body) == (201, b"hi")


def test_what_is_not_deployed_is_told(life: Deployment) -> None:
    with pytest.raises(ConfigError, match="no function 'wrok'; did you mean 'work'"):
        life.deployer().invoke("wrok", Message("x"))
    with pytest.raises(ConfigError, match="function 'http' has no inbox"):
        life.deployer().dead_letters("http")
    list(life.deployer().destroy())
    with pytest.raises(ConfigError, match="is not deployed at stage 't' in us-east-1"):
        life.deployer().invoke("work", Message("x"))


def test_logs_are_of_one_function_or_of_all(life: Deployment) -> None:
    deployer = life.deployer()
    deployer.invoke("work", Message("x"))
    deployer.invoke("http", Message("x"))
    assert {line.function for line in deployer.logs(None, since_s=600, follow=False)} == {"work", "http"}
    assert {line.function for line in deployer.logs("http", since_s=600, follow=False)} == {"http"}


def test_following_gives_each_line_once_also_those_of_one_moment(
    life: Deployment, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_PAUSE_S", 0.02)
    group, now = f"/aws/lambda/{life.name('work')}", int(time.time() * 1000)
    api = clients.get("logs")
    api.create_log_stream(logGroupName=group, logStreamName="s")

    def write(moment: int, *texts: str) -> None:
        entries = [{"timestamp": moment, "message": text} for text in texts]
        api.put_log_events(logGroupName=group, logStreamName="s", logEvents=entries)

    write(now, "a", "b")
    lines = life.deployer().logs("work", since_s=600, follow=True)
    assert [next(lines).text for _ in range(2)] == ["a", "b"]
    write(now, "c")
    write(now - 1000, "late")
    assert {next(lines).text for _ in range(2)} == {"c", "late"}
    write(now + 1, "d")
    assert next(lines).text == "d"


ERROR = {
    "timestamp": "2024-03-13T18:56:24Z",
    "level": "ERROR",
    "message": "it broke",
    "logger": "root",
    "requestId": "r1",
    "errorType": "KeyError",
    "errorMessage": "'x'",
    "stackTrace": ['  File "a.py", line 1, in work\n    x()\n'],
}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("hello\n", ("INFO", "", "hello")),
        ('{"a": 1}', ("INFO", "", '{"a": 1}')),
        (
            "[WARNING]\t2024-03-13T18:56:24.123Z\t7fa53f8c-3d61-4f0c-9f0f-d8a2a9b3a001\tslow",
            ("WARNING", "7fa5", "slow"),
        ),
        (json.dumps(ERROR), ("ERROR", "r1", "it broke\nKeyError: 'x'\n  File \"a.py\", line 1, in work\n    x()")),
        (json.dumps({"timestamp": "t", "level": "FATAL", "message": "m"}), ("CRITICAL", "", "m")),
        (
            json.dumps(
                {"time": "t", "type": "platform.report", "record": {"requestId": "r1", "status": "timeout"}},
            ),
            ("ERROR", "r1", "the invocation ended: timeout"),
        ),
        (json.dumps({"time": "t", "type": "platform.report", "record": {"status": "success"}}), None),
        (json.dumps({"time": "t", "type": "platform.start", "record": {"requestId": "r1"}}), None),
        ("START RequestId: 7fa53f8c Version: $LATEST\n", None),
        ("END RequestId: 7fa53f8c\n", None),
        ("REPORT RequestId: 7fa53f8c\tDuration: 2.83 ms\n", None),
        ("INIT_START Runtime Version: python:3.12.v16\tRuntime Version ARN: arn\n", None),
        ("START of my text", ("INFO", "", "START of my text")),
    ],
)
def test_lines_of_lambda_are_understood(message: str, expected: tuple[str, str, str] | None) -> None:
    """Source: Lambda Developer Guide, "Log formats" and "Lambda Telemetry API Event schema reference"."""
    line = logs.parse("work", message, 1_700_000_000_000)
    if expected is None:
        assert line is None
        return
    assert line is not None
    assert (line.level, line.text) == (expected[0], expected[2])
    assert line.invocation.startswith(expected[1])


def bury(life: Deployment, body: bytes, id: str, reason: str | None) -> None:
    """As the entry does, or, without a reason, as SQS does."""
    from datetime import UTC, datetime

    text, attributes = wire.pack(body, {"colour": "red"}, id)
    record: dict[str, Any] = {
        "messageId": "m1",
        "body": text,
        "messageAttributes": {name: {"stringValue": value, "dataType": "String"} for name, value in attributes.items()},
    }
    if reason is not None:
        record = mark(record, reason, 3, datetime(2024, 1, 2, tzinfo=UTC))
    sqs = life.clients.get("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=life.name("jobs-dead"))["QueueUrl"],
        MessageBody=record["body"],
        MessageAttributes={
            name: {"StringValue": value["stringValue"], "DataType": "String"}
            for name, value in record["messageAttributes"].items()
        },
    )


def test_dead_letters_are_looked_at_without_using_them_up(life: Deployment) -> None:
    bury(life, b"first", "e1", "it was bad")
    bury(life, b"second", "e2", None)
    for _ in range(3):
        letters = {letter.id: letter for letter in life.deployer().dead_letters("work")}
        assert set(letters) == {"e1", "e2"}
    first, second = letters["e1"], letters["e2"]
    assert (first.inbox, first.reason, first.attempts, first.died_at[:10]) == (
        "queue:jobs",
        "it was bad",
        3,
        "2024-01-02",
    )
    assert (first.event["body"], first.event["attributes"]) == (b"first", {"colour": "red"})
    assert (second.attempts, "did not come back" in second.reason) == (1, True)
    assert life.deployer().status()["functions"]["work"]["dead letters"] == 2


def test_chosen_dead_letters_are_thrown_away(life: Deployment) -> None:
    for id in ("e1", "e2"):
        bury(life, b"x", id, "bad")
    assert life.deployer().purge("work", ["e2", "e9"]) == 1
    assert [letter.id for letter in life.deployer().dead_letters("work")] == ["e1"]
    assert life.deployer().purge("work") == 1
    assert life.deployer().dead_letters("work") == []


def test_a_replayed_letter_goes_through_the_function_again(life: Deployment) -> None:
    bury(life, b"again", "e1", "bad")
    assert life.deployer().replay("work", ["e1"]) == 1
    eventually(lambda: [letter.id for letter in life.deployer().dead_letters("work")] == ["e1"])
    (letter,) = life.deployer().dead_letters("work")
    assert "did not come back" in letter.reason, "it failed in the function, so SQS moved it: without the old reason"


def value_of(life: Deployment) -> str:
    """As the deployed function's driver reads it."""
    options = {"clients": life.clients}
    return SecretDriver(Binding("aws", life.stage.app, "t", "secret", "token", options, life.name("token"))).get()


def test_a_secret_that_is_not_declared_any_more_is_gone_at_once(life: Deployment, clients: Clients) -> None:
    """Else its name would be taken for up to a month. Source: Secrets Manager API Reference, DeleteSecret."""
    asked: list[Any] = []
    events = clients.get("secretsmanager").meta.events
    events.register("provide-client-params.secrets-manager.DeleteSecret", lambda params, **_: asked.append(params))
    life.template = template(life.stack, function(), inbox(), function("http"))
    life.deploy()
    assert [(each["SecretId"].count(life.name("token")), each["ForceDeleteWithoutRecovery"]) for each in asked] == [
        (1, True)
    ]


def test_secrets_are_set_and_unset(life: Deployment, clients: Clients) -> None:
    deployer, api = life.deployer(), clients.get("secretsmanager")
    assert set(deployer.secrets()) == {"token"}
    deployer.set_secret("token", "first")
    deployer.set_secret("token", "second")
    assert value_of(life) == "second"
    assert deployer.secrets() == {"token": True}
    for _ in range(2):
        deployer.unset_secret("token")
        assert deployer.secrets() == {"token": False}
    labels = api.describe_secret(SecretId=life.name("token"))["VersionIdsToStages"]
    assert [stages for stages in labels.values() if stages] == [["AWSCURRENT"]], "no label keeps an old value"
    with pytest.raises(NotFound, match="has no value"):
        value_of(life)
    deployer.set_secret("token", "third")
    assert deployer.secrets() == {"token": True}
    assert life.changes() == set()


def test_of_an_ordered_queue_ten_dead_letters_are_seen_and_all_are_replayed(
    clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    """The next of a group come once those before them are gone."""
    sqs = clients.get("sqs")
    fifo = {"FifoQueue": "true"}
    line, dead = (sqs.create_queue(QueueName=f"{name}.fifo", Attributes=fifo)["QueueUrl"] for name in ("line", "dead"))
    for i in range(25):
        sqs.send_message(QueueUrl=dead, MessageBody=str(i), MessageGroupId="0", MessageDeduplicationId=str(i))
    letters = Letters(clients, Inbox("queue:line", "arn:aws:sqs:eu-west-1:1:line.fifo", line, dead, 5), str, 0)
    assert len(letters.listed()) == 10
    assert "the oldest 10 of about 25 dead letters" in caplog.text
    assert letters.replay(None) == 25
    assert letters.listed() == []
    sent = []
    while found := sqs.receive_message(QueueUrl=line, MaxNumberOfMessages=10).get("Messages"):
        sent += [each["Body"] for each in found]
        for each in found:
            sqs.delete_message(QueueUrl=line, ReceiptHandle=each["ReceiptHandle"])
    assert sent == [str(i) for i in range(25)]
