"""Dead letters of a subscription, however many there are and however long it takes to look after them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from faasbridge.provider import Stage
from faasbridge_gcp.deploying import letters
from faasbridge_gcp.deploying.connection import Cloud
from faasbridge_gcp.deploying.draining import pulled
from faasbridge_gcp.deploying.letters import Inbox, Letters
from faasbridge_gcp.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))
from simulated_cloud import PROJECT, REGION, SimulatedCloud, subscription, topic

Dead = Callable[[int], Letters]


@pytest.fixture
def inbox(cloud: SimulatedCloud) -> Inbox:
    """An inbox to which nobody pushes, and the subscription of its dead letters."""
    name = f"letters-{uuid4().hex[:6]}"
    for each in (name, f"{name}-dead"):
        cloud.publisher.create_topic(name=topic(each))
        cloud.subscriber.create_subscription(name=subscription(each), topic=topic(each), ack_deadline_seconds=60)
    return Inbox(subscription(name), "function:work", topic(name), subscription(f"{name}-dead"), True, False)


@pytest.fixture
def dead(cloud: SimulatedCloud, inbox: Inbox) -> Dead:
    """So many dead letters of messages that were sent in order, one after the other, as an ordered queue sends them."""

    def made(number: int) -> Letters:
        for start in range(0, number, 1000):
            messages = [{"data": b"%d" % n, "ordering_key": "0"} for n in range(start, min(start + 1000, number))]
            cloud.publisher.publish(topic=f"{inbox.topic}-dead", messages=messages)
        stage = Stage("shop", "t", "gcp", Path(), settings={"project": PROJECT, "region": REGION})
        at = Cloud(stage, Clients(PROJECT, dict(cloud.server.details)))
        return Letters(at, inbox, "work", lambda name: name, tries=1)

    return made


def waiting(cloud: SimulatedCloud, name: str) -> list[bytes]:
    found: dict[str, Any] = {}
    while fresh := [each for each in pulled(cloud.subscriber, name, 100) if each.message.message_id not in found]:
        found.update((each.message.message_id, each.message) for each in fresh)
    return [each.data for each in sorted(found.values(), key=lambda message: message.publish_time)]


def test_more_than_a_request_holds_are_listed_and_shown_again(dead: Dead) -> None:
    found = dead(3000)
    assert len(found.listed()) == len(found.listed()) == 3000


def test_all_are_replayed_in_the_order_in_which_they_died(cloud: SimulatedCloud, dead: Dead, inbox: Inbox) -> None:
    found = dead(150)
    assert found.replay(None) == 150
    assert found.listed() == []
    assert waiting(cloud, inbox.name) == [b"%d" % n for n in range(150)]


def test_all_are_purged(dead: Dead) -> None:
    found = dead(150)
    assert found.purge(None) == 150
    assert found.listed() == []


def test_one_in_the_middle_is_purged_and_the_others_stay(dead: Dead) -> None:
    found = dead(5)
    before = found.listed()
    (third,) = [each.id for each in before if each.event["body"] == b"2"]
    assert found.purge({third}) == 1
    assert sorted(each.id for each in found.listed()) == sorted({each.id for each in before} - {third})


def test_they_stay_hidden_for_as_long_as_a_replay_takes(
    cloud: SimulatedCloud, dead: Dead, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "_HIDDEN_S", 3)
    found = dead(3)
    seen: list[Any] = []
    send = found._send

    def slowly(received: Any) -> None:
        time.sleep(1.6)
        send(received)
        seen.extend(pulled(cloud.subscriber, inbox.dead_letters or "", 10, at_once=True))

    monkeypatch.setattr(found, "_send", slowly)
    assert found.replay(None) == 3
    assert seen == []
