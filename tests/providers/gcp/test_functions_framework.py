"""Functions of an artifact under Google's own functions-framework, on the Python that runs these tests."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from faasbridge_gcp.entry import MAIN

sys.path.insert(0, str(Path(__file__).parent))
from framework import PATH, Server, served

if importlib.util.find_spec("functions_framework") is None:
    pytest.skip("functions-framework is not installed: install the dependency group test-gcp", allow_module_level=True)

APP = """
from faasbridge import App

app = App("shop")
app.include("shop.web", "shop.jobs", "shop.broken", "shop.mistaken")
"""
WEB = """
import asyncio
import logging

import faasbridge
from faasbridge import Response
from shop.app import app


@app.get("/hello/{name}")
async def hello(request, name):
    await asyncio.sleep(0)
    logging.getLogger("shop").warning("hello %s", name)
    return {"hello": name, "id": faasbridge.invocation().id, "cookies": dict(request.cookies)}


@app.post("/echo/{rest:path}")
def echo(request, rest):
    many = request.headers.get("x-many", "")
    headers = {"content-type": "image/png", "x-rest": rest.encode().hex(), "x-ip": request.client_ip, "x-many": many}
    return Response(request.body, headers=headers, cookies={"a": "1; Path=/", "b": "2; Path=/"})


@app.get("/fault")
def fault(request):
    raise ValueError("a fault")
"""
JOBS = """
import logging

import faasbridge
from shop.app import app

log = logging.getLogger("shop")


@app.queue("jobs").on_message
async def work(message):
    log.info("%s %s %s %s", message.body.decode(), message.subject, message.attempt, faasbridge.invocation().attempt)
    if message.body == b"fail":
        raise ValueError("this one fails")
