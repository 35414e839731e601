"""What happens to an event: handled once it succeeds, tried again when it fails, a dead letter in the end,
never lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest

from faasbridge import BlobEvent, Message

QUEUE = """
jobs = app.queue("jobs")
"""

FATES = {
    "exit": ("os._exit(7)", "ended with exit code 7"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "memory": ("x = bytearray(1 << 31)", "MemoryError"),
    "loop": ("while True: pass", "timeout_s=1"),
    "sleep": ("time.sleep(600)", "timeout_s=1"),
    "sys_exit": ("sys.exit(4)", "SystemExit: 4"),
    "kill": ("os.kill(os.getpid(), 9)", "SIGKILL"),
    "raise": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "recursion": ("f = lambda: f(); f()", "RecursionError"),
}


@pytest.mark.parametrize("fate", FATES)
def test_a_message_whose_handler_dies_costs_nobody_else_an_attempt(local: Callable[..., Any], fate: str) -> None:
    code, reason = FATES[fate]
    app = local(
        QUEUE
        + f"""
@jobs.on_message(max_attempts=2, timeout_s=1, uses=[seen.put])
def work(message: Message) -> None:
    if message.text() == "bad":
        {code}
    seen.put({{"id": message.text(), "attempt": message.attempt}})
"""
    )
    names = [f"good{i}" for i in range(20)]
    app.queue("jobs").send_many([*names[:10], "bad", *names[10:]])
    app.settle()
    assert {name: row["attempt"] for name, row in app.rows().items()} == dict.fromkeys(names, 1)
    (letter,) = app.simulator.dead_letters("work")
    assert letter.attempts == 2
    assert reason in letter.reason


def test_what_a_leaving_worker_has_not_begun_is_nobodys_attempt(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(max_attempts=2, uses=[seen.put])
def work(message: Message) -> None:
    seen.put({"id": f"{message.text()}/{message.attempt}"})
    if message.text() == "bad":
        sys.exit(1)
""",
        settings={"workers": 1},
    )
    # Enough quick ones before it that the worker is handed many at a time.
    names = [f"good{i}" for i in range(300)]
    app.queue("jobs").send_many([*names[:200], "bad", *names[200:]])
    app.settle()
    assert set(app.rows()) == {*(f"{name}/1" for name in names), "bad/1", "bad/2"}
    assert [letter.attempts for letter in app.simulator.dead_letters("work")] == [2]


def test_what_a_stop_interrupts_comes_again_with_no_attempt_charged(
    local: Callable[..., Any], until: Callable[..., None]
) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(max_attempts=1, timeout_s=600, uses=[seen.put, seen.get])
def work(message: Message) -> None:
    if seen.get("begun") is None:
        seen.put({"id": "begun"})
        time.sleep(600)
    seen.put({"id": "handled", "attempt": message.attempt})
""",
        test=False,  # the state outlives the server
    )
    app.queue("jobs").send("x")
    until(lambda: "begun" in app.rows(), "the first attempt")
    app.simulator.stop()
    app.start()
    until(lambda: "handled" in app.rows(), "the attempt after the restart")
    assert app.rows()["handled"]["attempt"] == 1
    assert app.simulator.dead_letters("work") == []


def test_a_failed_message_comes_again_with_the_same_id_and_the_next_attempt(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(uses=[seen.put])
def work(message: Message) -> None:
    seen.put({"id": f"{message.id}/{message.attempt}", "invocation": invocation().attempt, "sent": message.enqueued_at})
    if message.attempt < 3:
        raise ValueError("not yet")
"""
    )
    id = app.queue("jobs").send("x")
    app.settle()
    rows = app.rows()
    assert sorted(rows) == [f"{id}/1", f"{id}/2", f"{id}/3"]
    assert [rows[f"{id}/{n}"]["invocation"] for n in (1, 2, 3)] == [1, 2, 3]
    assert len({row["sent"] for row in rows.values()}) == 1
    assert app.simulator.dead_letters("work") == []


def test_a_rejected_message_is_a_dead_letter_at_once(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message
def work(message: Message) -> None:
    raise Reject("not for me")
"""
    )
    app.queue("jobs").send({"n": 1})
    app.settle()
    (letter,) = app.simulator.dead_letters("work")
    assert letter.attempts == 1
    assert "not for me" in letter.reason


def test_dead_letters_have_a_handler_of_their_own(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(max_attempts=1)
def work(message: Message) -> None:
    raise ValueError("never")

@jobs.dead_letters.on_message(uses=[seen.put])
def bury(message: Message) -> None:
    seen.put({"id": message.text()})
"""
    )
    app.queue("jobs").send("x")
    app.settle()
    assert list(app.rows()) == ["x"]


