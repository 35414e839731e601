"""An event handed over past inbox and api: the handler's value comes back, and an api's function asks for the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from faasbridge import App, Message, NotFound
from faasbridge.adapter.invoking import value_of
from faasbridge.adapter.own_events import encode_event
from faasbridge.errors import FaaSBridgeError
from faasbridge.http import Request
from faasbridge_gcp import entry
from faasbridge_gcp.drivers import secret
from faasbridge_gcp.invoking import HEADER, KEY_VARIABLE, signature

app = App("shop")


@app.get("/who")
def who(request: Any) -> Any:
    return {"claims": request.claims}


@app.queue("jobs").on_message
def work(message: Message) -> Any:
    if message.body == b"fail":
        raise ValueError("no luck")
    return {"got": message.body}


@pytest.fixture
def invoke(flask_request: Any) -> Callable[..., Any]:
    def send(function: str, event: Any, key: str = "") -> tuple[int, bytes]:
        body = json.dumps(encode_event(event)).encode()
        request = flask_request("/who", body=body, headers=[(HEADER, signature(key, body) if key else "x")])
        answer = entry.handler_for(app, function)(request)
        return answer.status_code, answer.get_data()

    return send


def test_an_invoked_function_answers_with_its_value(invoke: Any) -> None:
    event = Message(b"x")
    assert value_of("work", event, *invoke("work", event)) == {"got": b"x"}
    with pytest.raises(FaaSBridgeError, match="work: ValueError: no luck"):
        value_of("work", event, *invoke("work", Message(b"fail")))


def test_an_api_takes_claims_from_who_has_the_key_alone(invoke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    event = Request("GET", "/who", claims={"sub": "ada"})
    assert invoke("http", event)[0] == 403
    monkeypatch.setenv(KEY_VARIABLE, "projects/p/secrets/invoke")
    monkeypatch.setattr(secret, "value_of", lambda clients, address, what: "k1" if address.endswith("/invoke") else "")
    assert invoke("http", event)[0] == 403
    assert invoke("http", event, "k2")[0] == 403
    response = value_of("http", event, *invoke("http", event, "k1"))
    assert (response.status, json.loads(response.body)) == (200, {"claims": {"sub": "ada"}})


def test_nobody_has_the_key_where_there_is_none(invoke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> str:
        raise NotFound("it has no value")

    monkeypatch.setenv(KEY_VARIABLE, "projects/p/secrets/invoke")
    monkeypatch.setattr(secret, "value_of", missing)
    assert invoke("http", Request("GET", "/who"), "guess")[0] == 403
    monkeypatch.setattr(secret, "value_of", lambda *_: "")
    assert invoke("http", Request("GET", "/who"), "guess")[0] == 403


def test_what_does_not_fit_is_said(invoke: Any) -> None:
    with pytest.raises(FaaSBridgeError, match="is no api"):
        value_of("work", Message(b""), *invoke("work", Request("GET", "/")))
    with pytest.raises(FaaSBridgeError, match="it answered 502: bad gateway"):
        value_of("work", Message(b""), 502, b"bad gateway")
