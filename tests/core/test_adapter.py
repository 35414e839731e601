"""What vendors' adapters share: events in the app's names, payloads of our own, and the seam of the dead letters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faasbridge import (
    App,
    BlobEvent,
    Change,
    ConfigError,
    InvalidEvent,
    Message,
    Reject,
    Request,
    Tick,
    codec,
    event_json,
)
from faasbridge.adapter.delivery import BaseDelivery
from faasbridge.adapter.entry import runner_for
from faasbridge.adapter.fitting import fit
from faasbridge.adapter.own_events import (
    OwnEvents,
    decode_response,
    encode_event,
    encode_response,
    is_own,
    is_request,
)
from faasbridge.adapter.times import iso_time

DUE = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
app = App("shop")
few = app.queue("few", max_attempts=2)
uploads = app.bucket("uploads")
own = OwnEvents("acme", "acme.timer")


@uploads.on_create(prefix="in/", suffix=".jpg")
def thumbnail(event: BlobEvent) -> None: ...


@app.table("photos", key="photo_id").on_change
def index(change: Change[Any]) -> None: ...


@app.schedule("0 3 * * *", timezone="Europe/Berlin")
def sweep(tick: Tick) -> None: ...


@few.on_message
def twice(message: Message) -> None: ...


@app.queue("jobs").on_message(max_attempts=7)
def work(message: Message) -> None: ...


@app.queue("read").on_message(uses=[uploads.get])
def reader(message: Message) -> None: ...


def test_bucket_and_table_have_the_names_that_the_app_gave_them() -> None:
    blob = BlobEvent("shop-dev-uploads", "in/a.jpg", source="x")
    assert fit(app.functions["thumbnail"], blob) is blob
    assert (blob.bucket, blob.source) == ("uploads", "x")
    change = Change("shop-dev-photos", "rank", "delete", old={"photo_id": "a", "rank": "rank"})
    assert fit(app.functions["index"], change) is change
    assert (change.table, change.key) == ("photos", "a")


@pytest.mark.parametrize(("key", "kind"), [("out/a.jpg", "create"), ("in/a.png", "create"), ("in/a.jpg", "delete")])
def test_what_the_function_did_not_ask_for_is_none(key: str, kind: Any) -> None:
    assert fit(app.functions["thumbnail"], BlobEvent("b", key, kind=kind)) is None


def test_another_sort_of_event_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="'thumbnail' takes BlobEvent, but was sent Message '7' from 'q'"):
        fit(app.functions["thumbnail"], Message("x", id="7", source="q"))


def test_tick_is_in_the_zone_that_was_declared_and_has_the_function_s_name() -> None:
    tick = own.tick("", DUE, None)
    assert fit(app.functions["sweep"], tick) is tick
    assert tick.scheduled_for.isoformat() == "2026-03-29T03:00:00+02:00"
    assert (tick.source, tick.id, tick.type) == ("sweep", "sweep@2026-03-29T01:00:00+00:00", "acme.timer")
    named = own.tick("nightly", DUE, None)
    fit(app.functions["sweep"], named)
    assert (named.source, named.id) == ("nightly", "nightly@2026-03-29T01:00:00+00:00")


def test_tick_knows_how_late_it_is() -> None:
    late, early = (own.tick("sweep", datetime.now(UTC) + timedelta(hours=hours), None) for hours in (-1, 1))
    fit(app.functions["sweep"], late)
    fit(app.functions["sweep"], early)
    assert late.late_s >= 3600
    assert early.late_s == 0


def test_tick_without_its_time_is_of_the_minute_it_was_sent_in() -> None:
    native = {"faasbridge": "tick", "schedule": "sweep", "scheduled_for": "<not filled in>"}
    tick = own.decode(native, DUE + timedelta(seconds=59, microseconds=1))
    assert (tick.id, tick.time, tick.native) == ("sweep@2026-03-29T01:00:00+00:00", DUE, native)
    with pytest.raises(InvalidEvent, match=r"'sweep' does not say when it was due \('<not filled in>'\)"):
        own.decode(native)
    with pytest.raises(ConfigError, match="add tzdata"):
        own.decode({**native, "timezone": "Mars/Olympus"}, DUE)


def test_forwarded_event_is_the_one_that_was_sent() -> None:
    native = {"faasbridge": "event", "event": codec.dumps(event_json.to_dict(Message("x", id="7", source="q")))}
    event = own.decode(native)
    assert (type(event), event.id, event.source, event.provider) == (Message, "7", "q", "acme")


def test_answer_of_an_api_is_the_one_that_was_sent() -> None:
    headers = [("content-type", "x/y"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
    response = decode_response(encode_response((201, headers, b"\x00\xff")))
    status, found, body = response.finish()
    assert (status, sorted(found), body) == (201, headers, b"\x00\xff")


@pytest.mark.parametrize("payload", [None, {}, {"faasbridge": "event"}, {"faasbridge": "response", "headers": []}])
def test_what_is_no_answer_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidEvent, match="response"):
        decode_response(payload)


def test_only_a_bare_event_is_a_request_of_ours() -> None:
    ours = encode_event(Request())
    assert is_request(ours)
    for other in (None, [ours], {**ours, "body": ""}, {"body": ours}, {"faasbridge": "tick", "event": ""}):
        assert not is_request(other)


def test_a_delivery_is_settled_after_its_last_attempt_or_a_rejection() -> None:
    kept: list[str] = []
    letters = BaseDelivery(
        runner_for(app, "twice", "faasbridge_acme"), lambda native, reason: kept.append(f"{native} {reason}")
    )
    assert not letters.settled("a", ValueError("no"), 1)
    assert letters.settled("b", Reject("never"), 1)
    assert letters.settled("c", ValueError("no"), 2)
    assert kept == ["b never", "c no"]
    assert not BaseDelivery(runner_for(app, "twice", "faasbridge_acme"), None).settled("d", Reject(), 9)


@pytest.mark.parametrize(
    "native",
    [{"faasbridge": "tick"}, {"faasbridge": "event"}, {"faasbridge": "event", "event": "{"}],
)
def test_broken_payload_says_so(native: dict[str, Any]) -> None:
    assert is_own(native)
    with pytest.raises(InvalidEvent, match=f"the {native['faasbridge']} was not written by FaaSBridge"):
        own.decode(native)


@pytest.mark.parametrize("native", [None, [], "tick", {}, {"faasbridge": True}, {"faasbridge": []}])
def test_anything_else_is_not_ours(native: Any) -> None:
    assert not is_own(native)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2023-04-12T20:43:38.0211103Z", "2023-04-12T20:43:38.021110+00:00"),
        ("2023-04-12T20:43:38", "2023-04-12T20:43:38+00:00"),
        ("2023-04-12T20:43:38+02:00", "2023-04-12T20:43:38+02:00"),
        (datetime(2023, 4, 12), "2023-04-12T00:00:00+00:00"),
    ],
)
def test_times_are_aware(text: object, iso: str) -> None:
    moment = iso_time(text)
    assert moment is not None
    assert moment.isoformat() == iso


@pytest.mark.parametrize("text", [None, "", "yesterday", 0])
def test_a_time_that_is_none_is_not_worth_an_event(text: object) -> None:
    assert iso_time(text) is None


@pytest.mark.parametrize(("function", "attempts"), [("twice", 2), ("work", 7), ("thumbnail", 5)])
def test_attempts_are_the_function_s_or_its_queue_s(function: str, attempts: int) -> None:
    assert BaseDelivery(runner_for(app, function, "faasbridge_acme"), None).max_attempts == attempts


def test_dead_letters_that_take_nothing_keep_nothing(caplog: pytest.LogCaptureFixture) -> None:
    runner = runner_for(app, "work", "faasbridge_acme")
    kept: list[tuple[Any, str]] = []

    def broken(native: Any, reason: str) -> None:
        raise OSError("no connection")

    assert not BaseDelivery(runner, None).buried("x", ValueError("no"))
    assert not BaseDelivery(runner, broken).buried("x", ValueError("no"))
    assert "work could not put a delivery into the dead letters" in caplog.text
    letters = BaseDelivery(runner, lambda native, reason: kept.append((native, reason)))
    assert letters.buried("x", ValueError("no"))
    assert letters.buried("y", ValueError())
    assert kept == [("x", "no"), ("y", "ValueError")]


def test_drivers_are_those_that_the_provider_s_package_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAASBRIDGE_STAGE", "prod")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("bare", "broken", "whole"):
        (tmp_path / f"faasbridge_{name}").mkdir()
        (tmp_path / f"faasbridge_{name}/__init__.py").touch()
    (tmp_path / "faasbridge_broken/bind.py").write_text("import no_such_sdk\n")
    (tmp_path / "faasbridge_whole/bind.py").write_text("def driver_of(resource): return f'driver of {resource.name}'\n")

    def driver(package: str) -> Any:
        runner = runner_for(app, "reader", package)
        assert (f"faasbridge_{runner.provider}", runner.stage) == (package, "prod")
        return runner.driver_for(uploads, "get")

    assert driver("faasbridge_whole") == "driver of uploads"
    with pytest.raises(ConfigError, match="no driver for bucket 'uploads': faasbridge_bare is installed without"):
        driver("faasbridge_bare")
    with pytest.raises(ModuleNotFoundError, match="no_such_sdk"):
        driver("faasbridge_broken")