def test_exactly_the_failed_messages_of_a_batch_come_again_alone(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_batch(batch_size=10, wait_s=5, max_attempts=3, uses=[seen.put])
def work(batch) -> None:
    for message in batch:
        seen.put({"id": f"{message.text()}/{message.attempt}", "size": len(batch)})
        if message.text() == "odd":
            batch.fail(message, "odd one")
        if message.text() == "wrong":
            batch.fail(message, Reject("wrong one"))
"""
    )
    app.queue("jobs").send_many([*(f"m{i}" for i in range(8)), "odd", "wrong"])
    app.settle()
    rows = app.rows()
    assert sorted(rows) == sorted([*(f"m{i}/1" for i in range(8)), "odd/1", "odd/2", "odd/3", "wrong/1"])
    assert rows["m0/1"]["size"] == 10
    assert rows["odd/2"]["size"] == rows["odd/3"]["size"] == 1
    letters = {letter.attempts: letter.reason for letter in app.simulator.dead_letters("work")}
    assert "odd one" in letters[3]
    assert "wrong one" in letters[1]


def test_a_batch_that_crashes_is_taken_apart(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_batch(batch_size=10, wait_s=5, max_attempts=2, uses=[seen.put])
def work(batch) -> None:
    for message in batch:
        if message.text() == "bomb":
            os._exit(1)
        seen.put({"id": message.text()})
"""
    )
    app.queue("jobs").send_many(["bomb", *(f"m{i}" for i in range(9))])
    app.settle()
    assert sorted(app.rows()) == sorted(f"m{i}" for i in range(9))
    assert len(app.simulator.dead_letters("work")) == 1


def test_a_topic_reaches_every_handler_with_retries_of_its_own(local: Callable[..., Any]) -> None:
    app = local(
        """
        news = app.topic("news")
        @news.on_message(uses=[seen.put])
        def first(message: Message) -> None:
            seen.put({"id": f"first/{message.text()}/{message.attempt}"})
        @news.on_message(max_attempts=2, uses=[seen.put])
        def second(message: Message) -> None:
            seen.put({"id": f"second/{message.text()}/{message.attempt}"})
            raise ValueError("no")
        """
    )
    app.app.topic("news").publish("hi")
    app.settle()
    assert sorted(app.rows()) == ["first/hi/1", "second/hi/1", "second/hi/2"]
    assert app.simulator.dead_letters("first") == []
    assert len(app.simulator.dead_letters("second")) == 1


def test_a_pipeline_runs_to_its_end(local: Callable[..., Any]) -> None:
    app = local(
        """
        uploads = app.bucket("uploads")
        done = app.topic("done")
        @uploads.on_create(suffix=".txt", uses=[uploads.get, done.publish])
        async def read(event: BlobEvent) -> None:
            await done.apublish({"key": event.key, "text": (await uploads.aget(event.key)).decode()})
        @done.on_message(uses=[seen.put])
        def store(message: Message) -> None:
            seen.put({"id": message.json()["key"], "text": message.json()["text"]})
        @seen.on_change(uses=[uploads.delete])
        def tidy(change: Change) -> None:
            uploads.delete(change.key)
        @uploads.on_delete(uses=[seen.put])
        def gone(event: BlobEvent) -> None:
            if not event.key.startswith("gone"):
                seen.put({"id": f"gone {event.key}"})
        """
    )
    bucket = app.app.bucket("uploads")
    bucket.put("a.txt", b"A")
    bucket.put("b.jpg", b"B")
    app.settle()
    assert sorted(app.rows()) == ["a.txt", "gone a.txt"]
    assert [info.key for info in bucket.list()] == ["b.jpg"]


def test_an_ordered_queue_keeps_its_order_through_failures_and_crashes(local: Callable[..., Any]) -> None:
    app = local(
        """
        line = app.queue("line", ordered=True)
        log = app.table("log", key="id")
        @line.on_message(max_attempts=3, uses=[seen.put, seen.get, seen.update])
        def work(message: Message) -> None:
            n = int(message.text())
            if n % 7 == 3 and message.attempt == 1:
                raise ValueError("again")
            if n == 20 and message.attempt == 1:
                os._exit(1)
            if n == 30:
                raise Reject("never")
            position = seen.update("count", increment={"n": 1})["n"] if seen.get("count") else 0
            if not position:
                seen.put({"id": "count", "n": 0})
            seen.put({"id": f"{n:03}", "position": position})
        """
    )
    app.queue("line", ordered=True).send_many([str(n) for n in range(60)])
    app.settle()
    rows = app.rows()
    rows.pop("count")
    order = sorted(rows, key=lambda id: rows[id]["position"])
    assert order == [f"{n:03}" for n in range(60) if n != 30]


def test_slow_messages_run_beside_each_other_and_nobody_waits_behind_one(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(timeout_s=30, uses=[seen.put, seen.get])
def work(message: Message) -> None:
    if message.text() == "slow":
        while not seen.get("m199"):
            time.sleep(0.01)
    seen.put({"id": message.text()})
"""
    )
    # The slow one ends only when what came after it has been handled.
    app.queue("jobs").send_many([*(f"m{i}" for i in range(100)), "slow", *(f"m{i}" for i in range(100, 200))])
    app.settle()
    assert len(app.rows()) == 201


def test_a_delayed_message_comes_when_it_is_due(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(uses=[seen.put])
def work(message: Message) -> None:
    seen.put({"id": message.text(), "late": time.time() - message.enqueued_at.timestamp()})
"""
    )
    app.queue("jobs").send("later", delay_s=1)
    app.queue("jobs").send("now")
    app.settle()
    assert app.rows()["later"]["late"] >= 1 > app.rows()["now"]["late"]


