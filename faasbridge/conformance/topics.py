"""Topics: each message goes to every handler, with attempts and dead letters of its own."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from ..codec import loads
from ..errors import PayloadTooLarge
from ..testing.cloud import Cloud
from .app import news
from .harness import Suite, journal_of
from .queues import ATTRIBUTES, BODIES
from .tables import same


class Cases(Suite):
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_every_handler_gets_the_body_exactly(self, cloud: Cloud, body: bytes | str | dict[str, object]) -> None:
        event_id = news.publish(body, attributes=ATTRIBUTES)
        cloud.settle(self.harness.settle_s)
        for function in ("read_news", "doubt_news"):
            (row,) = journal_of(cloud, function)
            assert row["event_id"] == event_id
            assert row["attributes"] == ATTRIBUTES
            if isinstance(body, (bytes, str)):
                assert row["body"] == (body if isinstance(body, bytes) else body.encode())
            else:
                assert same(loads(row["body"]), body)

    def test_publish_many_publishes_all_to_all(self, cloud: Cloud) -> None:
        news.publish_many([{"n": n} for n in range(60)])
        cloud.settle(self.harness.settle_s)
        for function in ("read_news", "doubt_news"):
            assert sorted(loads(row["body"])["n"] for row in journal_of(cloud, function)) == list(range(60))

    def test_one_handlers_failure_is_its_own(self, cloud: Cloud) -> None:
        event_id = news.publish({"do": "fail", "until": 3})
        cloud.settle(self.harness.settle_s)
        assert [row["attempt"] for row in journal_of(cloud, "read_news")] == [1]
        doubts = journal_of(cloud, "doubt_news")
        assert [row["attempt"] for row in doubts] == [1, 2, 3]
        assert {row["event_id"] for row in doubts} == {event_id}

    def test_one_handlers_dead_letter_is_its_own(self, cloud: Cloud) -> None:
        news.publish({"do": "fail", "why": "doubt"})
        cloud.settle(self.harness.settle_s)
        assert len(journal_of(cloud, "read_news")) == 1
        assert cloud.dead_letters("read_news") == []
        (letter,) = cloud.dead_letters("doubt_news")
        assert letter.json() == {"do": "fail", "why": "doubt"}
        assert "doubt" in letter.native.reason

    def test_a_message_over_the_floor_is_refused(self, cloud: Cloud) -> None:
        limit = cloud.app.message_bytes or 48 * 1024
        if cloud.app.message_bytes is not None:
            with pytest.raises(PayloadTooLarge):
                news.publish(b"x" * (limit + 1))
        news.publish(b"x" * limit)
        cloud.settle(self.harness.settle_s)
        (row,) = journal_of(cloud, "read_news")
        assert row["sha256"] == sha256(b"x" * limit).hexdigest()

    def test_the_async_twins_do_the_same(self, cloud: Cloud) -> None:
        async def all_of_them() -> None:
            await news.apublish({"n": 1})
            await news.apublish_many([{"n": 2}, {"n": 3}])

        asyncio.run(all_of_them())
        cloud.settle(self.harness.settle_s)
        assert sorted(loads(row["body"])["n"] for row in journal_of(cloud, "doubt_news")) == [1, 2, 3]
