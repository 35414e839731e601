"""An artifact with this package's entry under Microsoft's own Python runtime, in a worker of the simulator's host.

What the worker needs is installed on first use (`faasbridge_azure.simulator.tools`): it needs Python 3.13.
"""

from __future__ import annotations

import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

import faasbridge

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
import requests

import faasbridge_azure

sys.path.insert(0, str(Path(__file__).parent))
from simulated_azure import HOST, STORAGE, Credential, SimulatedAzure, template

from faasbridge_azure import entry

pytestmark = [pytest.mark.filterwarnings("default")]

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


def files(source: str) -> dict[str, str]:
    """An artifact: the app, its manifest and the packages that it runs with."""
    functions = [{"name": name, "modules": ["azure_shop"]} for name in ("http", "work")]
    manifest = {"app": "azure_shop:app", "manifest": {"functions": functions}, "middleware": []}
    found = {
        "azure_shop.py": source,
        "function_app.py": entry.SOURCE,
        "faasbridge.json": json.dumps(manifest),
        "host.json": HOST,
    }
    for package in (faasbridge, faasbridge_azure):
        assert package.__file__ is not None
        home = Path(package.__file__).parent
        for path in home.rglob("*.py"):
            if "simulator" not in path.parts:
                found[str(path.relative_to(home.parent))] = path.read_text()
    return found


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAzure]:
    simulated = SimulatedAzure(tmp_path_factory.mktemp("azure") / "server")
    settings = {"FAASBRIDGE_FUNCTION": "http,work", "FAASBRIDGE_INBOX_WORK": "shop-dev-jobs"}
    simulated.deploy(template(settings=settings))
    yield simulated
    simulated.stop()


def traces(azure: SimulatedAzure) -> list[str]:
    return [each["message"] for each in azure.server.call("GET", "/logs")]


def test_requests_are_answered(azure: SimulatedAzure) -> None:
    state = azure.publish(files(SHOP))
    assert state["status"] == 4, state
    answer = requests.post(f"{azure.address_of()}/echo/a%2Fn?x=1&x=&y", timeout=30)
    assert (answer.status_code, answer.headers["vary"]) == (201, "a, b")
    body = answer.json()
    assert body["name"] == "a/n"
    assert body["query"] == [["x", "1"], ["x", ""], ["y", ""]]
    assert any(f"Id={body['id']}" in each for each in traces(azure))
    first, second = answer.raw.headers.getlist("set-cookie")
    assert first.startswith("a=x%20y; expires=Thu, 12 Jan 2017 13:55:08 GMT; path=/")
    assert second.startswith("b=2;")
    assert {"secure", "samesite=lax", "httponly"} <= set(second.split("; "))
    content = bytes(range(256))
    assert requests.post(f"{azure.address_of()}/same", data=content, timeout=30).content == content


def test_messages_are_handled_or_come_again(azure: SimulatedAzure) -> None:
    from azure.storage.queue import QueueClient

    assert azure.publish(files(SHOP))["status"] == 4
    found = azure.send("GET", f"{azure.scope}/providers/{STORAGE}/shopdevstore?api-version=2024-01-01").json()
    url = found["properties"]["primaryEndpoints"]["queue"]
    queue = QueueClient(url, "shop-dev-jobs", Credential(), connection_verify=azure.ca)
    handled = queue.send_message(b64encode(b"\xff\x00").decode())
    failed = queue.send_message(b64encode(b"boom").decode())
    deadline = time.monotonic() + 30
    while azure.server.call("GET", "/left"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    text = "\n".join(traces(azure))
    assert f"b'\\xff\\x00' {handled.id} 1" in text
    assert [f"b'boom' {failed.id} {attempt}" in text for attempt in (1, 2, 3, 4)] == [True, True, True, False]
    assert "ValueError: poison" in text


def test_an_app_that_cannot_be_loaded_is_loud(azure: SimulatedAzure) -> None:
    state = azure.publish(files("import no_such_module"))
    assert state["status"] == 3
    wanted = "the app of http, work cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"
    assert wanted in state["status_text"]
    assert any("http, work cannot start, its app cannot be loaded" in each for each in traces(azure))
