"""What Azure's host learns: handled, to be sent again, or in the dead letters; and what the worker starts with."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import faasbridge
from faasbridge import App, BlobEvent, Change, ConfigError, InvalidEvent, Message, Reject, Tick
from faasbridge_azure import entry

CASES = "eventgrid_validation_handshake"

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


admin = app.api("admin", prefix="/admin")


@admin.get("/ping")
def ping(request: Any) -> str:
    return "pong"


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


class DeadLetters:
    def __init__(self, *, broken: bool = False) -> None:
        self.found: list[tuple[Any, str]] = []
        self.broken = broken

    def __call__(self, native: Any, reason: str) -> None:
        if self.broken:
            raise OSError("no connection")
        self.found.append((native, reason))


def deliver(function: str, native: Any, dead_letter: Any = None) -> str:
    """The class of what was raised."""
    try:
        entry.handler_for(app, function, dead_letter=dead_letter)(native)
    except Exception as error:
        logging.getLogger(__name__).debug("raised", exc_info=True)
        return type(error).__name__
    return ""


@pytest.mark.parametrize(
    ("function", "body", "attempt", "raised", "buried"),
    [
        ("work", b"ok", 3, "", 0),
        ("work", b"fail", 1, "ValueError", 0),
        ("work", b"fail", 4, "ValueError", 0),
        ("work", b"fail", 5, "", 1),
        ("work", b"reject", 1, "", 1),
        ("try_twice", b"ok", 2, "", 0),
        ("try_twice", b"fail", 1, "ValueError", 0),
        ("try_twice", b"fail", 2, "", 1),
        ("try_twice", b"fail", 3, "", 1),
        ("batched", b"ok", 1, "", 0),
        ("batched", b"fail", 1, "RuntimeError", 0),
        ("batched", b"fail", 5, "", 1),
        ("batched", b"reject", 1, "", 1),
    ],
)
def test_a_message_comes_again_exactly_while_attempts_remain(
    function: str, body: bytes, attempt: int, raised: str, buried: int, queued: Any
) -> None:
    letters = DeadLetters()
    native = queued(body, attempt)
    assert deliver(function, native, letters) == raised
    assert [(event.body, tries) for event, tries in seen] == [(body, attempt)]
    assert [each for each, _ in letters.found] == [native] * buried


@pytest.mark.parametrize(("body", "attempt", "raised"), [(b"reject", 1, "Reject"), (b"fail", 5, "ValueError")])
@pytest.mark.parametrize("letters", [None, DeadLetters(broken=True)])
def test_without_dead_letters_the_host_s_poison_queue_is_left(
    body: bytes, attempt: int, raised: str, letters: Any, queued: Any
) -> None:
    assert deliver("work", queued(body, attempt), letters) == raised


def bus_message(body: bytes, count: int = 1) -> Any:
    given = {"delivery_count": count, "message_id": body.decode(), "lock_token": "t", "metadata": None}
    more = {"enqueued_time_utc": None, "user_properties": {}, "label": None, "sequence_number": 1}
    return SimpleNamespace(get_body=lambda: body, **given, **more)


def test_each_message_of_a_batch_has_its_own_outcome() -> None:
    letters = DeadLetters()
    natives = [bus_message(b"fail"), bus_message(b"reject"), bus_message(b"ok", 2), bus_message(b"fail", 5)]
    assert deliver("work", natives, letters) == "ValueError"
    assert [(event.body, tries) for event, tries in seen] == [(b"fail", 1), (b"reject", 1), (b"ok", 2), (b"fail", 5)]
    assert [native for native, _ in letters.found] == [natives[1], natives[3]]
    assert [reason for _, reason in letters.found] == ["never", "no"]
    seen.clear()
    assert deliver("batched", natives[1:3], letters) == ""
    assert len(seen) == 2


def test_a_handler_of_messages_gets_events_as_they_were_sent(queued: Any) -> None:
    native = {"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "subject": "x"}
    assert deliver("work", queued(native)) == ""
    ((event, _),) = seen
    assert event.json() == native


def created(key: str, id: str = "e1") -> dict[str, Any]:
    subject = f"/blobServices/default/containers/shopdevuploads/blobs/{key}"
    return {"id": id, "eventType": "Microsoft.Storage.BlobCreated", "subject": subject, "data": {}}


def test_a_function_sees_its_own_blobs_only(queued: Any) -> None:
    many = [created("in/a.jpg"), created("in/a.png"), created("out/a.jpg")]
    many.append({**created("in/b.jpg"), "eventType": "Microsoft.Storage.BlobDeleted"})
    assert deliver("thumbnail", queued(many)) == ""
    assert [(event.bucket, event.key) for event, _ in seen] == [("uploads", "in/a.jpg")]


def test_a_change_is_told_in_the_app_s_names(queued: Any) -> None:
    document = {"id": "c", "faasbridge": "change", "table": "t", "key": "?", "kind": "insert", "new": {"photo_id": "7"}}
    assert deliver("index", [document]) == ""
    ((event, _),) = seen
    assert (event.table, event.key) == ("photos", "7")


def test_a_timer_gets_the_function_s_name_and_zone() -> None:
    status = {"Next": "2026-05-04T01:00:00+00:00"}
    assert deliver("sweep", SimpleNamespace(past_due=False, schedule_status=status)) == ""
    ((tick, _),) = seen
    assert (tick.id, tick.source) == ("sweep@2026-05-04T01:00:00+00:00", "sweep")
    assert tick.scheduled_for.isoformat() == "2026-05-04T03:00:00+02:00"
    assert tick.late_s == pytest.approx((datetime.now(UTC) - tick.time).total_seconds(), abs=5)


def test_an_event_for_another_handler_is_refused(queued: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidEvent, match="'sweep' takes Tick, but was sent BlobEvent 'e1'"):
        entry.handler_for(app, "sweep")(queued(created("a")))
    assert "sweep cannot take this delivery" in caplog.text
    assert seen == []


def test_the_handshake_is_answered(case_name: str, case: Any, azure: Any) -> None:
    asked, expected = case["request"], case["expect"]
    native = azure.HttpRequest(
        asked["method"], "https://x/hook", headers=dict(asked["headers"]), body=asked["body_utf8"].encode()
    )
    answer = entry.handler_for(app, "thumbnail")(native)
    assert (answer.status_code, json.loads(answer.get_body())) == (expected["status"], expected["json"])
    assert answer.headers["content-type"] == "application/json"
    assert seen == []


def test_the_handshake_of_cloudevents_is_answered(http_request: Any) -> None:
    headers = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
    answer = entry.handler_for(app, "thumbnail")(http_request(method="OPTIONS", headers=headers))
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
    assert answer.headers["webhook-allowed-rate"] == "120"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'[{"data": {}}]', b'{"data": {"validationCode": "x"}, "eventType": "y"}']
)
def test_a_handshake_that_is_none_is_refused(body: bytes, http_request: Any) -> None:
    headers = {"aeg-event-type": "SubscriptionValidation"}
    answer = entry.handler_for(app, "thumbnail")(http_request(method="POST", headers=headers, body=body))
    assert answer.status_code == 400
    assert "validation" in json.loads(answer.get_body())["error"]


@pytest.mark.parametrize(
    ("function", "native", "status"),
    [
        ("thumbnail", [created("in/a.jpg")], 200),
        ("thumbnail", {"nothing": "known"}, 400),
        ("work", [{"id": "1", "eventType": "x", "data": "ok"}], 200),
        ("work", [{"id": "1", "eventType": "x", "data": "fail"}], 500),
    ],
)
def test_a_webhook_is_told_the_outcome(function: str, native: Any, status: int, http_request: Any) -> None:
    request = http_request(method="POST", body=json.dumps(native).encode())
    assert entry.handler_for(app, function)(request).status_code == status


def test_a_webhook_s_attempts_are_counted(http_request: Any) -> None:
    letters = DeadLetters()
    body = json.dumps([{"id": "1", "eventType": "x", "data": "fail"}]).encode()
    handler = entry.handler_for(app, "try_twice", dead_letter=letters)
    statuses = [
        handler(http_request(method="POST", headers={"aeg-delivery-count": count}, body=body)).status_code
        for count in ("0", "1", "what")
    ]
    assert statuses == [500, 200, 500]
    assert [tries for _, tries in seen] == [1, 2, 1]
    assert len(letters.found) == 1


def test_an_api_answers_with_the_worker_s_id(http_request: Any) -> None:
    handler = entry.handler_for(app, "http")
    answer = handler(http_request("https://x/hello/ann"), SimpleNamespace(invocation_id="inv-1"))
    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"hello": "ann", "id": "inv-1"})
    assert handler(http_request("https://x/fault")).status_code == 500
    assert handler(http_request("https://x/none")).status_code == 404


def test_a_body_that_the_host_left_out_is_not_taken_for_an_empty_one(http_request: Any) -> None:
    handler = entry.handler_for(app, "http")
    headers = {"transfer-encoding": "Chunked"}
    answer = handler(http_request("https://x/hello/ann", headers=headers))
    assert (answer.status_code, "Content-Length" in json.loads(answer.get_body())["error"]) == (411, True)
    assert handler(http_request("https://x/hello/ann", headers=headers, body=b"x")).status_code == 200


def test_drivers_are_made_at_the_start_for_what_is_used(queued: Any) -> None:
    made = []

    def driver_of(resource: Any) -> Any:
        made.append(resource.name)
        return SimpleNamespace(get=lambda: "s3cret")

    handler = entry.handler_for(app, "tell", driver_of=driver_of)
    assert made == ["key"]
    handler(queued(b"x"))
    assert seen == [("s3cret", 1)]


def test_a_function_app_has_one_function_each(azure: Any) -> None:
    built = entry.function_app(app, driver_of=lambda resource: None)
    found = {function.get_function_name(): function for function in built.get_functions()}
    assert set(found) == {*app.apis, *app.functions}
    bindings = {name: json.loads(function.get_function_json())["bindings"] for name, function in found.items()}
    trigger = bindings["http"][0]
    assert (trigger["type"], trigger["route"], trigger["authLevel"]) == ("httpTrigger", "{*path}", "ANONYMOUS")
    assert sorted(trigger["methods"]) == ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    assert bindings["admin"][0]["route"] == "admin/{*path}"
    assert bindings["try_twice"] == [
        {
            "direction": "IN",
            "dataType": "BINARY",
            "type": "queueTrigger",
            "name": "native",
            "queueName": "%FAASBRIDGE_INBOX_TRY_TWICE%",
            "connection": "AzureWebJobsStorage",
        }
    ]


def test_a_function_app_may_have_some_functions_only(azure: Any, queued: Any) -> None:
    (function,) = entry.function_app(app, ["work"]).get_functions()
    run = function.get_user_function()
    run(native=queued(b"ok"), context=SimpleNamespace(invocation_id="inv-1"))
    assert len(seen) == 1
    with pytest.raises(ValueError, match="no"):
        run(native=queued(b"fail"), context=SimpleNamespace(invocation_id="inv-2"))


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes an artifact's app and manifest and makes its folder the working one."""

    def write(source: str, *names: str) -> Path:
        module = f"azure_app_{abs(hash((str(tmp_path), source)))}"
        (tmp_path / f"{module}.py").write_text(source)
        functions = [{"name": name, "modules": [module]} for name in names]
        manifest = {"app": f"{module}:app", "manifest": {"functions": functions}, "middleware": []}
        (tmp_path / "faasbridge.json").write_text(json.dumps(manifest))
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return write


