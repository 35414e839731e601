"""An artifact under Microsoft's own Python runtime library, in FunctionRpc's messages.

The runtime is for Python 3.13 and later. The message classes are in no wheel: FAASBRIDGE_FUNCTION_RPC names the folder
that has them as the package `protos`, such as `tests` of the source distribution of azure-functions-runtime-v1.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = os.environ.get("FAASBRIDGE_FUNCTION_RPC")
pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 13), reason="azure-functions-runtime is for Python 3.13 and later"),
    pytest.mark.skipif(not FOLDER, reason="FAASBRIDGE_FUNCTION_RPC does not say where FunctionRpc's messages are"),
    pytest.mark.filterwarnings("default"),  # the runtime's and protobuf's own
]

SHOP = """
import asyncio, logging
import faasbridge
from faasbridge import Response
app = faasbridge.App("shop")
log = logging.getLogger("shop")
@app.post("/echo/{name}")
async def echo(request, name):
    await asyncio.sleep(0)
    cookies = {"a": "x%20y; Path=/; Expires=Thu, 12-Jan-2017 13:55:08 GMT; Priority=High", "b": "2"}
    body = {"name": name, "query": request.query.pairs, "id": faasbridge.invocation().id}
    return Response(body, status=201, headers={"vary": ["a", "b"]}, cookies=cookies)
@app.post("/same")
def same(request): return request.body
@app.queue("jobs").on_message
async def work(message):
    await asyncio.sleep(0)
    log.warning("%r %s %d", message.body, message.id, message.attempt)
    if message.body == b"boom": raise ValueError("poison")
"""


class Worker:
    """Microsoft's library around an artifact; `ask` sends one of the host's messages."""

    def __init__(self, folder: Path, protos: Any) -> None:
        self.runtime: Any = importlib.import_module("azure_functions_runtime")
        self.protos = protos
        self.started = self.ask("worker_init_request", protos.WorkerInitRequest(function_app_directory=str(folder)))

    def ask(self, kind: str, message: Any) -> Any:
        request = SimpleNamespace(
            name=kind,
            request=self.protos.StreamingMessage(**{kind: message}),
            properties={"host": "127.0.0.1", "protos": self.protos},
        )
        return asyncio.run(getattr(self.runtime, kind)(request))

    def functions(self) -> dict[str, Any]:
        answer = self.ask("functions_metadata_request", self.protos.FunctionsMetadataRequest())
        return {function.name: function for function in answer.function_metadata_results}

    def invoke(self, name: str, data: Any, **metadata: Any) -> Any:
        message = self.protos.InvocationRequest(
            invocation_id="inv-1",
            function_id=self.functions()[name].function_id,
            input_data=[self.protos.ParameterBinding(name="native", data=data)],
            trigger_metadata=metadata,
        )
        return self.ask("invocation_request", message)


@pytest.fixture
def protos() -> Any:
    pytest.importorskip("azure_functions_runtime", reason="install the dependency group test-azure")
    assert FOLDER is not None
    sys.path.insert(0, FOLDER)
    try:
        return importlib.import_module("protos")
    finally:
        sys.path.remove(FOLDER)


@pytest.fixture
def start(tmp_path: Path, protos: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Worker]]:
    from faasbridge_azure import entry

    def make(source: str) -> Worker:
        (tmp_path / "azure_shop.py").write_text(source)
        (tmp_path / "function_app.py").write_text(entry.SOURCE)
        functions = [{"name": name, "modules": ["azure_shop"]} for name in ("http", "work")]
        manifest = {"app": "azure_shop:app", "manifest": {"functions": functions}, "middleware": []}
        (tmp_path / "faasbridge.json").write_text(json.dumps(manifest))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("AzureWebJobsScriptRoot", str(tmp_path))
        monkeypatch.setenv("FAASBRIDGE_FUNCTION", "http,work")
        return Worker(tmp_path, protos)

    runtime = importlib.import_module("azure_functions_runtime")
    runtime.start_threadpool_executor()
    yield make
    runtime.stop_threadpool_executor()
    for name in ("azure_shop", "function_app"):
        sys.modules.pop(name, None)


def http(protos: Any, method: str, url: str, body: bytes = b"") -> Any:
    return protos.TypedData(http=protos.RpcHttp(method=method, url=url, body=protos.TypedData(bytes=body)))


def test_requests_are_answered(start: Any, protos: Any) -> None:
    worker = start(SHOP)
    assert worker.started.result.status == protos.StatusResult.Success
    answer = worker.invoke("http", http(protos, "POST", "https://x/echo/a%2Fn?x=1&x=&y"))
    assert answer.result.status == protos.StatusResult.Success
    response = answer.return_value.http
    assert (response.status_code, response.headers["vary"]) == ("201", "a, b")
    assert json.loads(response.body.bytes) == {
        "name": "a/n",
        "query": [["x", "1"], ["x", ""], ["y", ""]],
        "id": "inv-1",
    }
    first, second = response.cookies
    assert (first.name, first.value, first.path.value, first.expires.value.seconds) == ("a", "x y", "/", 1484229308)
    assert (second.name, second.value, second.http_only.value, second.secure.value) == ("b", "2", True, True)
    assert second.same_site == protos.RpcHttpCookie.SameSite.Lax
    body = bytes(range(256))
    assert worker.invoke("http", http(protos, "POST", "https://x/same", body)).return_value.http.body.bytes == body


def test_messages_are_handled_or_come_again(start: Any, protos: Any, caplog: pytest.LogCaptureFixture) -> None:
    worker = start(SHOP)
    data = protos.TypedData
    metadata = {"Id": data(string="m1"), "DequeueCount": data(json="2")}
    handled = worker.invoke("work", data(bytes=b"\xff\x00"), **metadata)
    assert handled.result.status == protos.StatusResult.Success
    assert "b'\\xff\\x00' m1 2" in caplog.text
    failed = worker.invoke("work", data(bytes=b"boom"), **metadata)
    assert failed.result.status == protos.StatusResult.Failure
    assert "ValueError: poison" in failed.result.exception.message


def test_an_app_that_cannot_be_loaded_is_loud(start: Any, protos: Any, caplog: pytest.LogCaptureFixture) -> None:
    started = start("import no_such_module").started
    assert started.result.status == protos.StatusResult.Failure
    wanted = "the app of http, work cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"
    assert wanted in started.result.exception.message
    assert "http, work cannot start, its app cannot be loaded" in caplog.text
