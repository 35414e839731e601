"""Queues: messages to one handler arrive as they were sent."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..codec import dumps, loads
from ..errors import PayloadTooLarge
from ..testing.cloud import Cloud
from .app import jobs, parked, promises
from .harness import Suite, journal_of, needs
from .tables import same, values

BODIES = {
    "empty": b"",
    "binary": bytes(range(256)),
    "text": "Grüße 世界 🎉",
    "text that is no JSON": "{",
    "newlines": "a\r\nb\n",
    "markup": "<a>&amp;</a>\u2028",
    "dict": {"a": [1, 2.0, None, True, {"b": "c"}]},
    "list": [1, "2", [3.5]],
    "exact": {
        "bytes": b"\x00\xff",
        "time": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        "float": 1.0,
    },
}
ATTRIBUTES = {
    "plain": "x",
    "unicode": "Grüße 世界",
    "blank": " a b ",
    "markup": "<&>'\"",
    "number": "1",
    "long": "x" * 500,
}


class Cases(Suite):
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_a_body_arrives_exactly(self, cloud: Cloud, body: bytes | str | dict[str, object] | list[object]) -> None:
        event_id = jobs.send(body)
        cloud.settle(self.harness.settle_s)
        (row,) = journal_of(cloud, "work")
        assert row["event_id"] == event_id
        sent = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else None
        if sent is None:
            assert same(loads(row["body"]), body)
        else:
            assert row["body"] == sent

    def test_every_value_arrives_exactly(self, cloud: Cloud) -> None:
        sent: dict[str, object] = {}

        @settings(
            max_examples=self.harness.examples // 2,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=3))
        def send(body: dict[str, object]) -> None:
            sent[jobs.send({"do": "", "body": body})] = body

        send()
        cloud.settle(self.harness.settle_s)
        got = {row["event_id"]: loads(row["body"])["body"] for row in journal_of(cloud, "work")}
        assert got.keys() == sent.keys()
        assert all(same(got[event_id], sent[event_id]) for event_id in sent)

    def test_attributes_arrive_exactly(self, cloud: Cloud) -> None:
        jobs.send("1", attributes=ATTRIBUTES)
        jobs.send("2")
        cloud.settle(self.harness.settle_s)
        rows = {row["body"]: row["attributes"] for row in journal_of(cloud, "work")}
        assert rows == {b"1": ATTRIBUTES, b"2": {}}

    @pytest.mark.parametrize("attributes", [{"a": ""}, {"": "a"}, {"a": 1}])
    def test_attributes_that_not_every_vendor_takes_are_refused(self, cloud: Cloud, attributes: dict[str, str]) -> None:
        with pytest.raises(TypeError, match="attribute"):
            jobs.send("1", attributes=attributes)

    def test_a_message_tells_when_it_was_sent_and_which_attempt_it_is(self, cloud: Cloud) -> None:
        before = datetime.now(UTC) - timedelta(minutes=1)
        jobs.send("1")
        cloud.settle(self.harness.settle_s)
        (row,) = journal_of(cloud, "work")
        assert row["message_attempt"] == row["attempt"] == 1
        assert row["enqueued_at"] is None or before < row["enqueued_at"] < before + timedelta(minutes=2)
        assert row["provider"] == cloud.provider

    def test_every_message_has_an_id_of_its_own(self, cloud: Cloud) -> None:
        ids = {jobs.send("same") for _ in range(20)}
        assert len(ids) == 20
        cloud.settle(self.harness.settle_s)
        assert {row["event_id"] for row in journal_of(cloud, "work")} == ids

    def test_send_many_sends_all(self, cloud: Cloud) -> None:
        jobs.send_many([{"n": n} for n in range(250)])
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, "work")
        assert sorted(loads(row["body"])["n"] for row in rows) == list(range(250))
        assert len({row["event_id"] for row in rows}) == 250
        jobs.send_many([])

    def test_the_largest_message_passes_and_one_byte_more_does_not(self, cloud: Cloud) -> None:
        limit = cloud.app.message_bytes or 48 * 1024
        largest = bytes(i * 31 % 256 for i in range(limit - 3))
        jobs.send(largest, attributes={"a": "bc"})
        if cloud.app.message_bytes is not None:
            with pytest.raises(PayloadTooLarge, match="bucket"):
                jobs.send(b"x" * (limit + 1))
            with pytest.raises(PayloadTooLarge):
                jobs.send(largest, attributes={"a": "bcd"})
            with pytest.raises(PayloadTooLarge):
                jobs.send_many([b"small", b"x" * (limit + 1)])
        cloud.settle(self.harness.settle_s)
        (row,) = journal_of(cloud, "work")
        assert (row["size"], row["sha256"]) == (limit - 3, sha256(largest).hexdigest())

    def test_many_large_messages_pass_together(self, cloud: Cloud) -> None:
        size = min(cloud.app.message_bytes or 48 * 1024, 48 * 1024) - 20
        jobs.send_many([bytes([n]) * size for n in range(12)])
        cloud.settle(self.harness.settle_s)
        assert {row["sha256"] for row in journal_of(cloud, "work")} == {
            sha256(bytes([n]) * size).hexdigest() for n in range(12)
        }

    @needs("delay")
    def test_a_delayed_message_comes_after_its_delay(self, cloud: Cloud) -> None:
        start = time.time()
        jobs.send("late", delay_s=2)
        jobs.send("soon")
        cloud.settle(self.harness.settle_s)
        rows = {row["body"]: row for row in journal_of(cloud, "work")}
        assert rows.keys() == {b"late", b"soon"}
        assert time.time() - start >= 1.9

    @pytest.mark.parametrize("delay_s", [-1, 901])
    def test_a_delay_that_not_every_vendor_takes_is_refused(self, cloud: Cloud, delay_s: int) -> None:
        with pytest.raises(ValueError, match="900"):
            jobs.send("1", delay_s=delay_s)

    @pytest.mark.parametrize("body", [object(), {"a": object()}, {1: 2}, 2**60, "\ud800"])
    def test_what_would_not_arrive_exactly_is_refused(self, cloud: Cloud, body: object) -> None:
        with pytest.raises((TypeError, ValueError)):
            jobs.send(body)  # type: ignore[arg-type]

    def test_an_async_handler_gets_messages_too(self, cloud: Cloud) -> None:
        promises.send({"key": "kept.txt"})
        cloud.settle(self.harness.settle_s)
        assert len(journal_of(cloud, "keep")) == 1
        assert cloud.bucket("files").get("kept.txt") == b"kept"

    def test_a_queue_without_a_handler_keeps_its_messages(self, cloud: Cloud) -> None:
        parked.send("waiting")
        cloud.settle(self.harness.settle_s)
        assert all(row["body"] != b"waiting" for row in cloud.table("journal").scan())

    def test_the_async_twins_do_the_same(self, cloud: Cloud) -> None:
        async def all_of_them() -> str:
            await jobs.asend_many([{"n": 1}, {"n": 2}])
            return await jobs.asend({"n": 3}, attributes={"a": "b"})

        event_id = asyncio.run(all_of_them())
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, "work")
        assert sorted(row["body"].decode() for row in rows) == [dumps({"n": n}) for n in (1, 2, 3)]
        assert [row["attributes"] for row in rows if row["event_id"] == event_id] == [{"a": "b"}]
