"""Queues, topics and secrets of Azure, and messages too large for a queue."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from faasbridge.drivers import Binding
from faasbridge.errors import ConfigError, InvalidEvent, NotFound, PayloadTooLarge, PermissionDenied
from faasbridge_azure import arrivals, events, wire
from faasbridge_azure.drivers import claim_check, clients
from faasbridge_azure.drivers.clients import Clients
from faasbridge_azure.drivers.queue import QueueDriver
from faasbridge_azure.drivers.secret import SecretDriver
from faasbridge_azure.drivers.topic import TopicDriver

sys.path.insert(0, str(Path(__file__).parent))
from stand_in import Credential, StandIn, stand_in

if TYPE_CHECKING:
    from emulated_services import Services


def binding(kind: str, address: str, of: Clients) -> Binding:
    return Binding("azure", "shop", "test", kind, "things", {"clients": of}, address)


@pytest.fixture
def url(services: Services) -> str:
    return services.queue()


@pytest.fixture
def queue(services: Services, url: str) -> QueueDriver:
    return QueueDriver(binding("queue", url, services.clients))


@pytest.fixture
def deployed(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function's own clients are the emulators'."""
    monkeypatch.setattr(clients, "_default", services.clients)


# Queues


@pytest.mark.parametrize("body", [b"", b"text", bytes(range(256)), "Grüße".encode(), b'{"faasbridge":"claim"}'])
def test_a_message_arrives_as_it_was_sent(services: Services, queue: QueueDriver, url: str, body: bytes) -> None:
    id = queue.send(body, {"colour": "grün"}, 0)
    (native,) = services.received(url)
    (message,) = events.decode(native)
    assert (message.body, message.attributes, message.id) == (body, {"colour": "grün"}, id)  # type: ignore[attr-defined]


def test_a_delayed_message_is_there_and_not_to_be_seen(services: Services, queue: QueueDriver, url: str) -> None:
    queue.send(b"later", {}, 3600)
    assert services.received(url) == []
    assert services.clients.queue(url).get_queue_properties().approximate_message_count == 1


def test_a_message_never_expires(services: Services, queue: QueueDriver, url: str) -> None:
    queue.send(b"kept", {}, 0)
    (message,) = services.clients.queue(url).receive_messages()
    assert message.expires_on.year == 9999


def test_many_messages_all_arrive(services: Services, queue: QueueDriver, url: str) -> None:
    queue.send_many([b"%d" % i for i in range(50)])
    found = [event.body for native in services.received(url) for event in events.decode(native)]  # type: ignore[attr-defined]
    assert sorted(found, key=int) == [b"%d" % i for i in range(50)]


def test_a_queue_that_is_not_there_is_named(services: Services) -> None:
    driver = QueueDriver(binding("queue", f"{services.storage.queue}/nowhere", services.clients))
    for send in (lambda: driver.send(b"", {}, 0), lambda: driver.send_many([b"1", b"2"])):
        with pytest.raises(NotFound, match="queue 'things' does not exist in Azure") as caught:
            send()
        assert type(caught.value.__cause__).__name__ == "ResourceNotFoundError"


# Claim checks


def test_a_large_message_goes_through_a_claim_that_its_handling_deletes(
    services: Services, queue: QueueDriver, url: str, deployed: None
) -> None:
    body = bytes(range(256)) * 2000
    before = services.claims()
    id = queue.send(body, {"a": "b"}, 0)
    assert len(services.claims()) == len(before) + 1
    (native,) = services.received(url)
    assert len(native.get_body()) < 200
    arrival = arrivals.opened(native)
    (message,) = events.decode(arrival)
    assert (message.body, message.attributes, message.id) == (body, {"a": "b"}, id)  # type: ignore[attr-defined]
    assert arrivals.original_of(arrival) == native.get_body()
    arrival.handled()
    assert services.claims() == before
    arrival.handled()  # a second delivery, which was under way


def test_the_largest_message_that_fits_goes_by_itself(services: Services, queue: QueueDriver, url: str) -> None:
    before = services.claims()
    head = len(wire.pack(b"", {}, "0" * 32))
    queue.send(b"x" * (wire.MOST_BYTES - head), {}, 0)
    assert services.claims() == before
    assert len(services.received(url)[0].get_body()) == wire.MOST_BYTES


def test_without_a_container_for_claims_a_large_message_is_refused(services: Services, url: str) -> None:
    bare = Clients(storage_key=services.storage.key)
    with pytest.raises(PayloadTooLarge, match="49,152, and FAASBRIDGE_CLAIMS names no container"):
        QueueDriver(binding("queue", url, bare)).send(b"x" * 50_000, {}, 0)


@pytest.mark.parametrize(
    ("blob", "said"),
    [("queue/0123", "is there no more"), ("queue/../secrets/1", "did not write"), ("other/1", "did not write")],
)
def test_a_claim_leads_into_its_container_only(services: Services, blob: str, said: str) -> None:
    with pytest.raises(InvalidEvent, match=said):
        claim_check.redeemed(services.clients, wire.claim(blob))


def test_a_handler_s_own_body_is_no_claim(queued: Any) -> None:
    native = queued(wire.pack(wire.claim("queue/1"), {}, "1"))
    assert arrivals.opened(native) is native


# Topics


@pytest.fixture
def grid() -> Iterator[StandIn]:
    with stand_in(lambda *asked: (200, {}, b"")) as found:
        yield found