GOOD = """
import faasbridge
app = faasbridge.App("deployed")
@app.queue("jobs").on_message
def work(message): pass
@app.queue("more").on_message
def more(message): pass
"""


@pytest.mark.parametrize("wanted", ["work", "work, more"])
def test_function_app_py_is_the_source(wanted: str, artifact: Any, azure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact(GOOD, "work", "more")
    monkeypatch.setenv("FAASBRIDGE_FUNCTION", wanted)
    module: dict[str, Any] = {}
    exec(compile(entry.SOURCE, "function_app.py", "exec"), module)
    assert isinstance(module["app"], azure.FunctionApp)
    names = [one.get_function_name() for one in module["app"].get_functions()]
    assert names == [*wanted.split(", "), "faasbridge__invoke"]


@pytest.mark.parametrize(
    ("source", "wanted", "message"),
    [
        ("import no_such_module", "work", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "work", "the app of work cannot be loaded: ZeroDivisionError"),
        (GOOD, "other", "the artifact has no function 'other'"),
        (GOOD, "work,other", "no function 'other'"),
        (GOOD, "", "FAASBRIDGE_FUNCTION is not set"),
    ],
)
def test_an_app_that_cannot_be_loaded_is_loud(
    source: str,
    wanted: str,
    message: str,
    artifact: Any,
    azure: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    artifact(source, "work")
    monkeypatch.setenv("FAASBRIDGE_FUNCTION", wanted)
    with pytest.raises(ConfigError, match=message):
        exec(compile(entry.SOURCE, "function_app.py", "exec"), {})
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert message.rpartition("loaded: ")[2] in record.getMessage()


def test_without_drivers_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faasbridge_azure.bind", None)
    with pytest.raises(ConfigError, match="no driver for secret 'key': faasbridge_azure is installed without"):
        entry.handler_for(app, "tell")


def test_an_answer_needs_no_more_than_what_every_start_imports(started: Callable[[str, str], str]) -> None:
    program = """
import azure.functions
from faasbridge_azure.entry import app
run = next(each for each in app.get_functions() if each.get_function_name() == "http").get_user_function()
print(run(azure.functions.HttpRequest("GET", "http://127.0.0.1/", body=b""), None).get_body().decode())
"""
    assert started("faasbridge_azure", program) == "here\n"