"""
BROKEN = "raise RuntimeError('a module of another function was loaded')"
MISTAKEN = "import json\njson.encode\n"
FUNCTIONS = [
    {"name": "http", "modules": ["shop.web"]},
    {"name": "work", "modules": ["shop.jobs"]},
    {"name": "other", "modules": ["shop.broken"]},
    {"name": "mistaken", "modules": ["shop.mistaken"]},
]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    (folder / "shop").mkdir()
    sources = {"app": APP, "web": WEB, "jobs": JOBS, "broken": BROKEN, "mistaken": MISTAKEN}
    for name, source in sources.items():
        (folder / "shop" / f"{name}.py").write_text(source)
    (folder / "main.py").write_text(MAIN)
    manifest = {"app": "shop.app:app", "middleware": [], "manifest": {"functions": FUNCTIONS}}
    (folder / "faasbridge.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def api(artifact: Path) -> Iterator[Server]:
    yield from served(artifact, "http", "http")


@pytest.fixture(scope="module")
def work(artifact: Path) -> Iterator[Server]:
    yield from served(artifact, "work", "http")


@pytest.fixture(scope="module")
def direct(artifact: Path) -> Iterator[Server]:
    yield from served(artifact, "work", "cloudevent")


def test_an_async_handler_answers_under_wsgi(api: Server) -> None:
    headers = {"Function-Execution-Id": "exe-1", "Cookie": "a=1; b=2"}
    status, _, body = api.request("GET", "/hello/ad%C3%A4", headers=headers)
    assert (status, json.loads(body)) == (200, {"hello": "adä", "id": "exe-1", "cookies": {"a": "1", "b": "2"}})


def test_log_lines_belong_to_the_request(api: Server) -> None:
    trace = "65088630f09e0a5359677a7429456db7"
    headers = {"Function-Execution-Id": "exe-2", "traceparent": f"00-{trace}-97f23477fb2bf5ec-01"}
    api.request("GET", "/hello/logs", headers=headers)
    line = api.line("hello logs")
    assert line["severity"] == "WARNING"
    assert line["logging.googleapis.com/trace"] == f"projects/demo-p/traces/{trace}"
    assert line["logging.googleapis.com/labels"] == {"execution_id": "exe-2"}


@pytest.mark.parametrize("chunked", [False, True])
def test_bytes_headers_and_cookies_both_ways(chunked: bool, api: Server) -> None:
    body = bytes(range(256)) * 40
    headers = {"content-type": "application/octet-stream", "X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Many": "1, 2"}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    sent = [body[:5000], body[5000:]] if chunked else body
    status, answered, content = api.request("POST", "/echo/a%2Fb/%C3%BC?x=1", sent, headers, chunked=chunked)
    assert (status, content) == (200, body)
    assert ("content-type", "image/png") in answered
    assert ("x-ip", "203.0.113.9") in answered
    assert ("x-many", "1, 2") in answered
    assert ("x-rest", "a/b/ü".encode().hex()) in answered
    assert [value for name, value in answered if name == "set-cookie"] == ["a=1; Path=/", "b=2; Path=/"]


def test_a_head_has_the_length_and_no_body(api: Server) -> None:
    status, headers, body = api.request("HEAD", "/hello/ada", headers={"Function-Execution-Id": "x"})
    whole = api.request("GET", "/hello/ada", headers={"Function-Execution-Id": "x"})[2]
    assert (status, body, dict(headers)["content-length"]) == (200, b"", str(len(whole)))


def test_a_fault_is_a_500_with_the_id_that_is_in_the_log(api: Server) -> None:
    status, _, body = api.request("GET", "/fault", headers={"Function-Execution-Id": "exe-3"})
    assert (status, json.loads(body)["id"]) == (500, "exe-3")
    line = api.line("http failed: GET /fault (id exe-3)")
    assert line["severity"] == "ERROR"
    assert "ValueError: a fault" in line["message"]


def test_a_push_is_handled_with_its_attempt_and_ordering_key(work: Server) -> None:
    assert work.push(b"done", deliveryAttempt=3, message={"orderingKey": "ada"}) == 204
    assert work.line("done ada 3 3")["severity"] == "INFO"


def test_a_push_that_failed_comes_again(work: Server) -> None:
    assert work.push(b"fail", deliveryAttempt=1) == 500
    assert "this one fails" in work.line("work failed on event 77, attempt 1")["message"]


def test_a_push_without_data_is_handled(work: Server) -> None:
    assert work.push(b"", message={"attributes": {"a": "1"}}) == 204


def test_what_is_no_event_is_a_bad_request(work: Server) -> None:
    status, _, body = work.request("POST", "/", b'{"foo": "bar"}', {"content-type": "application/json"})
    assert status == 400
    assert "the keys foo" in json.loads(body)["error"]


@pytest.mark.parametrize(("body", "status"), [(b"direct", 200), (b"fail", 500)])
def test_the_cloudevent_signature(body: bytes, status: int, direct: Server) -> None:
    headers = {
        "content-type": "application/json",
        "ce-id": "1",
        "ce-specversion": "1.0",
        "ce-source": "//pubsub.googleapis.com/projects/p/topics/t",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
        "Function-Execution-Id": f"exe-{body.decode()}",
    }
    data = {"message": {"data": b64encode(body).decode(), "messageId": "1"}, "subscription": "s"}
    assert direct.request("POST", "/", json.dumps(data).encode(), headers)[0] == status
    line = direct.line(f"{body.decode()}  1 1")
    assert line["logging.googleapis.com/labels"] == {"execution_id": f"exe-{body.decode()}"}


def test_an_app_that_cannot_be_loaded_says_why(artifact: Path) -> None:
    """The framework imports `handler` from the module, which hides an AttributeError behind "cannot import name"."""
    settings = {"FAASBRIDGE_FUNCTION": "mistaken", "PYTHONPATH": os.pathsep.join(PATH)}
    command = [sys.executable, "main.py"]
    environment = {**os.environ, **settings}
    run = subprocess.run(command, cwd=artifact, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "the app of mistaken cannot be loaded: AttributeError: module 'json' has no attribute 'encode'" in run.stderr
