"""What Google is answered: acknowledged, refused for another attempt, or put into the dead letters."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import faasbridge
from faasbridge import App, BlobEvent, Change, ConfigError, InvalidEvent, Message, Reject, Tick
from faasbridge_gcp import entry, logs

app = App("shop")
jobs = app.queue("jobs")
few = app.queue("few", max_attempts=2)
uploads = app.bucket("uploads")
photos = app.table("photos", key="photo_id")
secret = app.secret("key")
seen: list[Any] = []


@app.get("/hello/{name}", uses=[])
async def hello(request: Any, name: str) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"hello": name, "id": faasbridge.invocation().id}


@app.get("/fault")
def fault(request: Any) -> None:
    raise ValueError("a fault")


def handled(event: Any) -> None:
    seen.append((event, faasbridge.invocation().attempt))
    if isinstance(event, Message) and event.body == b"fail":
        raise ValueError("no")
    if isinstance(event, Message) and event.body == b"reject":
        raise Reject("never")


@jobs.on_message
def work(message: Message) -> None:
    handled(message)


@few.on_message
async def try_twice(message: Message) -> None:
    await asyncio.sleep(0)
    handled(message)


@app.queue("batched").on_batch
def batched(batch: Any) -> None:
    for message in batch:
        seen.append((message, faasbridge.invocation().attempt))
        if message.body == b"fail":
            batch.fail(message, "no")
        if message.body == b"reject":
            batch.fail(message, Reject("never"))


@uploads.on_create(prefix="in/", suffix=".jpg")
def thumbnail(event: BlobEvent) -> None:
    handled(event)


@photos.on_change
def index(change: Change) -> None:
    handled(change)


@app.schedule("0 3 * * *", timezone="Europe/Berlin")
def sweep(tick: Tick) -> None:
    handled(tick)


@app.topic("secrets").on_message(uses=[secret.get])
def tell(message: Message) -> None:
    seen.append((secret.get(), 1))


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


def envelope(body: bytes, attempt: int | None = 1, **attributes: str) -> dict[str, Any]:
    message = {"messageId": "77", "data": b64encode(body).decode(), "attributes": attributes}
    counted = {} if attempt is None else {"deliveryAttempt": attempt}
    return {"message": message, "subscription": "projects/p/subscriptions/s", **counted}


class DeadLetters:
    def __init__(self, *, broken: bool = False) -> None:
        self.found: list[tuple[Any, str]] = []
        self.broken = broken

    def __call__(self, native: Any, reason: str) -> None:
        if self.broken:
            raise OSError("no connection")
        self.found.append((native, reason))


@pytest.fixture
def deliver(flask_request: Any) -> Callable[..., int]:
    def send(function: str, native: Any, dead_letter: Any = None) -> int:
        handler = entry.handler_for(app, function, dead_letter=dead_letter)
        return handler(flask_request(body=native)).status_code  # type: ignore[no-any-return]

    return send


def test_a_handled_push_is_acknowledged(deliver: Any) -> None:
    assert deliver("work", envelope(b"ok", 3)) == 204
    ((event, attempt),) = seen
    assert (event.body, event.attempt, attempt) == (b"ok", 3, 3)


@pytest.mark.parametrize(
    ("function", "body", "attempt", "status", "buried"),
    [
        ("work", b"fail", 1, 500, 0),
        ("work", b"fail", 4, 500, 0),
        ("work", b"fail", 5, 204, 1),
        ("work", b"fail", None, 500, 0),
        ("work", b"reject", 1, 204, 1),
        ("try_twice", b"ok", 2, 204, 0),
        ("try_twice", b"fail", 1, 500, 0),
        ("try_twice", b"fail", 2, 204, 1),
        ("try_twice", b"fail", 3, 204, 1),
        ("batched", b"ok", 1, 204, 0),
        ("batched", b"fail", 1, 500, 0),
        ("batched", b"fail", 5, 204, 1),
        ("batched", b"reject", 1, 204, 1),
    ],
)
def test_a_push_is_refused_exactly_while_attempts_remain(
    function: str, body: bytes, attempt: int | None, status: int, buried: int, deliver: Any
) -> None:
    dead = DeadLetters()
    native = envelope(body, attempt)
    assert deliver(function, native, dead) == status
    assert len(seen) == 1
    assert [found for found, _ in dead.found] == [native] * buried


@pytest.mark.parametrize("dead_letter", [None, DeadLetters(broken=True)])
@pytest.mark.parametrize(("function", "body", "attempt"), [("try_twice", b"fail", 2), ("work", b"reject", 1)])
def test_nothing_is_dropped_where_the_dead_letters_take_nothing(
    function: str, body: bytes, attempt: int, dead_letter: Any, deliver: Any
) -> None:
    assert deliver(function, envelope(body, attempt), dead_letter) == 500


def test_the_reason_goes_with_a_dead_letter(deliver: Any) -> None:
    dead = DeadLetters()
    deliver("work", envelope(b"reject"), dead)
    assert dead.found[0][1] == "never"


def stored(key: str, kind: str = "OBJECT_FINALIZE") -> dict[str, Any]:
    attributes = {"eventType": kind, "bucketId": "shop-dev-uploads-1a2b", "objectId": key, "objectGeneration": "1"}
    return envelope(b"", **attributes)


def test_a_bucket_has_its_name_in_the_app(deliver: Any) -> None:
    assert deliver("thumbnail", stored("in/a.jpg")) == 204
    assert (seen[0][0].bucket, seen[0][0].key) == ("uploads", "in/a.jpg")


@pytest.mark.parametrize(
    "other",
    [stored("out/a.jpg"), stored("in/a.png"), stored("in/a.jpg", "OBJECT_DELETE")],
    ids=["prefix", "suffix", "kind"],
)
def test_what_the_function_did_not_ask_for_is_acknowledged_unseen(other: Any, deliver: Any) -> None:
    assert deliver("thumbnail", other) == 204
    assert seen == []


def test_a_table_and_its_key_have_their_names_in_the_app(deliver: Any) -> None:
    name = "projects/p/databases/d/documents/shop-photos/whatever"
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/f",
        "type": "google.cloud.firestore.document.v1.created",
        "data": {"value": {"name": name, "fields": {"photo_id": {"stringValue": "p/1"}}}},
    }
    assert deliver("index", event) == 204
    assert (seen[0][0].table, seen[0][0].key, seen[0][0].new) == ("photos", "p/1", {"photo_id": "p/1"})


def test_a_tick_is_in_the_schedule_s_time_zone_and_says_how_late_it_is(deliver: Any, flask_request: Any) -> None:
    handler = entry.handler_for(app, "sweep")
    headers = [("X-CloudScheduler-JobName", "sweep"), ("X-CloudScheduler-ScheduleTime", "2026-05-04T01:00:00Z")]
    assert handler(flask_request(headers=headers)).status_code == 204
    tick = seen[0][0]
    assert tick.scheduled_for.isoformat() == "2026-05-04T03:00:00+02:00"
    assert tick.late_s == pytest.approx((datetime.now(UTC) - tick.scheduled_for).total_seconds(), abs=60)


@pytest.mark.parametrize("native", [{"foo": "bar"}, envelope(b"x", "often")], ids=["unknown", "broken"])  # type: ignore[arg-type]
def test_what_is_no_event_is_a_bad_request(native: Any, deliver: Any) -> None:
    assert deliver("work", native) == 400


def test_an_event_of_another_kind_is_a_bad_request(flask_request: Any) -> None:
    answer = entry.handler_for(app, "sweep")(flask_request(body=stored("in/a.jpg")))
    assert answer.status_code == 400
    assert "takes Tick, but was sent BlobEvent" in json.loads(answer.get_data())["error"]


def cloudevent(body: bytes) -> Any:
    http = pytest.importorskip("cloudevents.http", reason="install the dependency group test-gcp")
    attributes = {"id": "1", "source": "/me", "type": "google.cloud.pubsub.topic.v1.messagePublished"}
    return http.CloudEvent(attributes, envelope(body, None))


@pytest.mark.parametrize("function", ["work", "try_twice", "batched"])
def test_a_cloudevent_object_is_handled(function: str) -> None:
    assert entry.handler_for(app, function)(cloudevent(b"ok")) is None
    assert seen[0][0].body == b"ok"


@pytest.mark.parametrize("function", ["work", "try_twice", "batched"])
def test_a_cloudevent_that_failed_raises(function: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match="no"):
        entry.handler_for(app, function)(cloudevent(b"fail"))


@pytest.mark.parametrize("function", ["work", "batched"])
def test_a_rejected_cloudevent_raises_unless_it_is_a_dead_letter(function: str) -> None:
    with pytest.raises(Reject):
        entry.handler_for(app, function)(cloudevent(b"reject"))
    dead = DeadLetters()
    entry.handler_for(app, function, dead_letter=dead)(cloudevent(b"reject"))
    assert dead.found[0][0]["id"] == "1"


def test_data_and_context(deliver: Any) -> None:
    context = SimpleNamespace(
        event_id="9", event_type="google.pubsub.topic.publish", timestamp="", resource="projects/p/topics/t"
    )
    entry.handler_for(app, "work")({"data": "b2s="}, context)
    assert (seen[0][0].body, seen[0][0].id) == (b"ok", "9")
    with pytest.raises(InvalidEvent):
        entry.handler_for(app, "sweep")({"data": "b2s="}, context)


def test_an_async_route_answers(flask_request: Any) -> None:
    handler = entry.handler_for(app, "http")
    answer = handler(flask_request("/hello/ada", method="GET", headers=[("Function-Execution-Id", "exe-1")]))
    assert (answer.status_code, json.loads(answer.get_data())) == (200, {"hello": "ada", "id": "exe-1"})


def test_a_fault_is_a_500_with_the_id_that_is_in_the_log(flask_request: Any, caplog: Any) -> None:
    answer = entry.handler_for(app, "http")(flask_request("/fault", method="GET"))
    assert answer.status_code == 500
    assert json.loads(answer.get_data())["id"] in caplog.text


def test_drivers_are_made_before_the_first_event(deliver: Any, flask_request: Any) -> None:
    made = []

    def driver_of(resource: Any) -> Any:
        made.append(resource.name)
        return SimpleNamespace(get=lambda: "shh")

    handler = entry.handler_for(app, "tell", driver_of=driver_of)
    assert made == ["key"]
    assert handler(flask_request(body=envelope(b"x"))).status_code == 204
    assert seen == [("shh", 1)]
    assert made == ["key"]


def test_a_function_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="has no function 'wrok'"):
        entry.handler_for(app, "wrok")


def test_the_module_s_handler_says_what_it_needs(monkeypatch: Any) -> None:
    monkeypatch.delenv("FAASBRIDGE_FUNCTION", raising=False)
    with pytest.raises(ConfigError, match="FAASBRIDGE_FUNCTION is not set"):
        entry.handler  # noqa: B018
    with pytest.raises(AttributeError):
        entry.nothing  # noqa: B018


TRACE = "65088630f09e0a5359677a7429456db7"
W3C = {"traceparent": f"00-{TRACE}-97f23477fb2bf5ec-01"}
GOOGLE = {"x-cloud-trace-context": f"{TRACE}/10945420145404278252;o=1"}


@pytest.mark.parametrize("headers", [W3C, GOOGLE, {**GOOGLE, **W3C}], ids=["w3c", "google", "both"])
def test_log_lines_belong_to_their_trace_and_execution(headers: dict[str, str], monkeypatch: Any) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    token = logs.enter({**headers, "function-execution-id": "exe-1"})
    try:
        record = logging.LogRecord("shop", logging.WARNING, __file__, 1, "%s left", (3,), None)
        line = json.loads(logs.Formatter().format(record))
    finally:
        logs.leave(token)
    assert line == {
        "severity": "WARNING",
        "message": "3 left",
        "logger": "shop",
        "logging.googleapis.com/trace": f"projects/p/traces/{TRACE}",
        "logging.googleapis.com/spanId": "97f23477fb2bf5ec" if "traceparent" in headers else "97e5f1a18439f5ec",
        "logging.googleapis.com/trace_sampled": True,
        "logging.googleapis.com/labels": {"execution_id": "exe-1"},
    }
    assert json.loads(logs.Formatter().format(record)).keys() == {"severity", "message", "logger"}


@pytest.mark.parametrize(
    "headers", [{"traceparent": "nonsense"}, {"x-cloud-trace-context": "abc"}, {"x-cloud-trace-context": "a/b"}]
)
def test_a_broken_trace_header_breaks_nothing(headers: dict[str, str]) -> None:
    assert "logging.googleapis.com/spanId" not in logs.fields(headers)


def test_an_answer_needs_no_more_than_what_every_start_imports(started: Callable[[str, str], str]) -> None:
    program = """
import flask
from werkzeug.test import EnvironBuilder
from faasbridge_gcp.entry import handler
print(handler(flask.Request(EnvironBuilder(path="/").get_environ())).get_data(as_text=True))
"""
    assert started("faasbridge_gcp", program) == "here\n"
