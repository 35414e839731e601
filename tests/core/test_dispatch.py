"""Events through a handler: which come again, and what a handler may call while it runs."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from faasbridge import (
    App,
    Batch,
    CallNext,
    ConfigError,
    Event,
    Message,
    PermissionDenied,
    Reject,
    Reply,
    Request,
    invocation,
)


def messages(*bodies: str) -> list[Message]:
    return [Message(body, id=f"id-{body}") for body in bodies]


def _flaky(message: Message) -> None:
    if message.text() == "bad":
        raise RuntimeError("not today")
    if message.text() == "hopeless":
        raise Reject("never")


async def _flaky_later(message: Message) -> None:
    await asyncio.sleep(0)
    _flaky(message)


@pytest.mark.parametrize("handler", [_flaky, _flaky_later])
def test_exactly_the_failed_events_come_back(run: Any, handler: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = App("work")
    app.queue("jobs").on_message(name="work")(handler)
    failures = run(app, "work").deliver(messages("good", "bad", "fine", "hopeless"))
    assert [(f.event.id, str(f.error), f.rejected) for f in failures] == [
        ("id-bad", "not today", False),
        ("id-hopeless", "never", True),
    ]
    assert "id-bad" in caplog.text


def test_a_batch_loses_only_what_it_names(run: Any) -> None:
    app = App("work")

    @app.queue("jobs").on_batch(batch_size=10)
    def work(batch: Batch) -> None:
        assert len(batch) == 3
        for message in batch:
            if message.text() == "bad":
                batch.fail(message, "not today")
            elif message.text() == "hopeless":
                batch.fail(message, Reject("never"))

    failures = run(app, "work").deliver(messages("bad", "good", "hopeless"))
    assert [(f.event.id, str(f.error), f.rejected) for f in failures] == [
        ("id-bad", "not today", False),
        ("id-hopeless", "never", True),
    ]


def test_equal_messages_of_a_batch_are_told_apart(run: Any) -> None:
    app = App("work")

    @app.queue("jobs").on_batch
    def work(batch: Batch) -> None:
        batch.fail(batch.messages[1])

    twins = messages("same", "same")
    assert [f.event for f in run(app, "work").deliver(twins)] == [twins[1]]


def test_an_exception_fails_the_whole_batch(run: Any) -> None:
    app = App("work")

    @app.queue("jobs").on_batch
    def work(batch: Batch) -> None:
        batch.fail(batch.messages[0], Reject("not even this counts"))
        raise RuntimeError("all of it")

    failures = run(app, "work").deliver(messages("a", "b"))
    assert [(f.event.id, f.rejected) for f in failures] == [("id-a", False), ("id-b", False)]


def test_a_message_of_another_batch_cannot_fail() -> None:
    with pytest.raises(ValueError, match="none of the batch"):
        Batch(messages("a")).fail(Message("a", id="id-a"))


def test_the_attempt_is_the_messages_or_what_the_adapter_says(run: Any) -> None:
    app, seen = App("work"), []

    @app.queue("jobs").on_message
    def work(message: Message) -> None:
        seen.append((invocation().attempt, invocation().id))

    @app.queue("many").on_batch
    def many(batch: Batch) -> None:
        seen.append((invocation().attempt, invocation().id))

    run(app, "work").deliver([Message("a", attempt=3)], id="x")
    run(app, "work").deliver([Message("a")], attempts=[4], id="y")
    run(app, "many").deliver([Message("a", attempt=1), Message("b", attempt=2)], id="z")
    assert seen == [(3, "x"), (4, "y"), (2, "z")]


def test_async_handlers_share_one_warm_loop(run: Any) -> None:
    app, loops = App("work"), []

    @app.queue("jobs").on_message
    async def work(message: Message) -> None:
        loops.append(asyncio.get_running_loop())

    @app.get("/")
    async def page(request: Request) -> Reply:
        loops.append(asyncio.get_running_loop())
        return None

    run(app, "work").deliver(messages("a", "b"))
    run(app).http(Request())
    assert len(loops) == 3
    assert len(set(loops)) == 1


def test_an_async_handler_is_cancelled_at_its_deadline(run: Any) -> None:
    app, ended = App("work"), threading.Event()

    @app.queue("jobs").on_message(timeout_s=0.1)
    async def work(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    (failure,) = run(app, "work").deliver(messages("a"))
    assert isinstance(failure.error, TimeoutError)
    assert ended.wait(10)


def test_a_timeout_of_the_handlers_own_is_its_own(run: Any) -> None:
    app = App("work")

    @app.queue("jobs").on_message
    async def work(message: Message) -> None:
        raise TimeoutError("the mail server")

    (failure,) = run(app, "work").deliver(messages("a"))
    assert str(failure.error) == "the mail server"


def test_middleware_runs_around_sync_and_async_handlers_in_order(run: Any) -> None:
    app, seen = App("work"), []

    def middleware(name: str) -> Callable[[Event, CallNext], Reply]:
        def call(event: Event, call_next: CallNext) -> Reply:
            seen.append(f"{name} before")
            try:
                call_next(event)
            except RuntimeError as error:
                seen.append(f"{name} saw {error}")
                raise
            finally:
                seen.append(f"{name} after")
            return None

        return call

    app.middleware(middleware("outer"))
    app.middleware(middleware("inner"))

    @app.queue("jobs").on_message
    async def work(message: Message) -> None:
        seen.append("handler")
        raise RuntimeError("a fault")

    assert len(run(app, "work").deliver(messages("a"))) == 1
    assert seen == [
        "outer before",
        "inner before",
        "handler",
        "inner saw a fault",
        "inner after",
        "outer saw a fault",
        "outer after",
    ]


def test_middleware_that_handles_an_event_makes_it_succeed(run: Any) -> None:
    app = App("work")

    @app.middleware
    def skip(event: Event, call_next: CallNext) -> Reply:
        return None

    @app.queue("jobs").on_message
    def work(message: Message) -> None:
        raise AssertionError

    assert run(app, "work").deliver(messages("a")) == []


def test_async_middleware_is_refused() -> None:
    app = App("work")

    async def later(event: Event, call_next: CallNext) -> Reply:
        return None

    with pytest.raises(ConfigError, match=r"test_dispatch\.py:\d+: middleware .*later is a plain def"):
        app.middleware(later)  # type: ignore[type-var]


class Recorder:
    """A driver that says who was called."""

    def __init__(self, resource: Any) -> None:
        self.name = resource.name
        self.client = f"client of {resource.name}"

    def get(self, *key: str) -> str:
        return f"{self.name}{key}"

    async def aget(self, *key: str) -> str:
        return f"async {self.name}{key}"

    def put(self, *args: Any) -> str:
        return "written"

    def send(self, *args: Any) -> str:
        return "sent"


def rights_app() -> tuple[App, Any, Any]:
    app = App("rights")
    the_bucket = app.bucket("my-files")
    jobs = app.queue("jobs")
    return app, the_bucket, jobs


FILES_APP = App("filed")
uploads = FILES_APP.bucket("the-uploads")


@FILES_APP.get("/")
def read_file(request: Request) -> Reply:
    return uploads.get("k")


def test_an_undeclared_call_is_refused_with_the_very_line_to_add(run: Any) -> None:
    app, files, jobs = rights_app()

    @jobs.on_message(uses=[files.put])  # type: ignore[untyped-decorator]
    def work(message: Message) -> None:
        files.get("k")

    (failure,) = run(app, "work", Recorder).deliver(messages("a"))
    assert isinstance(failure.error, PermissionDenied)
    line = work.__code__.co_firstlineno
    assert "add my_files.get to uses= of work (" in str(failure.error)
    assert f"test_dispatch.py:{line})" in str(failure.error)


def test_the_line_to_add_uses_the_name_that_the_handler_uses(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "faasbridge"):
        assert run(FILES_APP, "http", Recorder).http(Request())[0] == 500
    assert "add uploads.get to uses= of read_file (" in caplog.text


@pytest.mark.parametrize(
    ("declared", "allowed"),
    [("get", True), ("aget", True), ("open", True), ("whole", True), ("native", True), ("put", False), ("head", False)],
)
def test_rights_are_operations_whatever_their_flavour(run: Any, declared: str, allowed: bool) -> None:
    app, files, jobs = rights_app()
    uses = [files if declared == "whole" else getattr(files, declared)]

    @jobs.on_message(uses=uses)  # type: ignore[untyped-decorator]
    def work(message: Message) -> None:
        files.get("k")

    assert (run(app, "work", Recorder).deliver(messages("a")) == []) is allowed


@pytest.mark.parametrize("named", [["put"], ["put", "get"]])
def test_comparing_with_what_is_there_is_reading_it(run: Any, named: list[str]) -> None:
    app, files, jobs = rights_app()

    @jobs.on_message(uses=[getattr(files, name) for name in named])  # type: ignore[untyped-decorator]
    def work(message: Message) -> None:
        files.put("k", b"", if_match="etag")

    failures = run(app, "work", Recorder).deliver(messages("a"))
    assert [isinstance(failure.error, PermissionDenied) for failure in failures] == [True] * ("get" not in named)


def test_the_vendors_client_needs_every_right(run: Any) -> None:
    app, files, jobs = rights_app()
    seen = []

    @jobs.on_message(uses=[files.get, files.put])  # type: ignore[untyped-decorator]
    def some(message: Message) -> None:
        files.native()

    @app.topic("news").on_message(uses=[files])
    def all_of(message: Message) -> None:
        seen.append(files.native())

    assert isinstance(run(app, "some", Recorder).deliver(messages("a"))[0].error, PermissionDenied)
    assert run(app, "all_of", Recorder).deliver(messages("a")) == []
    assert seen == ["client of my-files"]


def test_middlewares_rights_are_every_functions(run: Any) -> None:
    app, files, jobs = rights_app()

    @app.middleware(uses=[files.get])
    def look(event: Event, call_next: CallNext) -> Reply:
        event.state["file"] = files.get("k")
        reply: Reply = call_next(event)
        return reply

    @jobs.on_message  # type: ignore[untyped-decorator]
    def work(message: Message) -> None:
        assert message.state["file"]

    assert run(app, "work", Recorder).deliver(messages("a")) == []


def test_rights_of_an_api_are_those_of_all_its_routes(run: Any) -> None:
    app, files, jobs = rights_app()
    app.get("/read", uses=[files.get])(lambda request: files.get("k"))
    app.get("/send", uses=[jobs.send])(lambda request: jobs.send(files.get("k")))
    assert run(app, "http", Recorder).http(Request("GET", "/send"))[0] == 200


def test_a_resource_outside_of_an_invocation_is_a_config_error() -> None:
    _, files, _ = rights_app()
    with pytest.raises(ConfigError, match="outside of an invocation"):
        files.get("k")
    with pytest.raises(ConfigError, match="only while a handler runs"):
        invocation()


def test_a_bound_app_may_do_everything() -> None:
    app, files, _ = rights_app()
    app.bound = Recorder
    assert files.get("k") == "my-files('k',)"


def test_a_bound_app_still_keeps_to_the_rights_of_what_runs(run: Any) -> None:
    app, files, jobs = rights_app()
    app.bound = Recorder

    @jobs.on_message  # type: ignore[untyped-decorator]
    def work(message: Message) -> None:
        files.get("k")

    assert isinstance(run(app, "work", Recorder).deliver(messages("a"))[0].error, PermissionDenied)


def test_a_resource_without_an_app_says_so() -> None:
    from faasbridge import Bucket

    with pytest.raises(ConfigError, match=r"hand it to app\.add"):
        Bucket("alone").get("k")


def test_threads_and_tasks_of_a_handler_keep_its_rights(run: Any) -> None:
    app, files, jobs = rights_app()
    seen: list[Any] = []

    @jobs.on_message(uses=[files.get])  # type: ignore[untyped-decorator]
    def work(message: Message) -> None:
        with ThreadPoolExecutor() as pool:
            seen.extend(pool.map(files.get, ["a", "b"]))
            seen.append(pool.submit(lambda: files.put("k", b"")).exception())

    assert run(app, "work", Recorder).deliver(messages("a")) == []
    assert seen[:2] == ["my-files('a',)", "my-files('b',)"]
    assert isinstance(seen[2], PermissionDenied)


def test_async_operations_use_the_drivers_own_or_a_thread(run: Any) -> None:
    app, files, jobs = rights_app()
    seen: list[Any] = []

    @jobs.on_message(uses=[files.get, jobs.send])  # type: ignore[untyped-decorator]
    async def work(message: Message) -> None:
        seen.extend(await asyncio.gather(files.aget("a"), jobs.asend("x")))

    assert run(app, "work", Recorder).deliver(messages("a")) == []
    assert seen == ["async my-files('a',)", "sent"]


def test_an_unknown_function_is_named_with_the_nearest(run: Any) -> None:
    app = App("work")
    app.queue("jobs").on_message(name="resize")(lambda message: None)
    with pytest.raises(ConfigError, match="no function 'resise'; did you mean 'resize'"):
        run(app, "resise")


def test_an_exit_is_not_swallowed(run: Any) -> None:
    app = App("work")

    @app.queue("jobs").on_message
    def work(message: Message) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(app, "work").deliver(messages("a"))
