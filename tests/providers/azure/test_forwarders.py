"""Changes of tables and due schedules get into inboxes on Azure, and nothing is passed over."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from faasbridge import App, Change, Message, Request, Tick
from faasbridge.adapter.own_events import decode_response, encode_event
from faasbridge.codec import decode
from faasbridge.drivers import Binding
from faasbridge.errors import ConfigError, NotFound
from faasbridge_azure import entry, events, forwarders, invoking
from faasbridge_azure.drivers import clients
from faasbridge_azure.drivers.table import TableDriver

if TYPE_CHECKING:
    from emulated_services import Services

app = App("shop")
photos = app.table("photos", key="id")
jobs = app.queue("jobs")
seen: list[Any] = []


@photos.on_change
def index_photos(change: Change) -> None:
    seen.append(change)


@app.schedule("30 3 * * *", timezone="Europe/Berlin")
def sweep(tick: Tick) -> None:
    seen.append(tick)


@jobs.on_message
def work(message: Message) -> Any:
    if message.body == b"fail":
        raise ValueError("no luck")
    return {"got": message.body, "at": datetime(2026, 1, 1, tzinfo=UTC)}


@jobs.dead_letters.on_batch
def mourn(batch: Any) -> None:
    seen.extend(batch)


@app.get("/who")
def who(request: Request) -> Any:
    return {"claims": request.claims}


@pytest.fixture(autouse=True)
def _deployed(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_default", services.clients)
    seen.clear()


def built(*names: str) -> dict[str, Any]:
    """Functions of a deployed function app by their names."""
    made = entry.function_app(app, names, driver_of=lambda resource: None, deployed=True)
    return {function.get_function_name(): function for function in made.get_functions()}


def trigger(function: Any) -> dict[str, Any]:
    return next(each for each in function.get_dict_repr()["bindings"] if each["direction"] != "OUT")  # type: ignore[no-any-return]


# Changes


@pytest.fixture
def table(services: Services) -> tuple[TableDriver, Callable[[], list[dict[str, Any]]]]:
    address = services.table(changes=True)
    binding = Binding("azure", "shop", "test", "table", "photos", {"key": "id", "clients": services.clients}, address)
    return TableDriver(binding), lambda: services.documents(address)


def test_changes_get_into_the_inbox_and_rows_do_not(
    azure: Any, services: Services, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, feed = table
    inbox = services.queue()
    monkeypatch.setenv("FAASBRIDGE_INBOX_URL_INDEX_PHOTOS", inbox)
    driver.put({"id": "1", "text": "ü" * 30_000, "b": b"\x00"}, False, None, None)
    driver.put({"id": "1", "n": 1}, False, None, None)
    driver.delete("1", None, None)
    documents = azure.DocumentList([azure.Document.from_dict(document) for document in feed()])
    forward = built("index_photos")["index_photos__feed"]
    forward.get_user_function()(documents)
    run = entry.handler_for(app, "index_photos")
    for native in services.received(inbox):
        run(native)
    found = {change.kind: change for change in seen}
    assert {kind: (change.old, change.new) for kind, change in found.items()} == {
        "insert": (None, {"id": "1", "text": "ü" * 30_000, "b": b"\x00"}),
        "update": ({"id": "1", "text": "ü" * 30_000, "b": b"\x00"}, {"id": "1", "n": 1}),
        "delete": ({"id": "1", "n": 1}, None),
    }
    assert {change.id for change in seen} == {change.id for change in events.decode(feed())}


def test_a_batch_that_is_not_queued_whole_is_not_passed_over(
    services: Services, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, feed = table
    driver.put({"id": "1"}, False, None, None)
    send = forwarders.inbox("index_photos")
    with pytest.raises(ConfigError, match="FAASBRIDGE_INBOX_URL_INDEX_PHOTOS is not set"):
        send(forwarders.changes(feed()))
    monkeypatch.setenv("FAASBRIDGE_INBOX_URL_INDEX_PHOTOS", f"{services.storage.queue}/nowhere")
    with pytest.raises(NotFound, match="the inbox of 'index_photos'"):
        send(forwarders.changes(feed()))


def test_the_host_repeats_a_batch_without_an_end_and_begins_at_the_beginning(azure: Any) -> None:
    feed = built("index_photos")["index_photos__feed"]
    wanted = {
        "type": "cosmosDBTrigger",
        "connection": "FAASBRIDGE_FEED",
        "databaseName": "%FAASBRIDGE_FEED_DATABASE%",
        "containerName": "%FAASBRIDGE_FEED_CONTAINER_INDEX_PHOTOS%",
        "leaseContainerName": "%FAASBRIDGE_FEED_LEASES%",
        "leaseContainerPrefix": "index_photos-",
        "createLeaseContainerIfNotExists": False,
        "startFromBeginning": True,
    }
    assert {name: value for name, value in trigger(feed).items() if name in wanted} == wanted
    assert feed.get_settings_dict("retry_policy") == {
        "setting_name": "retry_policy",
        "strategy": "fixed_delay",
        "max_retry_count": "-1",
        "delay_interval": "00:00:05",
    }


# Schedules

DUE = datetime(2026, 7, 1, 1, 30, tzinfo=UTC)  # 3:30 in Berlin


def ticks(status: Any, now: datetime) -> list[str]:
    found = forwarders.tick("sweep", "30 3 * * *", "Europe/Berlin", status, now)
    return [json.loads(message)["scheduled_for"] for message in found]


@pytest.mark.parametrize(
    ("last", "due", "now", "fires"),
    [
        (DUE - timedelta(hours=1), DUE, DUE + timedelta(seconds=2), True),
        (DUE - timedelta(hours=1), DUE, DUE - timedelta(milliseconds=20), True),  # the host is early
        (DUE, DUE + timedelta(hours=1), DUE + timedelta(hours=1), False),  # the other offset's time
        (DUE - timedelta(days=5), DUE - timedelta(days=4), DUE + timedelta(hours=9), True),  # the last of five
        (DUE, DUE + timedelta(hours=1), DUE + timedelta(hours=20), False),
        (None, DUE, DUE + timedelta(seconds=1), True),
        (None, None, DUE + timedelta(seconds=1), True),
        (datetime(1, 1, 1, tzinfo=UTC), DUE, DUE + timedelta(seconds=1), True),
        (None, None, DUE + timedelta(minutes=3), False),
    ],
)
def test_a_timer_brings_the_last_time_that_was_due(
    last: datetime | None, due: datetime | None, now: datetime, fires: bool
) -> None:
    status = {"Last": last.isoformat() if last else None, "Next": due.isoformat() if due else None}
    assert ticks(status, now) == ([DUE.isoformat()] if fires else [])


def test_without_a_status_the_running_minute_counts() -> None:
    assert ticks(None, DUE + timedelta(seconds=40)) == [DUE.isoformat()]
    assert ticks({}, DUE + timedelta(minutes=1)) == []


def test_a_tick_gets_into_the_inbox_with_the_same_id_each_time(
    azure: Any, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = services.queue()
    monkeypatch.setenv("FAASBRIDGE_INBOX_URL_SWEEP", inbox)
    now = datetime.now(UTC)
    status = {"Last": (now - timedelta(days=1)).isoformat(), "Next": now.isoformat()}
    timer = built("sweep")["sweep__timer"]
    for _ in range(2):
        timer.get_user_function()(SimpleNamespace(schedule_status=status, past_due=False))
    run = entry.handler_for(app, "sweep")
    for native in services.received(inbox):
        run(native)
    first, second = seen
    assert first.id == second.id
    assert first.source == "sweep"
    assert first.scheduled_for.tzname() in ("CET", "CEST")
    assert first.scheduled_for.time().isoformat() == "03:30:00"


def test_the_timer_s_times_are_a_setting(azure: Any) -> None:
    found = trigger(built("sweep")["sweep__timer"])
    assert (found["type"], found["schedule"], found["useMonitor"]) == ("timerTrigger", "%FAASBRIDGE_TIMER_SWEEP%", True)


# Invoking


def invoke(name: str, event: Any) -> tuple[int, Any]:
    runners = {
        each: entry.runner_for(app, each, "faasbridge_azure", lambda resource: None)
        for each in ("work", "http", "mourn")
    }
    return invoking.answered(runners, name, json.dumps(encode_event(event)).encode())


def test_an_invoked_function_answers_with_its_value() -> None:
    status, answer = invoke("work", Message(b"x"))
    assert (status, decode(answer["value"])) == (200, {"got": b"x", "at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert invoke("work", Message(b"fail")) == (500, {"error": "ValueError: no luck"})
    assert invoke("mourn", Message(b"x")) == (200, {"value": None})
    assert len(seen) == 1


def test_an_invoked_api_takes_the_claims_that_it_is_given() -> None:
    status, answer = invoke("http", Request("GET", "/who", claims={"sub": "ada"}))
    response = decode_response(answer)
    assert (status, response.status, json.loads(response.body)) == (200, 200, {"claims": {"sub": "ada"}})


@pytest.mark.parametrize(
    ("name", "event", "said"),
    [
        ("nobody", Message(b""), "has no function 'nobody'"),
        ("http", Message(b""), "takes a Request"),
        ("work", Request("GET", "/"), "is no api"),
    ],
)
def test_what_does_not_fit_is_said(name: str, event: Any, said: str) -> None:
    status, answer = invoke(name, event)
    assert status in (404, 500)
    assert said in answer["error"]


def test_only_who_has_the_master_key_can_invoke(azure: Any, http_request: Any) -> None:
    found = trigger(built("http")["faasbridge__invoke"])
    assert (found["authLevel"], found["route"]) == (azure.AuthLevel.ADMIN, "_faasbridge/invoke/{function}")
    forged = json.dumps(encode_event(Request("GET", "/who", claims={"sub": "ada"}))).encode()
    anonymous = entry.handler_for(app, "http")
    answer = anonymous(http_request("https://x/who", method="GET", body=forged))
    assert json.loads(answer.get_body()) == {"claims": {}}


def test_no_app_has_a_route_where_functions_are_invoked() -> None:
    taken = App("shop")
    taken.post(f"/{invoking.ROUTE}")(lambda request, function: None)
    with pytest.raises(ConfigError, match="are FaaSBridge's own"):
        taken.spec()
