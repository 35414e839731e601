"""Looking after dead letters in a queue of Azure's, however many there are."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")

from faasbridge_azure import wire
from faasbridge_azure.deploying import letters
from faasbridge_azure.deploying.letters import Inbox, Letters

if TYPE_CHECKING:
    from emulated_services import Services


class Buried:
    """`number` dead letters, whose ids are "0", "1" and so on. `slow_s`: how long each request for messages takes."""

    def __init__(self, services: Services, number: int, *, handled: bool = False, slow_s: float = 0) -> None:
        self.inbox, self.dead = services.queue(), services.queue()
        self._services = services
        for id in range(number):
            self.bury(str(id))
        given = Inbox(self.inbox, self.dead, "queue:jobs", 3, of_messages=True, handled=handled)
        self.letters = Letters(SimpleNamespace(clients=services.clients), given, "work", str)  # type: ignore[arg-type]
        receive = self.letters._receive

        def slowly(*most: int) -> list[Any]:
            time.sleep(slow_s)
            return receive(*most)

        self.letters._receive = slowly  # type: ignore[method-assign]

    def bury(self, id: str) -> None:
        content = b64encode(wire.pack(b"hello", {}, id)).decode()
        self._services.clients.queue(self.dead).send_message(content, time_to_live=-1)

    def attempts(self) -> set[int]:
        """How often those that can be received were, with this time."""
        return {each.dequeue_count for each in self._services.received(self.dead)}

    def replayed(self) -> int:
        return len(self._services.received(self.inbox))


@pytest.fixture
def buried(services: Services) -> Callable[..., Buried]:
    def make(number: int, **more: Any) -> Buried:
        return Buried(services, number, **more)

    return make


@pytest.mark.parametrize("handled", [False, True])
def test_a_listing_of_a_few_is_no_attempt(buried: Callable[..., Buried], handled: bool) -> None:
    dead = buried(3, handled=handled)
    for _ in range(2):
        assert [letter.id for letter in dead.letters.listed()] == ["0", "1", "2"]
    assert dead.attempts() == {1}


def test_where_a_handler_counts_attempts_a_listing_shows_what_can_be_peeked_at(
    buried: Callable[..., Buried], caplog: pytest.LogCaptureFixture
) -> None:
    dead = buried(40, handled=True)
    assert len(dead.letters.listed()) == 32
    assert "Azure shows 32 of about 40 dead letters" in caplog.text
    assert dead.attempts() == {1}


def test_where_nothing_counts_attempts_all_are_listed_and_shown_again(buried: Callable[..., Buried]) -> None:
    dead = buried(70)
    assert len({letter.id for letter in dead.letters.listed()}) == 70
    assert len({letter.id for letter in dead.letters.listed()}) == 70


def test_more_than_can_be_received_while_the_first_are_hidden_are_listed_in_part(
    buried: Callable[..., Buried], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(letters, "_HIDDEN_S", 1)
    dead = buried(150, slow_s=0.3)
    assert len(dead.letters.listed()) == 64
    assert "Azure shows 64 of about 150 dead letters" in caplog.text


@pytest.mark.parametrize(("act", "replayed"), [("replay", 150), ("purge", 0)])
def test_all_are_replayed_or_purged_however_long_it_takes(
    buried: Callable[..., Buried], monkeypatch: pytest.MonkeyPatch, act: str, replayed: int
) -> None:
    monkeypatch.setattr(letters, "_HIDDEN_S", 1)
    dead = buried(150, slow_s=0.3)
    assert getattr(dead.letters, act)(None) == 150
    assert (dead.attempts(), dead.replayed()) == (set(), replayed)


def test_what_dies_again_meanwhile_is_left(buried: Callable[..., Buried], monkeypatch: pytest.MonkeyPatch) -> None:
    dead = buried(40)
    send = dead.letters._send

    def die_again(received: Any) -> None:
        send(received)
        dead.bury(dead.letters._event(received).id)

    monkeypatch.setattr(dead.letters, "_send", die_again)
    assert dead.letters.replay(None) == 40
    assert len(dead.letters.listed()) == 40


def test_those_that_are_named_go_and_the_others_are_shown_again(buried: Callable[..., Buried]) -> None:
    dead = buried(70)
    assert dead.letters.purge({"1", "69", "none"}) == 2
    assert {letter.id for letter in dead.letters.listed()} == {str(n) for n in range(70)} - {"1", "69"}
    assert dead.letters.purge({"none"}) == 0
