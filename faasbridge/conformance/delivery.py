"""Delivery: at least once, with attempts, dead letters and rights, whatever a handler does."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ..codec import loads
from ..errors import FaaSBridgeError, NotFound
from ..events import Message
from ..testing.cloud import Cloud
from .app import api_key, batches, doomed, drops, jobs, promises, slow
from .harness import Suite, journal_of, needs


class Cases(Suite):
    # Failing

    @pytest.mark.parametrize(("queue", "function"), [(jobs, "work"), (promises, "keep")], ids=["sync", "async"])
    def test_a_failed_message_comes_again_with_its_id(self, cloud: Cloud, queue: Any, function: str) -> None:
        event_id = queue.send({"do": "fail", "until": 3}, attributes={"a": "b"})
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, function)
        assert [row["attempt"] for row in rows] == [row["message_attempt"] for row in rows] == [1, 2, 3]
        assert {row["event_id"] for row in rows} == {event_id}
        assert len({row["body"] for row in rows}) == 1
        assert [row["attributes"] for row in rows] == [{"a": "b"}] * 3
        assert cloud.dead_letters(function) == []

    @pytest.mark.parametrize(("queue", "function"), [(jobs, "work"), (promises, "keep")], ids=["sync", "async"])
    def test_after_max_attempts_it_is_a_dead_letter_with_its_reason(
        self, cloud: Cloud, queue: Any, function: str
    ) -> None:
        event_id = queue.send({"do": "fail", "why": "the moon"}, attributes={"a": "b"})
        cloud.settle(self.harness.settle_s)
        tries = len(journal_of(cloud, function))
        assert 3 <= tries <= 3 + self.harness.extra_attempts
        (letter,) = cloud.dead_letters(function)
        assert (letter.id, letter.json(), letter.attributes) == (
            event_id,
            {"do": "fail", "why": "the moon"},
            {"a": "b"},
        )
        assert "the moon" in letter.native.reason
        assert letter.native.attempts == tries

    @pytest.mark.parametrize(
        ("queue", "function"), [(jobs, "work"), (promises, "keep"), (batches, "bulk")], ids=["sync", "async", "batch"]
    )
    def test_a_rejected_message_is_a_dead_letter_at_once(self, cloud: Cloud, queue: Any, function: str) -> None:
        queue.send({"do": "reject", "why": "no such customer"})
        cloud.settle(self.harness.settle_s)
        assert len(journal_of(cloud, function)) == 1
        (letter,) = cloud.dead_letters(function)
        assert "no such customer" in letter.native.reason
        assert letter.native.attempts == 1

    @pytest.mark.parametrize("end", ["crash", "abort", "exit"])
    def test_a_process_that_dies_costs_one_attempt_of_one_message(self, cloud: Cloud, end: str) -> None:
        event_id = jobs.send({"do": end, "until": 2})
        jobs.send_many([{"n": n} for n in range(20)])
        cloud.settle(self.harness.settle_s)
        rows = journal_of(cloud, "work")
        died = [row["attempt"] for row in rows if row["event_id"] == event_id]
        assert died[:2] == [1, 2]
        assert {loads(row["body"]).get("n") for row in rows if row["event_id"] != event_id} == set(range(20))
        assert cloud.dead_letters("work") == []

    @pytest.mark.parametrize("end", ["crash", "abort", "exit"])
    def test_a_message_that_kills_its_process_every_time_is_a_dead_letter(self, cloud: Cloud, end: str) -> None:
        jobs.send({"do": end})
        cloud.settle(self.harness.settle_s)
        assert len(journal_of(cloud, "work")) >= 3
        (letter,) = cloud.dead_letters("work")
        assert letter.json() == {"do": end}
        assert letter.native.reason

    def test_a_handler_over_its_time_is_stopped_and_tried_again(self, cloud: Cloud) -> None:
        event_id = slow.send({"do": "hang", "until": 2})
        slow.send({"n": 1})
        cloud.settle(self.harness.settle_s + 10)
        rows = journal_of(cloud, "sleepy")
        assert [row["attempt"] for row in rows if row["event_id"] == event_id] == [1, 2]
        assert len([row for row in rows if row["event_id"] != event_id]) == 1
        assert cloud.dead_letters("sleepy") == []

    def test_a_handler_that_never_ends_leaves_a_dead_letter(self, cloud: Cloud) -> None:
        slow.send({"do": "hang"})
        cloud.settle(self.harness.settle_s + 10)
        assert len(journal_of(cloud, "sleepy")) >= 2
        (letter,) = cloud.dead_letters("sleepy")
        assert re.search("time", letter.native.reason, re.IGNORECASE)

    def test_one_poisoned_message_holds_up_no_other(self, cloud: Cloud) -> None:
        jobs.send_many([{"do": end, "n": -1} for end in ("fail", "crash", "reject")])
        jobs.send_many([{"n": n} for n in range(30)])
        cloud.settle(self.harness.settle_s)
        assert {loads(row["body"])["n"] for row in journal_of(cloud, "work")} == {-1, *range(30)}
        assert sorted(letter.json()["do"] for letter in cloud.dead_letters("work")) == ["crash", "fail", "reject"]

    def test_a_body_that_is_no_json_only_fails_its_own_message(self, cloud: Cloud) -> None:
        for body in (b"\xff\xfe", b"{", b""):
            jobs.send(body)
        cloud.settle(self.harness.settle_s)
        assert {row["body"] for row in journal_of(cloud, "work")} == {b"\xff\xfe", b"{", b""}

    # Batches

    def test_exactly_the_failed_messages_of_a_batch_come_again(self, cloud: Cloud) -> None:
        batches.send_many([{"n": n, "do": "fail" if n % 3 == 0 else "", "until": 2} for n in range(30)])
        cloud.settle(self.harness.settle_s)
        attempts: dict[int, list[int]] = {}
        for row in journal_of(cloud, "bulk"):
            attempts.setdefault(loads(row["body"])["n"], []).append(row["attempt"])
        assert all(row["batch"] <= 10 for row in journal_of(cloud, "bulk"))
        assert {n: len(tries) for n, tries in attempts.items()} == {n: 2 if n % 3 == 0 else 1 for n in range(30)}

    def test_exactly_the_hopeless_messages_of_a_batch_become_dead_letters(self, cloud: Cloud) -> None:
        batches.send_many([{"n": n, "do": "fail" if n in (3, 7) else ""} for n in range(20)])
        cloud.settle(self.harness.settle_s)
        letters = cloud.dead_letters("bulk")
        assert sorted(letter.json()["n"] for letter in letters) == [3, 7]
        assert all("told to fail" in letter.native.reason for letter in letters)
        assert {loads(row["body"])["n"] for row in journal_of(cloud, "bulk")} == set(range(20))

    def test_a_batch_that_raises_comes_again_whole(self, cloud: Cloud) -> None:
        batches.send_many([{"n": n, "do": "sink" if n == 2 else ""} for n in range(5)])
        cloud.settle(self.harness.settle_s)
        rows = [loads(row["body"])["n"] for row in journal_of(cloud, "bulk")]
        assert set(rows) == set(range(5))
        assert rows.count(2) == 2
        assert cloud.dead_letters("bulk") == []

    @pytest.mark.parametrize("end", ["crash"])
    def test_a_batch_whose_process_dies_comes_again(self, cloud: Cloud, end: str) -> None:
        batches.send_many([{"n": n, "do": end if n == 2 else "", "until": 2} for n in range(5)])
        cloud.settle(self.harness.settle_s)
        assert {loads(row["body"])["n"] for row in journal_of(cloud, "bulk")} == set(range(5))
        assert cloud.dead_letters("bulk") == []

    # Dead letters as messages

    def test_a_queues_dead_letters_can_have_a_handler(self, cloud: Cloud) -> None:
        event_id = doomed.send({"n": 1}, attributes={"a": "b"})
        cloud.settle(self.harness.settle_s)
        assert 2 <= len(journal_of(cloud, "give_up")) <= 2 + self.harness.extra_attempts
        (row,) = journal_of(cloud, "mourn")
        assert (row["event_id"], loads(row["body"]), row["attributes"]["a"]) == (event_id, {"n": 1}, "b")
        assert row["attempt"] == 1
        assert cloud.dead_letters("give_up") == []

    def test_what_the_handler_of_dead_letters_cannot_handle_is_its_dead_letter(self, cloud: Cloud) -> None:
        doomed.send({"do": "fail", "why": "grief"})
        cloud.settle(self.harness.settle_s)
        (letter,) = cloud.dead_letters("mourn")
        assert letter.json() == {"do": "fail", "why": "grief"}
        assert "grief" in letter.native.reason

    # Many

    def test_five_hundred_messages_from_many_senders_are_all_handled(self, cloud: Cloud) -> None:
        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(lambda n: jobs.send({"n": n}), range(300)))
            list(pool.map(lambda n: jobs.send_many([{"n": n + i} for i in range(50)]), range(300, 500, 50)))
        cloud.settle(self.harness.settle_s * 2)
        rows = journal_of(cloud, "work")
        assert {loads(row["body"])["n"] for row in rows} == set(range(500))
        assert ids <= {row["event_id"] for row in rows}

    def test_a_pipeline_through_queue_bucket_table_and_topic_loses_nothing(self, cloud: Cloud) -> None:
        jobs.send_many([{"do": "pipeline", "n": n} for n in range(40)])
        cloud.settle(self.harness.settle_s * 2)
        expected = {f"step one of {n}" for n in range(40)}
        for function in ("read_news", "doubt_news"):
            assert {loads(row["body"])["text"] for row in journal_of(cloud, function)} == expected

    # Around a handler

    def test_middleware_is_around_events(self, cloud: Cloud) -> None:
        jobs.send("1", attributes={"trace": "yes"})
        cloud.settle(self.harness.settle_s)
        passed = [row for row in journal_of(cloud, "work") if "passed" in row]
        assert [(row["passed"], row["handled"]) for row in passed] == [("middleware", True)]

    def test_an_undeclared_operation_is_denied_and_says_what_to_add(self, cloud: Cloud) -> None:
        denied = cloud.client().get("/undeclared").json()["denied"]
        assert denied is not None
        assert "records.put" in denied
        assert "uses=" in denied
        assert re.search(r"app\.py:\d+", denied)
        assert cloud.table("records").get("1") is None

    def test_a_handler_runs_once_when_it_is_invoked_by_hand(self, cloud: Cloud) -> None:
        assert cloud.invoke("work", Message({"n": 1}, id="by-hand")) is None
        with pytest.raises(FaaSBridgeError, match="the moon"):
            cloud.invoke("work", Message({"do": "fail", "why": "the moon"}, id="by-hand-too"))
        cloud.settle(self.harness.settle_s)
        assert sorted(row["event_id"] for row in journal_of(cloud, "work")) == ["by-hand", "by-hand-too"]
        assert cloud.dead_letters("work") == []

    def test_after_a_reset_everything_is_empty_and_nothing_of_before_arrives(self, cloud: Cloud) -> None:
        cloud.set_secret("api-key", "old")
        drops.put("in/a.txt", b"1")
        jobs.send("later", delay_s=0 if "delay" in self.harness.limits.caveats else 3)
        jobs.send({"do": "fail"})
        batches.send_many([{"n": n} for n in range(50)])
        cloud.simulator.reset()
        assert list(drops.list()) == []
        cloud.settle(self.harness.settle_s)
        assert all(list(cloud.table(name).scan()) == [] for name in ("records", "watched", "journal"))
        assert cloud.unread_dead_letters() == []
        assert cloud.logs() == []
        with pytest.raises(NotFound):
            api_key.get()
        jobs.send("after")
        cloud.settle(self.harness.settle_s)
        assert [row["body"] for row in journal_of(cloud, "work")] == [b"after"]

    @needs("delay")
    def test_settle_names_what_is_still_under_way(self, cloud: Cloud) -> None:
        jobs.send("later", delay_s=900)
        with pytest.raises(TimeoutError, match=r"jobs|work"):
            cloud.settle(0.2)
        cloud.simulator.reset()
