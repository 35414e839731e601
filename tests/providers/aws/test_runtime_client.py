"""Functions of an artifact under AWS's own runtime client, on the Python that runs these tests."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import faasbridge
import faasbridge_aws

sys.path.insert(0, str(Path(__file__).parent))
from runtime_api import Sandbox

if importlib.util.find_spec("awslambdaric") is None:
    pytest.skip("awslambdaric is not installed: install the dependency group test-aws", allow_module_level=True)

PATH = [str(Path(str(package.__file__)).parents[1]) for package in (faasbridge, faasbridge_aws)]

APP = """
from faasbridge import App

app = App("shop")
app.include("shop.web", "shop.jobs", "shop.broken", "shop.mistaken")
jobs = app.queue("jobs")
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
    faasbridge.invocation()
    logging.getLogger("shop").warning("hello %s", name)
    return {"hello": name, "id": faasbridge.invocation().id, "cold": faasbridge.invocation().cold}


@app.get("/picture")
def picture(request):
    return Response(b"\\x89PNG\\xff", headers={"content-type": "image/png"}, cookies={"seen": "1; Path=/"})


@app.get("/fault")
def fault(request):
    raise ValueError("a fault")
"""
JOBS = """
import logging
import sys
import time

from shop.app import app, jobs


@jobs.on_message
async def work(message):
    print("modules", sorted(name for name in sys.modules if name.startswith("shop.")))
    if message.text() == "fail":
        raise LookupError("no such job")


@app.schedule("0 3 * * *")
def sweep(tick):
    if tick.source == "slow":
        warned = []
        logging.getLogger("faasbridge").addFilter(lambda line: warned.append(line) or True)
        deadline = time.monotonic() + 20
        while not warned and time.monotonic() < deadline:
            pass
        return len(warned)
    raise LookupError("nothing to sweep")
"""
MODULES = {
    "http": "shop.web",
    "work": "shop.jobs",
    "sweep": "shop.jobs",
    "broken": "shop.broken",
    "mistaken": "shop.mistaken",
}
BROKEN = "import not_there\n"
MISTAKEN = "import json\njson.encode\n"


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Starts a sandbox for one function of the shop; all of them end with the test."""
    package = tmp_path / "shop"
    package.mkdir()
    files = {"__init__": "", "app": APP, "web": WEB, "jobs": JOBS, "broken": BROKEN, "mistaken": MISTAKEN}
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    functions = [{"name": name, "modules": [module]} for name, module in MODULES.items()]
    manifest = {"app": "shop.app:app", "middleware": [], "manifest": {"functions": functions}}
    (tmp_path / "faasbridge.json").write_text(json.dumps(manifest))
    running: list[Sandbox] = []

    def start(function: str, **env: Any) -> Sandbox:
        env = {"FAASBRIDGE_FUNCTION": function, **env}
        running.append(Sandbox(tmp_path, "faasbridge_aws.entry.handler", PATH, **env))
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.__exit__()


Start = Callable[..., Sandbox]


def get(path: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"accept": "*/*"},
        "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}, "stage": "$default", "domainName": "x"},
        "isBase64Encoded": False,
    }


def message(id: str, body: str) -> dict[str, Any]:
    return {
        "messageId": id,
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795464238123"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:1:jobs",
    }


def test_requests_are_answered_and_logs_have_the_request_id(start: Start) -> None:
    sandbox = start("http")
    first, second = sandbox.invoke(get("/hello/ann")), sandbox.invoke(get("/hello/bob"))
    assert (first.kind, second.kind) == ("response", "response")
    assert json.loads(first.body["body"]) == {"hello": "ann", "id": first.request_id, "cold": True}
    assert json.loads(second.body["body"]) == {"hello": "bob", "id": second.request_id, "cold": False}
    lines = [line for line in sandbox.log() if line.get("logger") == "shop"]
    assert [(line["message"], line["level"], line["requestId"]) for line in lines] == [
        ("hello ann", "WARNING", first.request_id),
        ("hello bob", "WARNING", second.request_id),
    ]


def test_binary_and_cookies(start: Start) -> None:
    body = start("http").invoke(get("/picture")).body
    assert body == {
        "statusCode": 200,
        "headers": {"content-type": "image/png"},
        "cookies": ["seen=1; Path=/"],
        "body": "iVBOR/8=",
        "isBase64Encoded": True,
    }


def test_fault_of_a_route_is_a_500_whose_id_is_in_the_log(start: Start) -> None:
    sandbox = start("http")
    result = sandbox.invoke(get("/fault"))
    assert (result.kind, result.body["statusCode"]) == ("response", 500)
    assert json.loads(result.body["body"])["id"] == result.request_id
    (line,) = [line for line in sandbox.log() if line["level"] == "ERROR"]
    assert (line["errorType"], line["errorMessage"], line["requestId"]) == ("ValueError", "a fault", result.request_id)
    assert "web.py" in "".join(line["stackTrace"])


def test_failed_messages_are_named_and_only_the_functions_modules_are_loaded(start: Start) -> None:
    sandbox = start("work")
    result = sandbox.invoke({"Records": [message("1", "ok"), message("2", "fail"), message("3", "ok")]})
    assert (result.kind, result.body) == ("response", {"batchItemFailures": [{"itemIdentifier": "2"}]})
    assert "modules ['shop.app', 'shop.jobs']" in sandbox.log_path.read_text()


def test_error_of_a_handler_has_its_type_and_stack(start: Start) -> None:
    result = start("sweep").invoke({"faasbridge": "tick", "schedule": "sweep", "scheduled_for": "2026-11-23T03:00:00Z"})
    assert (result.kind, result.body["errorType"]) == ("error", "LookupError")
    assert result.body["errorMessage"] == "nothing to sweep"
    assert "jobs.py" in "".join(result.body["stackTrace"])


def test_function_that_runs_out_of_time_says_where_it_is(start: Start) -> None:
    sandbox = start("sweep", timeout_s=2.0)
    result = sandbox.invoke({"faasbridge": "tick", "schedule": "slow", "scheduled_for": "2026-11-23T03:00:00Z"})
    (line,) = [line for line in sandbox.log() if "before Lambda ends it" in str(line.get("message"))]
    assert line["message"].startswith("sweep has 500 ms left")
    assert "in sweep\n    while not warned" in line["message"]
    assert (line["requestId"], result.body) == (result.request_id, 1)


@pytest.mark.parametrize(
    ("function", "type", "says"),
    [
        ("broken", "ModuleNotFoundError", "No module named 'not_there'"),
        ("mistaken", "ConfigError", "the app of mistaken cannot be loaded: AttributeError: module 'json' has no"),
        ("missing", "ConfigError", "the artifact has no function 'missing'"),
        ("", "ConfigError", "FAASBRIDGE_FUNCTION is not set"),
    ],
)
def test_init_error_is_reported_as_one(start: Start, function: str, type: str, says: str) -> None:
    sandbox = start(function)
    result = sandbox.result()
    assert (result.kind, result.body["errorType"]) == ("init error", type)
    assert says in result.body["errorMessage"]
    assert sandbox.process.wait(timeout=30) == 1
