from __future__ import annotations

from faasbridge.testing import Cloud


def test_a_guest_is_greeted_and_remembered(cloud: Cloud) -> None:
    answer = cloud.client().get("/hello/Ada")
    assert answer.json() == {"greeting": "Hello, Ada!"}

    cloud.settle()

    guest = cloud.table("guests").get("Ada")
    assert guest is not None
    assert guest["name"] == "Ada"


def test_an_arrival_without_a_name_ends_in_the_dead_letters(cloud: Cloud) -> None:
    cloud.queue("arrivals").send({"shoes": "red"})

    cloud.settle()

    assert [message.json() for message in cloud.dead_letters("remember")] == [{"shoes": "red"}]
    assert list(cloud.table("guests").scan()) == []
