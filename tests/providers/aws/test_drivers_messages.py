"""Messages through SQS and SNS, and values of Secrets Manager."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from faasbridge.drivers import Binding
from faasbridge.errors import (
    ConfigError,
    Conflict,
    FaaSBridgeError,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    Throttled,
)
from faasbridge_aws.drivers.batches import grouped, send_all
from faasbridge_aws.drivers.clients import TRIES, Clients
from faasbridge_aws.drivers.errors import translated
from faasbridge_aws.drivers.queue import QueueDriver
from faasbridge_aws.drivers.secret import SecretDriver
from faasbridge_aws.drivers.topic import TopicDriver
from faasbridge_aws.events_sqs import message

sys.path.insert(0, str(Path(__file__).parent))
from services import Services


def bound(driver: type[Any], kind: str, aws: Services, address: str) -> Any:
    return driver(Binding("aws", "shop", "test", kind, "jobs", {"clients": aws.clients}, address))


def subscribed(aws: Services) -> tuple[str, str]:
    """A topic, and a queue that its messages arrive in."""
    sns, url = aws.clients.get("sns"), aws.queue()
    topic = sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    arn = aws.clients.get("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"], Attributes={"RawMessageDelivery": "true"})
    return topic, url


@pytest.mark.parametrize("body", [b"", b"\x00\xff", "Grüße".encode(), b'{"faasbridge":"tick"}'])
def test_a_message_arrives_with_the_id_that_was_returned(aws: Services, body: bytes) -> None:
    url = aws.queue()
    attributes = {"kind": "order", "Grüße": "<&>", **{f"n{i}": str(i) for i in range(12)}}
    id = bound(QueueDriver, "queue", aws, url).send(body, attributes, 0)
    (record,) = aws.received(url, 1)
    event = message(record)
    assert (event.id, event.body, event.attributes) == (id, body, attributes)


def test_a_published_message_arrives_with_the_id_that_was_returned(aws: Services) -> None:
    topic, url = subscribed(aws)
    id = bound(TopicDriver, "topic", aws, topic).publish(b"\x00\xff", {"kind": "order"})
    (record,) = aws.received(url, 1)
    event = message(record)
    assert (event.id, event.body, event.attributes) == (id, b"\x00\xff", {"kind": "order"})


def test_many_messages_are_all_sent(aws: Services) -> None:
    url = aws.queue()
    queue = bound(QueueDriver, "queue", aws, url)
    queue.send_many([])
    queue.send_many([b"%d" % i + b"x" * 100_000 for i in range(25)])
    events = [message(record) for record in aws.received(url, 25)]
    assert {event.body[:2].rstrip(b"x") for event in events} == {b"%d" % i for i in range(25)}
    assert len({event.id for event in events}) == 25


def test_many_messages_are_all_published(aws: Services) -> None:
    topic, url = subscribed(aws)
    bound(TopicDriver, "topic", aws, topic).publish_many([b"%d" % i for i in range(25)])
    assert {message(record).body for record in aws.received(url, 25)} == {b"%d" % i for i in range(25)}


def test_an_ordered_queue_keeps_the_order(aws: Services) -> None:
    url = aws.queue(fifo=True)
    queue = bound(QueueDriver, "queue", aws, url)
    queue.send(b"same", {}, 0)
    queue.send_many([b"same", b"1", b"2"])
    assert [record["body"] for record in aws.received(url, 4)] == ["same", "same", "1", "2"]
    with pytest.raises(ValueError, match="is ordered"):
        queue.send(b"", {}, 1)


def test_groups_have_ten_messages_and_so_many_bytes_at_most() -> None:
    sizes = [1] * 12 + [50, 50, 1, 200, 1]
    groups = list(grouped([({"size": size}, size) for size in sizes], 100))
    assert [[entry["size"] for entry in group] for group in groups] == [[1] * 10, [1, 1, 50], [50, 1], [200], [1]]


def test_what_aws_could_not_take_is_sent_again_and_only_that() -> None:
    sent: list[list[int]] = []

    def send(entries: list[dict[str, Any]]) -> dict[str, Any]:
        sent.append([entry["n"] for entry in entries])
        return {"Failed": [{"Id": e["Id"], "Code": "Busy"} for e in entries if e["n"] > 1 and len(sent) < 3]}

    send_all("queue 'jobs'", [{"n": n} for n in range(4)], send)
    assert sent == [[0, 1, 2, 3], [2, 3], [2, 3]]


def test_what_aws_never_takes_is_an_error() -> None:
    fault = {"Id": "0", "Code": "Busy", "Message": "no"}
    with pytest.raises(Throttled, match="did not take 1 of 1"):
        send_all("queue 'jobs'", [{}], lambda _: {"Failed": [fault]})
    with pytest.raises(FaaSBridgeError, match="refused a message"):
        send_all("queue 'jobs'", [{}], lambda _: {"Failed": [{**fault, "SenderFault": True}]})


def test_a_queue_that_is_not_there_is_said_to_be_missing(aws: Services) -> None:
    with pytest.raises(NotFound, match="queue 'jobs' does not exist in AWS"):
        bound(QueueDriver, "queue", aws, f"{aws.endpoint}/000000000000/none").send(b"", {}, 0)


def test_a_secret_has_the_value_that_was_set_last(aws: Services) -> None:
    client, name = aws.clients.get("secretsmanager"), aws.name("secret")
    client.create_secret(Name=name)
    secret = bound(SecretDriver, "secret", aws, name)
    with pytest.raises(NotFound, match="secret 'jobs' has no value: run `faasbridge secrets set jobs`"):
        secret.get()
    for value in ("first", " Grüße\n"):
        client.put_secret_value(SecretId=name, SecretString=value)
        assert secret.get() == value
    with pytest.raises(NotFound):
        bound(SecretDriver, "secret", aws, "none").get()


@pytest.mark.parametrize(
    ("code", "message", "fault", "text"),
    [
        ("AccessDenied", "User: u is not authorized to perform: sqs:SendMessage on resource: arn:q because",
         PermissionDenied, "sqs:SendMessage on arn:q"),
        ("AccessDeniedException", "no", PermissionDenied, "does not allow sqs:SendMessage"),
        ("ExpiredToken", "no", PermissionDenied, "credentials"),
        ("ThrottlingException", "no", Throttled, "throttles"),
        ("AWS.SimpleQueueService.NonExistentQueue", "no", NotFound, "does not exist"),
        ("ValidationException", "Item size has exceeded the maximum allowed size", PayloadTooLarge, "bucket"),
        ("ValidationException", "Item size to update has exceeded the maximum allowed size", PayloadTooLarge, "bucket"),
        ("InvalidParameterValue", "Reason: Message must be shorter than 1048576 bytes.", PayloadTooLarge, "shorter"),
        ("ValidationException", "Invalid UpdateExpression: Expression size has exceeded the maximum allowed size",
         ValueError, "divide it"),
        ("ConditionalCheckFailedException", "no", Conflict, "jobs"),
        ("ValidationException", "no", ValueError, "does not take this"),
        ("Whatever", "no", FaaSBridgeError, "AWS answered Whatever: no"),
    ],
)  # fmt: skip
def test_a_fault_of_aws_is_ours(code: str, message: str, fault: type[Exception], text: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "SendMessage")
    found = translated(error, "queue 'jobs'", "sqs:SendMessage")
    assert type(found) is fault
    assert text in str(found)


@pytest.mark.parametrize("endpoint", ["http://sqs.example.com", "http://10.0.0.1:4566", "http://127.evil.example.com"])
def test_no_endpoint_without_tls_is_another_machine_s(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="no TLS"):
        Clients(endpoint=endpoint)


@pytest.mark.parametrize(
    "endpoint", ["https://sqs.example.com", "http://127.0.0.1:4566", "http://localhost:1", "http://[::1]:1"]
)
def test_tls_or_this_machine_is_fine(endpoint: str) -> None:
    assert Clients(endpoint=endpoint).endpoint_of("sqs") == endpoint


class Answers:
    """A client's answers, one after the other, the last one again and again; `sent` counts the requests."""

    def __init__(self, clients: Clients, *answers: tuple[int, dict[str, str]]) -> None:
        self.answers = list(answers)
        self.sent = 0
        clients.get("sqs").meta.events.register("before-send", self.answer)

    def answer(self, request: Any, **_: Any) -> Any:
        self.sent += 1
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        content = json.dumps(body).encode()
        return AWSResponse(request.url, status, {}, SimpleNamespace(stream=lambda: [content]))


