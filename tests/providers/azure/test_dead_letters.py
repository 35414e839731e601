"""Dead letters of Azure say what they died of, and can be read, replayed and handled like any message."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from faasbridge import App, Message, Reject
from faasbridge_azure import arrivals, dead_letters, entry, events, wire
from faasbridge_azure.dead_letters import DeadLetters
from faasbridge_azure.drivers import clients

if TYPE_CHECKING:
    from emulated_services import Services

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
CONTENT = wire.pack(b"\x00body\n", {"a": "b"}, "id-1")

app = App("shop")
jobs = app.queue("jobs", max_attempts=3)
seen: list[Message] = []


@jobs.on_message
def work(message: Message) -> None:
    seen.append(message)
    if message.body.startswith(b"reject"):
        raise Reject("of no use")
    if message.body.startswith(b"fail"):
        raise ValueError("no luck")


@jobs.dead_letters.on_message
def mourn(message: Message) -> None:
    work(message)


@pytest.fixture(autouse=True)
def _deployed(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_default", services.clients)
    seen.clear()


@pytest.fixture
def letters(services: Services) -> str:
    return services.queue()


def test_a_mark_tells_reason_attempts_and_time() -> None:
    letter = dead_letters.mark(CONTENT, "x" * 2000, 3, NOW, "77")
    assert dead_letters.read(letter, 9, None) == (CONTENT, "x" * 1000, 3, NOW.isoformat())


def test_what_the_host_moved_has_no_mark() -> None:
    assert dead_letters.read(CONTENT, 3, NOW) == (CONTENT, dead_letters.CRASHED, 3, NOW.isoformat())
    assert dead_letters.read(b'{"faasbridge":"dead",broken\nbody', 3, None)[1] == dead_letters.CRASHED


def test_a_letter_that_dies_again_has_the_last_reason_only() -> None:
    letter = dead_letters.mark(dead_letters.mark(CONTENT, "first", 3, NOW), "second", 2, NOW)
    assert dead_letters.read(letter, 0, None)[:3] == (CONTENT, "second", 2)


@pytest.mark.parametrize(
    ("body", "attempt", "reason"),
    [("reject this", 1, "of no use"), ("fail this", 3, "no luck"), ("fail this", 4, "no luck")],
)
def test_the_entry_buries_with_the_reason(
    services: Services, letters: str, queued: Any, body: str, attempt: int, reason: str
) -> None:
    content = wire.pack(body.encode(), {}, "id-1")
    entry.handler_for(app, "work", dead_letter=DeadLetters(letters))(queued(content, attempt))
    (letter,) = services.received(letters)
    plain, why, attempts, died_at = dead_letters.read(letter.get_body(), 0, None)
    assert (plain, why, attempts) == (content, reason, attempt)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(died_at)).total_seconds()) < 60


def test_an_attempt_before_the_last_is_the_host_s(services: Services, letters: str, queued: Any) -> None:
    with pytest.raises(ValueError, match="no luck"):
        entry.handler_for(app, "work", dead_letter=DeadLetters(letters))(queued(wire.pack(b"fail", {}, "1"), 2))
    assert services.received(letters) == []


def test_a_message_that_cannot_be_read_is_buried_after_its_last_attempt(
    services: Services, letters: str, queued: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    run = entry.handler_for(app, "work", dead_letter=DeadLetters(letters))
    broken = wire.claim("queue/0123")
    with pytest.raises(faasbridge_error(), match="is there no more"):
        run(queued(broken, 2))
    run(queued(broken, 3))
    (letter,) = services.received(letters)
    assert dead_letters.read(letter.get_body(), 0, None)[1] == "the message claims 'queue/0123', which is there no more"
    assert seen == []


def faasbridge_error() -> type[Exception]:
    from faasbridge import InvalidEvent

    return InvalidEvent


def test_a_handler_of_dead_letters_gets_the_message_as_it_was_sent(
    services: Services, letters: str, queued: Any
) -> None:
    entry.handler_for(app, "work", dead_letter=DeadLetters(letters))(
        queued(wire.pack(b"reject", {"a": "b"}, "id-1"), 2)
    )
    (letter,) = services.received(letters)
    entry.handler_for(app, "mourn", dead_letter=DeadLetters(letters))(letter)
    first, second = seen
    assert (second.body, second.attributes, second.id) == (first.body, first.attributes, first.id)
    (again,) = services.received(letters)
    assert dead_letters.read(again.get_body(), 0, None)[1:3] == ("of no use", 1)


def test_a_full_message_has_room_for_its_mark(services: Services, letters: str, queued: Any) -> None:
    head = len(wire.pack(b"", {}, "id-1"))
    content = wire.pack(b"reject".ljust(wire.MOST_BYTES - head), {}, "id-1")
    entry.handler_for(app, "work", dead_letter=DeadLetters(letters))(queued(content, 1))
    (letter,) = services.received(letters)
    assert dead_letters.read(letter.get_body(), 0, None)[1] == "of no use"
    (message,) = events.decode(arrivals.opened(letter))
    assert message.body == seen[0].body  # type: ignore[attr-defined]


def test_a_claim_outlives_burial_and_not_its_handling(services: Services, letters: str, queued: Any) -> None:
    from faasbridge_azure.drivers import claim_check

    def claimed(body: bytes) -> tuple[str, bytes]:
        name = claim_check.deposit(services.clients, "test", wire.pack(body * 20_000, {}, "id-1"))
        return name, wire.claim(name)

    run = entry.handler_for(app, "work", dead_letter=DeadLetters(letters))
    done, content = claimed(b"done")
    run(queued(content, 1))
    rejected, content = claimed(b"reject")
    run(queued(content, 1))
    failed, content = claimed(b"fail")
    with pytest.raises(ValueError, match="no luck"):
        run(queued(content, 1))
    assert [name in services.claims() for name in (done, rejected, failed)] == [False, True, True]
    (letter,) = services.received(letters)
    assert dead_letters.read(letter.get_body(), 0, None)[0] == wire.claim(rejected)


def test_only_a_queue_s_message_can_be_buried(letters: str, http_request: Any) -> None:
    with pytest.raises(ValueError, match="only a queue's message"):
        DeadLetters(letters)(http_request(), "why")


def test_what_cannot_be_buried_comes_again(services: Services, queued: Any, caplog: pytest.LogCaptureFixture) -> None:
    nowhere = DeadLetters(f"{services.storage.queue}/nowhere")
    with pytest.raises(Reject, match="of no use"):
        entry.handler_for(app, "work", dead_letter=nowhere)(queued(wire.pack(b"reject", {}, "1"), 1))
    assert "could not put a delivery into the dead letters; it comes again" in caplog.text
