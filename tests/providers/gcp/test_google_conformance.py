"""Google's own conformance cases for functions-framework, against an app that is written with FaaSBridge.

As Google's conformance client does it: each case is sent to the function over HTTP, the function writes down what it
got, and that is compared with what the case says. The cases of Firebase, which has no trigger here, are those of
`test_legacy`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faasbridge_gcp.entry import MAIN

if importlib.util.find_spec("functions_framework") is None:
    pytest.skip("functions-framework is not installed: install the dependency group test-gcp", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parent))
from framework import Server

APP = """
import json
from pathlib import Path

from faasbridge import App, Response

app = App("conformance")
topic, bucket, table = app.topic("topic"), app.bucket("bucket"), app.table("table", key="id")


def keep(received):
    Path("function_output.json").write_text(json.dumps(received))


@app.post("/")
def http(request):
    keep(request.json())
    return Response(status=200)


@topic.on_message
def of_topic(event):
    keep(event.native)


@bucket.on_create
def of_bucket(event):
    keep(event.native)


@table.on_change
def of_table(event):
    keep(event.native)
"""
FUNCTIONS = {"pubsub_text": "of_topic", "storage": "of_bucket", "firestore_simple": "of_table"}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conformance")
    functions = [{"name": name, "modules": ["conformance_app"]} for name in ("http", *FUNCTIONS.values())]
    manifest = {"app": "conformance_app:app", "middleware": [], "manifest": {"functions": functions}}
    (folder / "conformance_app.py").write_text(APP)
    (folder / "main.py").write_text(MAIN)
    (folder / "faasbridge.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module", params=FUNCTIONS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["http", "cloudevent"])
def server(request: pytest.FixtureRequest, artifact: Path, kind: str) -> Iterator[Server]:
    """The function of a case, of each signature that an event can reach it by."""
    server = Server(artifact, FUNCTIONS[kind], request.param)
    yield server
    server.stop()


def received(artifact: Path, server: Server, body: bytes, headers: dict[str, str]) -> Any:
    output = artifact / "function_output.json"
    output.unlink(missing_ok=True)
    status, _, answer = server.request("POST", "/", body, headers)
    assert status in (200, 204), (answer, server.log.read_text())
    return json.loads(output.read_text())


def test_http(artifact: Path) -> None:
    server = Server(artifact, "http")
    try:
        assert received(artifact, server, b'{"res": "PASS"}', {"content-type": "application/json"}) == {"res": "PASS"}
    finally:
        server.stop()


def binary(event: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    attributes = {name: value for name, value in event.items() if name not in ("data", "datacontenttype")}
    headers = {"content-type": event["datacontenttype"], **{f"ce-{name}": value for name, value in attributes.items()}}
    return json.dumps(event["data"]).encode(), headers


@pytest.fixture
def event(kind: str, corpus_file: Any) -> Any:
    return json.loads(corpus_file(f"ff_{kind}-cloudevent-input.json"))


@pytest.fixture
def mapped(kind: str, corpus_file: Any) -> Any:
    """What Google makes of the background event."""
    return json.loads(corpus_file(f"ff_{kind}-cloudevent-output.json"))


def test_a_structured_cloudevent(artifact: Path, server: Server, event: Any) -> None:
    headers = {"content-type": "application/cloudevents+json"}
    assert received(artifact, server, json.dumps(event).encode(), headers) == event


def test_a_binary_cloudevent(artifact: Path, server: Server, event: Any) -> None:
    assert received(artifact, server, *binary(event)) == event


def test_a_background_event(artifact: Path, server: Server, kind: str, mapped: Any, corpus_file: Any) -> None:
    body = corpus_file(f"ff_{kind}-legacy-input.json")
    assert received(artifact, server, body, {"content-type": "application/json"}) == mapped


@pytest.mark.parametrize("form", ["legacy", "cloudevent"])
def test_a_background_function(form: str, artifact: Path, kind: str, event: Any, mapped: Any, corpus_file: Any) -> None:
    """Functions of the event signature get background events; the framework makes them of binary CloudEvents."""
    server = Server(artifact, FUNCTIONS[kind], "event")
    legacy = corpus_file(f"ff_{kind}-legacy-input.json"), {"content-type": "application/json"}
    try:
        assert received(artifact, server, *(legacy if form == "legacy" else binary(event))) == mapped
    finally:
        server.stop()