@pytest.fixture
def topic(grid: StandIn, services: Services) -> TopicDriver:
    of = Clients(credential=Credential(), ca=grid.ca)
    of.claims, of.storage_key = services.clients.claims, services.storage.key
    return TopicDriver(binding("topic", f"{grid.url}/api/events", of))


def delivered(grid: StandIn, queued: Any) -> list[Any]:
    """The messages that Event Grid puts into a handler's queue for what was published."""
    return [queued(event) for _, _, _, body in grid.asked for event in json.loads(body)]


@pytest.mark.parametrize("body", [b"", b"text", bytes(range(256)), "Grüße".encode()])
def test_what_is_published_arrives(topic: TopicDriver, grid: StandIn, queued: Any, body: bytes) -> None:
    id = topic.publish(body, {"colour": "grün"})
    (native,) = delivered(grid, queued)
    (message,) = events.decode(native)
    assert (message.body, message.attributes, message.id) == (body, {"colour": "grün"}, id)  # type: ignore[attr-defined]
    assert grid.asked[0][2]["authorization"] == "Bearer token for https://eventgrid.azure.net/.default"
    assert grid.asked[0][2]["content-type"].startswith("application/cloudevents-batch+json")


def test_publishing_writes_nothing_into_the_log(topic: TopicDriver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        topic.publish(b"text", {})
        topic.publish_many([b"text"])
    assert caplog.messages == []


def test_many_messages_share_requests_up_to_their_size(topic: TopicDriver, grid: StandIn, queued: Any) -> None:
    bodies = [b"%05d" % i * 2000 for i in range(200)]
    topic.publish_many(bodies)
    assert 2 <= len(grid.asked) <= 4
    assert all(len(body) < 1024 * 1024 for _, _, _, body in grid.asked)
    assert [event.body for native in delivered(grid, queued) for event in events.decode(native)] == bodies  # type: ignore[attr-defined]


def test_an_event_too_large_for_a_queue_goes_through_a_claim_that_stays_for_the_other_handlers(
    topic: TopicDriver, grid: StandIn, queued: Any, services: Services, deployed: None
) -> None:
    body = b'"\n' * 24_000  # twice as long as JSON
    before = services.claims()
    topic.publish(body, {"a": "b"})
    for _ in range(2):
        (native,) = delivered(grid, queued)
        arrival = arrivals.opened(native)
        (message,) = events.decode(arrival)
        assert (message.body, message.attributes) == (body, {"a": "b"})  # type: ignore[attr-defined]
        arrival.handled()
    assert len(services.claims()) == len(before) + 1


# Secrets


def vault(values: dict[str, Any]) -> Any:
    """Key Vault asks for a token with a challenge, whose resource has to be a parent domain of its own."""

    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        if "authorization" not in headers:
            resource = f"https://{headers['host'].partition('.')[2]}"
            challenge = f'Bearer authorization="https://login.microsoftonline.com/t", resource="{resource}"'
            return 401, {"www-authenticate": challenge}, {}
        found = values[path.split("/")[2]]
        if isinstance(found, str):
            return 200, {}, {"value": found, "id": f"https://{headers['host']}{path.partition('?')[0]}/1"}
        return found, {}, {"error": {"code": "SecretNotFound" if found == 404 else "Forbidden", "message": "no"}}

    return stand_in(answer)


def test_a_secret_is_read_or_said_to_have_no_value() -> None:
    with vault({"api-key": "s3cret", "never": 404, "closed": 403}) as found:
        of = Clients(credential=Credential(), ca=found.ca)
        assert SecretDriver(binding("secret", f"{found.url}/secrets/api-key", of)).get() == "s3cret"
        with pytest.raises(NotFound, match="secret 'things' has no value: run `faasbridge secrets set things`"):
            SecretDriver(binding("secret", f"{found.url}/secrets/never", of)).get()
        with pytest.raises(PermissionDenied, match=r"secret 'things': Azure does not allow this .* uses="):
            SecretDriver(binding("secret", f"{found.url}/secrets/closed", of)).get()


# Credentials


def test_a_function_app_asks_as_its_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(503, {}, {}), (200, {}, {"access_token": "mine", "expires_on": str(int(time.time()) + 3600)})]
    with stand_in(lambda *asked: answers.pop(0), tls=False) as identity:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identity.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        monkeypatch.setenv("AZURE_CLIENT_ID", "chosen")
        of = Clients()
        for _ in range(2):
            assert of.token("https://vault.azure.net/.default")[0] == "mine"
        assert of.credential.get_token("https://vault.azure.net/.default").token == "mine"
    assert len(identity.asked) == 2, "a token is kept, and a service that is not ready asked again"
    _, path, headers, _ = identity.asked[1]
    assert path == "/msi/token?resource=https%3A%2F%2Fvault.azure.net&api-version=2019-08-01&client_id=chosen"
    assert headers["x-identity-header"] == "header"


def test_an_identity_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with stand_in(
        lambda *asked: (400, {}, {"message": "No User Assigned or Delegated Managed Identity found"}), tls=False
    ) as found:
        monkeypatch.setenv("IDENTITY_ENDPOINT", found.url)
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        with pytest.raises(PermissionDenied, match="the function app has no identity for https://storage"):
            Clients().token("https://storage.azure.com/.default")


@pytest.mark.parametrize(
    "address", ["http://shop.blob.core.windows.net/files", "ftp://127.0.0.1/x", "http://127.evil.example/"]
)
def test_nothing_leaves_the_machine_without_tls(address: str) -> None:
    with pytest.raises(ConfigError, match="has no TLS"):
        Clients(storage_key="a2V5").queue(address)
