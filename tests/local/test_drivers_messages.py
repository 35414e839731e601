"""Queues, topics and secrets on the embedded provider, and the way from a resource to its driver."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faasbridge import App, ConfigError, Message, NotFound
from faasbridge.codec import loads
from faasbridge.drivers import Binding
from faasbridge.event_json import from_dict
from faasbridge.local.bind import DRIVERS, driver_of
from faasbridge.local.secrets import secret_values, set_secret, unset_secret
from faasbridge.local.store import Store, shared
from faasbridge.resources import Queue, Resource, Secret, Topic


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = shared(tmp_path / ".faasbridge" / "dev")
    yield store
    store.close()


@pytest.fixture
def app(store: Store) -> App:
    app = App("app")
    news = app.topic("news")

    @app.queue("jobs").on_message
    def work(message: Message) -> None: ...

    @news.on_message(name="first")
    def first(message: Message) -> None: ...

    @news.on_message(name="second")
    def second(message: Message) -> None: ...

    store.subscribe(app.spec())
    app.bound = driver_of("app", "dev", store.folder)
    return app


@pytest.fixture
def jobs(app: App) -> Queue:
    return app.resources["queue", "jobs"]  # type: ignore[return-value]


@pytest.fixture
def news(app: App) -> Topic:
    return app.resources["topic", "news"]  # type: ignore[return-value]


@pytest.fixture
def api_key(app: App) -> Secret:
    return app.secret("api-key")


def messages(store: Store, inbox: str, now: float = 1e12) -> list[Message]:
    found = [from_dict(loads(d.event)) for d in store.ready(inbox, 10_000, now)]
    assert all(isinstance(event, Message) for event in found)
    return found  # type: ignore[return-value]


class TestQueue:
    def test_a_message_arrives_with_id_attributes_and_time(self, jobs: Queue, store: Store) -> None:
        event_id = jobs.send({"n": 1.0, "data": b"x"}, attributes={"trace": 'ü"\\\n'})
        (message,) = messages(store, "queue:jobs")
        assert (message.id, message.source, message.provider) == (event_id, "/queue/jobs", "local")
        assert repr(message.json()) == repr({"n": 1.0, "data": b"x"})
        assert message.attributes == {"trace": 'ü"\\\n'}
        assert message.enqueued_at is not None
        assert abs(message.enqueued_at.timestamp() - time.time()) < 60

    def test_a_delay_is_kept(self, jobs: Queue, store: Store) -> None:
        jobs.send("later", delay_s=900)
        jobs.send("now")
        now = time.time()
        assert [m.text() for m in messages(store, "queue:jobs", now)] == ["now"]
        assert [m.text() for m in messages(store, "queue:jobs", now + 901)] == ["now", "later"]

    def test_many_messages_keep_their_order_and_have_ids_of_their_own(self, jobs: Queue, store: Store) -> None:
        jobs.send_many(f"{i}" for i in range(1000))
        jobs.send_many([])
        found = messages(store, "queue:jobs")
        assert [m.text() for m in found] == [f"{i}" for i in range(1000)]
        assert len({m.id for m in found}) == 1000

    def test_dead_letters_are_a_queue(self, jobs: Queue, store: Store) -> None:
        event_id = jobs.send("bad")
        store.dead(store.ready("queue:jobs", 1, 1e12)[0].rowid, "boom")
        jobs.dead_letters.send("another")
        found = messages(store, "queue:jobs-dead")
        assert [m.text() for m in found] == ["bad", "another"]
        assert found[0].id == event_id

    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(body=st.binary(), attributes=st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=3))
    def test_any_bytes_and_attributes_survive(
        self, jobs: Queue, store: Store, body: bytes, attributes: dict[str, str]
    ) -> None:
        store.reset()
        jobs.send(body, attributes=attributes)
        (message,) = messages(store, "queue:jobs")
        assert (message.body, message.attributes) == (body, attributes)


class TestTopic:
    def test_every_handler_gets_each_message_under_one_id(self, news: Topic, store: Store) -> None:
        event_id = news.publish("hi", attributes={"a": "b"})
        news.publish_many(["two", "three"])
        first, second = messages(store, "function:first"), messages(store, "function:second")
        assert [m.text() for m in first] == [m.text() for m in second] == ["hi", "two", "three"]
        assert [m.id for m in first] == [m.id for m in second]
        assert (first[0].id, first[0].attributes, first[0].source) == (event_id, {"a": "b"}, "/topic/news")

    def test_without_handlers_takes_messages_and_forgets_them(self, app: App, store: Store) -> None:
        quiet = app.topic("quiet")
        assert quiet.publish("hi")
        quiet.publish_many(["a"])
        assert store.is_empty()


class TestSecret:
    def test_comes_from_the_project_s_env_file(self, api_key: Secret, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("# note\nAPI_KEY='a $HOME #b'\nEMPTY\n")
        assert api_key.get() == "a $HOME #b"

    def test_comes_from_the_root_that_the_store_knows(self, api_key: Secret, store: Store, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("API_KEY=wrong")
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / ".env").write_text("API_KEY=right")
        store.set_meta("root", str(tmp_path / "project"))
        assert api_key.get() == "right"

    def test_comes_from_another_env_file(self, app: App, api_key: Secret, store: Store, tmp_path: Path) -> None:
        (tmp_path / "other.env").write_text("API_KEY=other")
        app.bound = driver_of("app", "dev", store.folder, options={"env_file": str(tmp_path / "other.env")})
        assert api_key.get() == "other"

    def test_that_was_set_wins_and_is_there_at_once(self, api_key: Secret, store: Store, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("API_KEY=file")
        assert api_key.get() == "file"
        for value in ("set", "a\r\n'\"\\ü\x00 $X", ""):
            set_secret(store.folder, "api-key", value)
            assert api_key.get() == value
        set_secret(store.folder, "other", "1")
        unset_secret(store.folder, "api-key")
        unset_secret(store.folder, "api-key")
        assert api_key.get() == "file"
        assert secret_values(store.folder) == {"API_KEY": "file", "OTHER": "1"}

    def test_is_for_its_owner_s_eyes(self, store: Store) -> None:
        set_secret(store.folder, "api-key", "x")
        assert stat.S_IMODE((store.folder / "secrets.json").stat().st_mode) == 0o600
        assert [path.name for path in store.folder.glob("secrets*")] == ["secrets.json"]

    def test_without_a_value_says_where_to_put_one(self, api_key: Secret, tmp_path: Path) -> None:
        expected = rf"put API_KEY=\.\.\. into {tmp_path}/\.env, or run `faasbridge secrets set api-key`"
        with pytest.raises(NotFound, match=expected):
            api_key.get()

    def test_in_files_that_cannot_be_read_says_which(self, api_key: Secret, store: Store, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"API_KEY=\xff")
        with pytest.raises(ConfigError, match=r"\.env is no UTF-8 text"):
            api_key.get()
        (tmp_path / ".env").unlink()
        (store.folder / "secrets.json").write_text("{")
        with pytest.raises(ConfigError, match=r"secrets\.json is damaged"):
            api_key.get()


class OwnDriver:
    client = "own client"

    def __init__(self, binding: Binding) -> None:
        self.binding = binding


class Cache(Resource):
    kind = "cache"


class TestBinding:
    def test_gives_one_driver_for_each_resource(self, app: App, jobs: Queue, news: Topic, store: Store) -> None:
        find = driver_of("app", "dev", store.folder)
        assert find(jobs) is find(jobs)
        assert find(jobs) is not find(news)

    def test_every_portable_type_has_a_driver_with_a_client(self, app: App, store: Store) -> None:
        made = [app.bucket("b"), app.table("t", key="id"), app.queue("q"), app.topic("x"), app.secret("s")]
        assert {resource.kind for resource in made} == DRIVERS.keys()
        find = driver_of("app", "dev", store.folder)
        for resource in made[:-1]:
            assert find(resource).client.execute("SELECT 1").fetchone() == (1,)
        assert find(made[-1]).client == {}

    def test_takes_third_parties_kinds(self, app: App, store: Store) -> None:
        cache = app.add(Cache("sessions", size=3))
        find = driver_of("app", "dev", store.folder, {"cache": f"{__name__}:OwnDriver"}, {"more": 1})
        import sys

        sys.modules.setdefault(__name__, sys.modules[OwnDriver.__module__])
        binding = find(cache).binding
        assert (binding.provider, binding.app, binding.stage, binding.kind, binding.name) == (
            "local",
            "app",
            "dev",
            "cache",
            "sessions",
        )
        assert (binding.options, binding.address) == ({"size": 3, "more": 1}, str(store.folder))

    def test_refuses_a_kind_without_a_driver(self, app: App, store: Store) -> None:
        with pytest.raises(ConfigError, match="no driver for resources of kind 'cache' on local"):
            driver_of("app", "dev", store.folder)(app.add(Cache("sessions")))