THROTTLED = (400, {"__type": "com.amazonaws.sqs#ThrottlingException", "message": "slow down"})
DENIED = (400, {"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "no"})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What botocore would have slept for."""
    found: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=found.append))
    return found


@pytest.fixture
def alone() -> Clients:
    return Clients(region="eu-west-1", endpoint="http://127.0.0.1:1", credentials=("a", "b", None))


def queue_of(clients: Clients) -> QueueDriver:
    return QueueDriver(
        Binding("aws", "shop", "test", "queue", "jobs", {"clients": clients}, "http://127.0.0.1:1/1/jobs")
    )


def test_what_aws_throttles_is_tried_again_after_growing_pauses(alone: Clients, pauses: list[float]) -> None:
    answers = Answers(alone, THROTTLED, THROTTLED, THROTTLED, (200, {"MessageId": "1"}))
    assert queue_of(alone).send(b"x", {}, 0)
    assert answers.sent == 4
    assert [0 < pause <= 2**turn for turn, pause in enumerate(pauses)] == [True] * 3
    assert len(set(pauses)) == 3


def test_what_aws_throttles_all_the_time_is_given_up(alone: Clients, pauses: list[float]) -> None:
    answers = Answers(alone, THROTTLED)
    with pytest.raises(Throttled, match=r"queue 'jobs': AWS throttles \(ThrottlingException\)"):
        queue_of(alone).send(b"x", {}, 0)
    assert (answers.sent, len(pauses)) == (TRIES, TRIES - 1)


def test_what_aws_refuses_is_not_tried_again(alone: Clients, pauses: list[float]) -> None:
    answers = Answers(alone, DENIED)
    with pytest.raises(PermissionDenied):
        queue_of(alone).send(b"x", {}, 0)
    assert (answers.sent, pauses) == (1, [])


def test_one_client_a_service(aws: Services) -> None:
    assert aws.clients.get("sqs") is aws.clients.get("sqs")
    assert json.dumps(aws.clients.get("sqs").meta.config.retries["mode"]) == '"standard"'