def test_expired_rows_are_changes_too(local: Callable[..., Any], until: Callable[..., None]) -> None:
    from datetime import datetime, timedelta

    app = local(
        """
        rows = app.table("rows", key="id")
        @rows.on_change(uses=[seen.put])
        def gone(change: Change) -> None:
            seen.put({"id": f"{change.key} {change.kind}"})
        """
    )
    rows = app.app.table("rows", key="id")
    rows.put({"id": "a"}, expires_at=datetime.now(UTC) + timedelta(milliseconds=50))
    until(lambda: "a delete" in app.rows(), "the expiry")


def test_text_that_is_no_valid_unicode_is_logged_as_its_escape(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(uses=[seen.put])
def work(message: Message) -> None:
    print("bad \\udc80")
    seen.put({"id": "handled", "attempt": message.attempt})
"""
    )
    app.queue("jobs").send("x")
    app.settle()
    assert app.rows()["handled"]["attempt"] == 1
    assert app.log_text("work") == "bad \\udc80"


def test_a_reason_that_is_no_valid_unicode_is_kept_as_its_escape(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
import logging
logging.getLogger("faasbridge").disabled = True
others = app.queue("others")
@jobs.on_message(max_attempts=2)
def work(message: Message) -> None:
    raise ValueError("bad \\udc80")
@others.on_message(uses=[seen.put])
def other(message: Message) -> None:
    seen.put({"id": message.text()})
"""
    )
    app.queue("jobs").send("x")
    app.queue("others").send("y")
    app.settle()
    (letter,) = app.simulator.dead_letters("work")
    assert (letter.attempts, letter.reason) == (2, "ValueError: bad \\udc80")
    assert list(app.rows()) == ["y"]


def test_reset_forgets_everything_that_is_on_its_way(local: Callable[..., Any], until: Callable[..., None]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(timeout_s=60, uses=[seen.put])
def work(message: Message) -> None:
    seen.put({"id": message.text()})
    if message.text() == "block":
        time.sleep(60)
    if message.text() == "fail":
        raise ValueError("no")
"""
    )
    queue = app.queue("jobs")
    queue.send_many(["fail", "block", *(f"old{i}" for i in range(50))])
    until(lambda: "block" in app.rows(), "the start of the blocking one")
    app.simulator.reset()
    assert app.rows() == {}
    queue.send("new")
    app.settle(10)
    assert list(app.rows()) == ["new"]
    assert app.simulator.dead_letters("work") == []


def test_settle_names_what_is_left(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(max_attempts=100)
def work(message: Message) -> None:
    time.sleep(0.1)
    raise ValueError("stuck")
"""
    )
    app.queue("jobs").send("x")
    with pytest.raises(TimeoutError, match=r"queue:jobs holds 1 event, \d+ failed attempts, last: ValueError: stuck"):
        app.settle(1)


def test_invoke_runs_a_handler_once_and_gives_its_value_or_error(local: Callable[..., Any]) -> None:
    from faasbridge.errors import FaaSBridgeError

    app = local(
        QUEUE
        + """
uploads = app.bucket("uploads")
@uploads.on_create
def made(event: BlobEvent) -> None:
    return {"key": event.key, "size": event.size}
@jobs.on_message
def work(message: Message) -> None:
    raise ValueError("by hand")
@jobs.dead_letters.on_message
def end(message: Message) -> None:
    os._exit(1)
"""
    )
    assert app.simulator.invoke("made", BlobEvent("uploads", "k", size=3)) == {"key": "k", "size": 3}
    with pytest.raises(FaaSBridgeError, match="ValueError: by hand"):
        app.simulator.invoke("work", Message("x"))
    with pytest.raises(FaaSBridgeError, match="exit code 1"):
        app.simulator.invoke("end", Message("x"))
    with pytest.raises(FaaSBridgeError, match=r"no function 'wrok'.*did you mean 'work'"):
        app.simulator.invoke("wrok", Message("x"))
    assert app.simulator.dead_letters("work") == []


def test_an_undeclared_use_is_refused_with_the_line_to_change(local: Callable[..., Any]) -> None:
    app = local(
        QUEUE
        + """
@jobs.on_message(max_attempts=1)
def work(message: Message) -> None:
    seen.put({"id": "x"})
"""
    )
    app.queue("jobs").send("x")
    app.settle()
    (letter,) = app.simulator.dead_letters("work")
    assert "add seen.put to uses=" in letter.reason
    assert "main.py:" in letter.reason
