"""Messages through Pub/Sub, and values of Secret Manager, on the simulator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions

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
from faasbridge_gcp import wire
from faasbridge_gcp.drivers.clients import Clients
from faasbridge_gcp.drivers.errors import translated
from faasbridge_gcp.drivers.queue import QueueDriver
from faasbridge_gcp.drivers.secret import SecretDriver
from faasbridge_gcp.drivers.topic import TopicDriver
from faasbridge_gcp.limits import LIMITS

sys.path.insert(0, str(Path(__file__).parent))
from simulated_cloud import PROJECT, SimulatedCloud, subscription, topic


def bound(driver: type[Any], kind: str, cloud: SimulatedCloud, address: str) -> Any:
    clients = Clients(project=PROJECT, endpoints=dict(cloud.server.details))
    return driver(Binding("gcp", "shop", "test", kind, "jobs", {"clients": clients}, address))


def subscribed(cloud: SimulatedCloud, name: str) -> None:
    cloud.publisher.create_topic(name=topic(name))
    cloud.subscriber.create_subscription(name=subscription(name), topic=topic(name))


def received(cloud: SimulatedCloud, name: str, count: int) -> list[tuple[bytes, dict[str, str], str]]:
    found: list[Any] = []
    for _ in range(20):
        answer = cloud.subscriber.pull(subscription=subscription(name), max_messages=100, timeout=10)
        found += [wire.unpack(got.message.data, got.message.attributes) for got in answer.received_messages]
        if ids := [got.ack_id for got in answer.received_messages]:
            cloud.subscriber.acknowledge(subscription=subscription(name), ack_ids=ids)
        if len(found) >= count:
            break
    return found


def test_a_message_arrives_with_the_id_that_was_returned(cloud: SimulatedCloud) -> None:
    subscribed(cloud, "sent")
    id = bound(QueueDriver, "queue", cloud, topic("sent")).send(b"\x00\xff", {"kind": "order"}, 0)
    assert received(cloud, "sent", 1) == [(b"\x00\xff", {"kind": "order"}, id)]


def test_many_messages_are_all_published(cloud: SimulatedCloud) -> None:
    subscribed(cloud, "batches")
    driver = bound(TopicDriver, "topic", cloud, topic("batches"))
    driver.publish_many([])
    driver.publish_many([b"%d" % i for i in range(25)])
    found = received(cloud, "batches", 25)
    assert {body for body, _, _ in found} == {b"%d" % i for i in range(25)}
    assert len({id for _, _, id in found}) == 25


@pytest.mark.parametrize(("ordered", "keys"), [(True, {"0"}), (False, {""})])
def test_messages_of_an_ordered_queue_have_one_key(cloud: SimulatedCloud, ordered: bool, keys: set[str]) -> None:
    name = f"in-order-{ordered}"
    subscribed(cloud, name)
    clients = Clients(project=PROJECT, endpoints=dict(cloud.server.details))
    options = {"clients": clients, "ordered": ordered}
    driver = QueueDriver(Binding("gcp", "shop", "test", "queue", "jobs", options, topic(name)))
    driver.send(b"1", {}, 0)
    driver.send_many([b"2", b"3"])
    answer = cloud.subscriber.pull(subscription=subscription(name), max_messages=10, timeout=10)
    assert {got.message.ordering_key for got in answer.received_messages} == keys


def test_the_largest_message_passes_and_a_larger_one_is_too_large(cloud: SimulatedCloud) -> None:
    """On Google Cloud alone; an app's targets may take less."""
    subscribed(cloud, "large")
    driver = bound(QueueDriver, "queue", cloud, topic("large"))
    largest = LIMITS.message_bytes
    assert largest is not None
    assert driver.send(b"x" * largest, {"colour": "red"}, 0)
    with pytest.raises(PayloadTooLarge, match="Put the data into a bucket"):
        driver.send(b"x" * 10_000_000, {}, 0)


def test_a_queue_that_is_not_there_is_said_to_be_missing(cloud: SimulatedCloud) -> None:
    with pytest.raises(NotFound, match="queue 'jobs' does not exist"):
        bound(QueueDriver, "queue", cloud, topic("none")).send(b"1", {}, 0)


def test_a_secret_has_the_value_that_was_set_last(cloud: SimulatedCloud) -> None:
    name = f"projects/{PROJECT}/secrets/key"
    request = {"parent": f"projects/{PROJECT}", "secret_id": "key", "secret": {"replication": {"automatic": {}}}}
    cloud.secrets.create_secret(request=request)
    secret = bound(SecretDriver, "secret", cloud, name)
    with pytest.raises(NotFound, match="run `faasbridge secrets set jobs`"):
        secret.get()
    for value in ("first", " Grüße\n"):
        cloud.secrets.add_secret_version(request={"parent": name, "payload": {"data": value.encode()}})
        assert secret.get() == value
    cloud.secrets.destroy_secret_version(name=f"{name}/versions/2")
    with pytest.raises(NotFound, match="run `faasbridge secrets set jobs`"):
        secret.get()


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (exceptions.PermissionDenied("no"), PermissionDenied),
        (exceptions.Unauthenticated("no"), PermissionDenied),
        (exceptions.ResourceExhausted("no"), Throttled),
        (exceptions.NotFound("no"), NotFound),
        (exceptions.InvalidArgument("The request is too large"), PayloadTooLarge),
        (exceptions.InvalidArgument("no"), ValueError),
        (exceptions.Aborted("Too much contention on these documents. Please try again."), Throttled),
        (exceptions.AlreadyExists("no"), Conflict),
        (exceptions.FailedPrecondition("no"), Conflict),
        (
            exceptions.FailedPrecondition("Secret Version [projects/1/secrets/s/versions/2] is in DESTROYED state."),
            NotFound,
        ),
        (
            exceptions.FailedPrecondition("Secret Version [projects/1/secrets/s/versions/2] is in DISABLED state."),
            NotFound,
        ),
        (exceptions.FailedPrecondition("The query requires an index. You can create it here: https://x"), ConfigError),
        (exceptions.InternalServerError("no"), FaaSBridgeError),
    ],
)
def test_a_fault_of_google_is_ours(error: Exception, fault: type[Exception]) -> None:
    assert type(translated(error, "queue 'jobs'")) is fault


def test_a_missing_index_says_what_to_do() -> None:
    error = exceptions.FailedPrecondition("The query requires an index. You can create it here: https://x")
    text = str(translated(error, "table 'rows'"))
    assert text.startswith("table 'rows': its index is missing or still being made: run `faasbridge deploy`")
    assert text.endswith("https://x")
