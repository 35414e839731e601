"""What a Store promises: inboxes, dead letters, subscriptions, schedules, and who sees what when."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import App, BlobEvent, Change, ConfigError, Message, Tick
from faasbridge.codec import loads
from faasbridge.event_json import from_dict, to_dict
from faasbridge.local.inbox import event_text, message_text, new_id, utc
from faasbridge.local.store import Delivery, Store, shared
from faasbridge.spec import AppSpec, FunctionSpec, ResourceSpec, Trigger

LATER = 1e12


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state")
    yield store
    store.close()


def send(store: Store, inbox: str, *ids: str, delay_s: float = 0) -> None:
    with store.transaction() as db:
        for event_id in ids:
            store.enqueue(db, inbox, Message(event_id, id=event_id), delay_s=delay_s)


def ready(store: Store, inbox: str, limit: int = 100, now: float = LATER, skip: tuple[int, ...] = ()) -> list[Delivery]:
    return store.ready(inbox, limit, now, skip)


def ids(deliveries: list[Delivery]) -> list[str]:
    return [delivery.event_id for delivery in deliveries]


def in_order(inbox_resource: str) -> AppSpec:
    return AppSpec(
        "app",
        "app",
        resources=(ResourceSpec("queue", inbox_resource, {"ordered": True}),),
        functions=(FunctionSpec("work", Trigger("message", "queue", inbox_resource)),),
    )


class TestInbox:
    def test_gives_back_the_event_that_was_put_in(self, store: Store) -> None:
        tick = Tick(datetime(2026, 3, 29, 3, 0, tzinfo=UTC), late_s=0.5, id="t1", source="/schedule/sweep")
        with store.transaction() as db:
            store.enqueue(db, "function:sweep", tick)
        (delivery,) = ready(store, "function:sweep")
        assert to_dict(from_dict(loads(delivery.event))) == to_dict(tick)
        assert (delivery.event_id, delivery.inbox, delivery.attempts) == ("t1", "function:sweep", 0)
        assert abs(delivery.enqueued_at - time.time()) < 60

    def test_is_oldest_first_within_the_limit(self, store: Store) -> None:
        send(store, "queue:jobs", "a", "b", "c")
        assert ids(ready(store, "queue:jobs", limit=2)) == ["a", "b"]

    def test_leaves_out_rows_to_skip(self, store: Store) -> None:
        send(store, "queue:jobs", "a", "b", "c")
        first, second, _ = ready(store, "queue:jobs")
        assert ids(ready(store, "queue:jobs", limit=2, skip=(first.rowid, second.rowid))) == ["c"]

    def test_keeps_inboxes_apart(self, store: Store) -> None:
        send(store, "queue:jobs", "a")
        send(store, "queue:jobs-dead", "b")
        assert ids(ready(store, "queue:jobs")) == ["a"]
        assert store.pending(["queue:jobs", "queue:jobs-dead", "queue:none"]) == {
            "queue:jobs": 1,
            "queue:jobs-dead": 1,
            "queue:none": 0,
        }

    def test_a_delayed_event_is_ready_when_its_time_has_come(self, store: Store) -> None:
        send(store, "queue:jobs", "slow", delay_s=500)
        send(store, "queue:jobs", "quick")
        now = time.time()
        assert ids(ready(store, "queue:jobs", now=now)) == ["quick"]
        assert ids(ready(store, "queue:jobs", now=now + 501)) == ["quick", "slow"]
        at = store.next_ready_at(["queue:other", "queue:jobs"])
        assert at is not None
        assert now + 400 < at <= now + 501
        assert store.next_ready_at(["queue:other"]) is None

    def test_a_failed_event_comes_again_with_its_attempts_counted(self, store: Store) -> None:
        send(store, "queue:jobs", "a")
        (delivery,) = ready(store, "queue:jobs")
        again_at = time.time() + 100
        store.failed(delivery.rowid, "boom", visible_at=again_at)
        assert ready(store, "queue:jobs", now=again_at - 1) == []
        (delivery,) = ready(store, "queue:jobs", now=again_at)
        assert delivery.attempts == 1
        assert store.next_ready_at(["queue:jobs"]) == again_at

    def test_a_handled_event_is_gone(self, store: Store) -> None:
        send(store, "queue:jobs", "a", "b")
        store.handled_ok([ready(store, "queue:jobs")[0].rowid])
        assert ids(ready(store, "queue:jobs")) == ["b"]

    def test_a_row_number_is_never_used_again(self, store: Store) -> None:
        """Else the outcome of an event that was purged meanwhile would hit another one."""
        send(store, "queue:jobs", "a")
        (old,) = ready(store, "queue:jobs")
        store.reset()
        send(store, "queue:jobs", "b")
        assert ready(store, "queue:jobs")[0].rowid > old.rowid
        store.handled_ok([old.rowid])
        store.dead(old.rowid, "late")
        store.failed(old.rowid, "late", visible_at=LATER)
        assert ids(ready(store, "queue:jobs", now=time.time())) == ["b"]
        assert store.dead_letters("queue:jobs") == []


class TestOrderedInbox:
    def test_hands_out_the_front_of_the_line(self, store: Store) -> None:
        store.subscribe(in_order("jobs"))
        send(store, "queue:jobs", "a", "b", "c")
        assert store.ordered() == {"queue:jobs"}
        assert ids(ready(store, "queue:jobs", limit=2)) == ["a", "b"]

    def test_waits_while_the_first_is_in_work(self, store: Store) -> None:
        store.subscribe(in_order("jobs"))
        send(store, "queue:jobs", "a", "b")
        first, second = ready(store, "queue:jobs")
        assert ready(store, "queue:jobs", skip=(first.rowid,)) == []
        assert ids(ready(store, "queue:jobs", skip=(second.rowid,))) == ["a"]

    def test_waits_while_the_first_waits_for_another_attempt(self, store: Store) -> None:
        store.subscribe(in_order("jobs"))
        send(store, "queue:jobs", "a", "b")
        now = time.time()
        store.failed(ready(store, "queue:jobs")[0].rowid, "boom", visible_at=now + 100)
        assert ready(store, "queue:jobs", now=now) == []
        assert ids(ready(store, "queue:jobs", now=now + 100)) == ["a", "b"]

    def test_goes_on_once_the_first_is_dead(self, store: Store) -> None:
        store.subscribe(in_order("jobs"))
        send(store, "queue:jobs", "a", "b")
        store.dead(ready(store, "queue:jobs")[0].rowid, "boom")
        assert ids(ready(store, "queue:jobs")) == ["b"]


class TestDeadLetters:
    def test_keep_event_reason_and_attempts(self, store: Store) -> None:
        send(store, "function:work", "a")
        (delivery,) = ready(store, "function:work")
        store.failed(delivery.rowid, "boom", visible_at=0)
        store.dead(delivery.rowid, "boom again")
        (letter,) = store.dead_letters("function:work")
        assert (letter.id, letter.inbox, letter.reason, letter.attempts) == ("a", "function:work", "boom again", 2)
        assert letter.event["body"] == b"a"
        assert datetime.fromisoformat(letter.died_at).utcoffset() is not None
        assert ready(store, "function:work") == []

    def test_are_an_inbox_with_attempts_and_dead_letters_of_its_own(self, store: Store) -> None:
        send(store, "queue:jobs", "a")
        store.dead(ready(store, "queue:jobs")[0].rowid, "boom")
        (dead,) = ready(store, "queue:jobs-dead")
        assert (dead.event_id, dead.attempts) == ("a", 0)
        store.dead(dead.rowid, "not even this")
        assert [letter.reason for letter in store.dead_letters("queue:jobs-dead")] == ["not even this"]
        assert store.dead_letters("queue:jobs") == []

    @pytest.mark.parametrize(
        ("chosen", "moved", "left"), [(None, ["a", "b"], []), (["b", "zzz"], ["b"], ["a"]), ([], [], ["a", "b"])]
    )
    def test_are_replayed_all_or_chosen(
        self, store: Store, chosen: list[str] | None, moved: list[str], left: list[str]
    ) -> None:
        send(store, "queue:jobs", "a", "b")
        for delivery in ready(store, "queue:jobs"):
            store.failed(delivery.rowid, "boom", visible_at=0)
            store.dead(delivery.rowid, "boom")
        assert store.replay("queue:jobs", chosen) == len(moved)
        again = ready(store, "queue:jobs")
        assert [(d.event_id, d.attempts) for d in again] == [(event_id, 0) for event_id in moved]
        assert [letter.id for letter in store.dead_letters("queue:jobs")] == left

    def test_are_purged_all_or_chosen(self, store: Store) -> None:
        send(store, "queue:jobs", "a", "b", "c")
        for delivery in ready(store, "queue:jobs"):
            store.dead(delivery.rowid, "boom")
        assert store.purge("queue:jobs", ["a"]) == 1
        assert store.purge("queue:jobs") == 2
        assert store.is_empty()


class TestSubscriptions:
    @pytest.fixture
    def app(self) -> App:
        app = App("app")
        uploads, rows, jobs, news = (
            app.bucket("uploads"),
            app.table("rows", key="id"),
            app.queue("jobs"),
            app.topic("news"),
        )

        @uploads.on_create(prefix="in/", suffix=".jpg")
        def thumbnail(event: BlobEvent) -> None: ...

        @uploads.on_delete
        def removed(event: BlobEvent) -> None: ...

        @rows.on_change
        def changed(change: Change) -> None: ...

        @jobs.on_message
        def work(message: Message) -> None: ...

        @news.on_message(name="first")
        def first(message: Message) -> None: ...

        @news.on_message(name="second")
        def second(message: Message) -> None: ...

        @app.schedule("0 3 * * *")
        def sweep(tick: Tick) -> None: ...

        return app

    def test_come_from_the_spec(self, store: Store, app: App) -> None:
        store.subscribe(app.spec())
        names = "thumbnail removed changed first second sweep".split()
        assert store.handled() == {"queue:jobs", *(f"function:{name}" for name in names)}
        assert store.subscribers(store.read(), "topic", "news", "message") == ["function:first", "function:second"]
        assert store.subscribers(store.read(), "queue", "jobs", "message") == []

    @pytest.mark.parametrize(("key", "got"), [("in/a.jpg", True), ("a.jpg", False), ("in/a.png", False)])
    def test_of_a_bucket_take_prefix_and_suffix(self, store: Store, app: App, key: str, got: bool) -> None:
        store.subscribe(app.spec())
        assert store.subscribers(store.read(), "bucket", "uploads", "create", key) == ["function:thumbnail"] * got
        assert store.subscribers(store.read(), "bucket", "uploads", "delete", key) == ["function:removed"]

    def test_are_replaced_as_a_whole(self, store: Store, app: App) -> None:
        store.subscribe(app.spec())
        send(store, "queue:jobs", "waits")
        store.subscribe(AppSpec("app", "app"))
        assert store.handled() == set()
        assert store.subscribers(store.read(), "topic", "news", "message") == []
        assert ids(ready(store, "queue:jobs")) == ["waits"]


class TestSchedules:
    def test_remember_and_enqueue_in_one_step(self, store: Store) -> None:
        assert store.schedule_last("sweep") is None
        store.schedule_fired("sweep", 100.0, None)
        assert store.schedule_last("sweep") == 100.0
        assert ready(store, "function:sweep") == []
        store.schedule_fired("sweep", 200.0, Tick(utc(200.0), id="sweep@200"))
        assert ids(ready(store, "function:sweep")) == ["sweep@200"]

    def test_fire_once_for_one_time(self, store: Store) -> None:
        for _ in range(2):
            store.schedule_fired("sweep", 200.0, Tick(utc(200.0), id="sweep@200"))
        store.schedule_fired("sweep", 150.0, Tick(utc(150.0), id="sweep@150"))
        assert ids(ready(store, "function:sweep")) == ["sweep@200"]
        assert store.schedule_last("sweep") == 200.0


class TestTransaction:
    def test_writes_nothing_after_an_error(self, store: Store) -> None:
        def write_and_fail() -> None:
            with store.transaction() as db:
                store.enqueue(db, "queue:jobs", Message(b"x", id="a"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_and_fail()
        assert store.is_empty()
        send(store, "queue:jobs", "b")
        assert not store.is_empty()

    def test_of_another_thread_shows_in_the_data_version(self, store: Store) -> None:
        before = store.data_version()
        assert store.data_version() == before
        writer = threading.Thread(target=send, args=(store, "queue:jobs", "a"))
        writer.start()
        writer.join()
        assert store.data_version() != before

    def test_threads_do_not_share_connections_and_leave_none_behind(self, store: Store) -> None:
        threads = [threading.Thread(target=send, args=(store, "queue:jobs", f"m{i}")) for i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ids(ready(store, "queue:jobs"))) == sorted(f"m{i}" for i in range(20))
        gc.collect()
        assert len(store._connections) == 1


class TestFolder:
    def test_is_kept_over_a_restart(self, tmp_path: Path) -> None:
        first = Store(tmp_path)
        send(first, "queue:jobs", "a")
        first.set_meta("root", "/project")
        first.close()
        second = Store(tmp_path, create=False)
        assert ids(ready(second, "queue:jobs")) == ["a"]
        assert second.meta("root") == "/project"
        assert second.meta("nothing") is None
        second.close()

    def test_may_have_any_name(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "a?b#c%20 d" / "ü")
        send(store, "queue:jobs", "a")
        assert (tmp_path / "a?b#c%20 d" / "ü" / "state.db").exists()
        store.close()

    def test_is_shared_within_a_process_until_it_is_closed(self, tmp_path: Path) -> None:
        store = shared(tmp_path)
        assert shared(str(tmp_path)) is store
        store.close()
        again = shared(tmp_path)
        assert again is not store
        assert again.is_empty()
        again.close()

    def test_without_a_state_is_refused_unless_one_is_to_be_made(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"there is no state at .*faasbridge dev"):
            Store(tmp_path / "none", create=False)
        assert not (tmp_path / "none").exists()


def test_ids_are_unique_and_sort_by_time() -> None:
    made = []
    for _ in range(50):
        made.append(new_id())
        time.sleep(2e-6)
    assert sorted(made) == made
    assert len(set(made)) == 50


@given(
    body=st.binary(max_size=50),
    attributes=st.dictionaries(st.one_of(st.text(min_size=1), st.just("$fb:time")), st.text(min_size=1), max_size=3),
    at=st.floats(0, 4e9),
)
def test_the_quick_text_of_a_message_is_the_event_s_text(body: bytes, attributes: dict[str, str], at: float) -> None:
    event = Message(
        body,
        attributes=attributes,
        enqueued_at=utc(at),
        id="0123",
        source="/queue/jobs",
        type="faasbridge.message",
        time=utc(at),
    )
    quick = message_text("0123", "/queue/jobs", at, body, attributes)
    assert loads(quick) == loads(event_text(event)) == to_dict(event)
    assert quick == event_text(event)
