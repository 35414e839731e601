"""Azure on this machine: functions under Microsoft's runtime, storage, events, secrets, by the official clients."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
import requests
from azure.core.exceptions import ResourceNotFoundError

from faasbridge.drivers import Binding
from faasbridge.local.state import is_locked
from faasbridge.simulation import servers
from faasbridge_azure.drivers.bucket import BucketDriver
from faasbridge_azure.drivers.clients import Clients
from faasbridge_azure.limits import LIMITS

sys.path.insert(0, str(Path(__file__).parent))
from simulated_azure import APP, HOST, STORAGE, Credential, SimulatedAzure, template

pytestmark = [pytest.mark.filterwarnings("default")]
DOCUMENTS = "Microsoft.DocumentDB/databaseAccounts"
CORS = {
    "allowedOrigins": ["*"],
    "allowedMethods": ["GET", "PUT"],
    "allowedHeaders": ["*"],
    "exposedHeaders": ["ETag"],
    "maxAgeInSeconds": 600,
}
ACCOUNT = f"[resourceId('{STORAGE}', 'shopdevstore')]"
QUEUE = f"[resourceId('{STORAGE}/queueServices/queues', 'shopdevstore', 'default', 'events')]"
EVENTS: list[dict[str, Any]] = [
    {"type": f"{STORAGE}/blobServices/containers", "name": "shopdevstore/default/uploads", "dependsOn": [ACCOUNT]},
    {
        "type": f"{STORAGE}/blobServices",
        "name": "shopdevstore/default",
        "dependsOn": [ACCOUNT],
        "properties": {"cors": {"corsRules": [CORS]}},
    },
    {"type": f"{STORAGE}/queueServices/queues", "name": "shopdevstore/default/events", "dependsOn": [ACCOUNT]},
    {"type": "Microsoft.EventGrid/systemTopics", "name": "shop", "properties": {"source": ACCOUNT}},
    {
        "type": "Microsoft.EventGrid/systemTopics/eventSubscriptions",
        "name": "shop/work",
        "dependsOn": ["shop", QUEUE],
        "properties": {
            "destination": {
                "endpointType": "StorageQueue",
                "properties": {"resourceId": ACCOUNT, "queueName": "events"},
            },
            "filter": {"subjectBeginsWith": "/blobServices/default/containers/uploads/", "subjectEndsWith": ".jpg"},
        },
    },
    {"type": "Microsoft.KeyVault/vaults", "name": "shop-vault"},
    {"type": DOCUMENTS, "name": "shop-docs"},
    {"type": f"{DOCUMENTS}/sqlDatabases", "name": "shop-docs/app", "dependsOn": ["shop-docs"]},
    {
        "type": f"{DOCUMENTS}/sqlDatabases/containers",
        "name": "shop-docs/app/rows",
        "dependsOn": ["shop-docs/app"],
        "properties": {"resource": {"id": "rows", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}}},
    },
]


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAzure]:
    simulated = SimulatedAzure(tmp_path_factory.mktemp("azure") / "server")
    simulated.deploy(template(*({"apiVersion": "2024-01-01", **each} for each in EVENTS)))
    assert simulated.publish({"host.json": HOST, "function_app.py": APP})["status"] == 4
    yield simulated
    simulated.stop()


@pytest.fixture
def queue(azure: SimulatedAzure) -> Callable[[str], Any]:
    from azure.storage.queue import QueueClient, TextBase64EncodePolicy

    def client(name: str) -> Any:
        url = endpoint(azure, "queue")
        encode = TextBase64EncodePolicy()
        return QueueClient(url, name, Credential(), connection_verify=azure.ca, message_encode_policy=encode)

    return client


def endpoint(azure: SimulatedAzure, service: str) -> str:
    found = azure.send("GET", f"{azure.scope}/providers/{STORAGE}/shopdevstore?api-version=2024-01-01").json()
    return str(found["properties"]["primaryEndpoints"][service])


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline, "not within 30 s"
        time.sleep(0.01)
    return found


def said(azure: SimulatedAzure) -> list[str]:
    return [each["message"] for each in azure.server.call("GET", "/logs") if each["category"] == "shop"]


def test_requests_reach_the_function(azure: SimulatedAzure) -> None:
    answer = requests.post(f"{azure.address_of()}/a%2Fb/c?x=1&y=", data=b"\x00\xff", timeout=30)
    assert answer.status_code == 201
    body = json.loads(answer.content)
    assert body["url"].endswith("/a%2Fb/c?x=1&y=")
    assert (body["params"], body["length"]) == ({"path": "a/b/c"}, 2)
    assert answer.raw.headers.getlist("set-cookie") == ["a=1; path=/", "b=2; path=/"]
    chunked = requests.post(f"{azure.address_of()}/x", data=iter([b"a", b"b"]), timeout=30)
    assert json.loads(chunked.content)["length"] == 0, "the host passes on no body without a length"


def test_a_request_larger_than_the_host_takes_is_refused(azure: SimulatedAzure) -> None:
    # Only its head is sent.
    client = http.client.HTTPConnection(azure.address_of().partition("://")[2], timeout=30)
    client.putrequest("POST", "/x")
    client.putheader("Content-Length", str(LIMITS.http_request_bytes + 1))  # type: ignore[operator]
    client.endheaders()
    assert client.getresponse().status == 413
    client.close()


def test_a_message_that_fails_each_attempt_goes_to_the_poison_queue(azure: SimulatedAzure, queue: Any) -> None:
    azure.server.call("POST", "/reset")
    queue("shop-dev-jobs").send_message("boom")
    until(lambda: not azure.server.call("GET", "/left"))
    assert said(azure) == [f"got boom for the {attempt} time" for attempt in ("1", "2", "3")]
    (dead,) = queue("shop-dev-jobs-poison").receive_messages()
    assert b64decode(dead.content) == b"boom"


def test_a_message_whose_worker_crashed_comes_again(azure: SimulatedAzure, queue: Any) -> None:
    azure.server.call("POST", "/reset")
    queue("shop-dev-jobs").send_message("crash")
    until(lambda: not azure.server.call("GET", "/left"))
    assert said(azure)[-1] == "got crash for the 2 time"


def test_an_app_that_does_not_import_is_a_failed_deployment(azure: SimulatedAzure) -> None:
    try:
        state = azure.publish({"host.json": HOST, "function_app.py": "import no_such_module"})
        assert state["status"] == 3
        assert "No module named 'no_such_module'" in state["status_text"]
    finally:
        assert azure.publish({"host.json": HOST, "function_app.py": APP})["status"] == 4


def test_an_app_without_functions_is_a_failed_deployment(azure: SimulatedAzure) -> None:
    try:
        state = azure.publish({"host.json": HOST, "function_app.py": ""})
        assert state["status"] == 3
        assert state["status_text"]
    finally:
        assert azure.publish({"host.json": HOST, "function_app.py": APP})["status"] == 4


def test_events_of_blobs_reach_the_queues_whose_filter_they_pass(azure: SimulatedAzure, queue: Any) -> None:
    from azure.storage.blob import BlobServiceClient

    azure.server.call("POST", "/reset")
    url = endpoint(azure, "blob").replace("http:", "https:")  # it takes both; the SDK's credentials want TLS
    blobs = BlobServiceClient(url, Credential(), connection_verify=azure.ca)
    container = blobs.get_container_client("uploads")
    container.upload_blob("b.txt", b"no")
    container.upload_blob("a ü.jpg", b"12345")
    assert container.download_blob("a ü.jpg").readall() == b"12345"
    (event,) = until(lambda: list(queue("events").receive_messages()))
    found = json.loads(b64decode(event.content))
    assert found["subject"] == "/blobServices/default/containers/uploads/blobs/a ü.jpg"
    assert (found["eventType"], found["data"]["contentLength"]) == ("Microsoft.Storage.BlobCreated", 5)


def test_an_event_tells_the_size_of_the_blob_however_it_was_made(azure: SimulatedAzure, queue: Any) -> None:
    azure.server.call("POST", "/reset")
    options = {"clients": Clients(credential=Credential())}
    files = BucketDriver(
        Binding("azure", "shop", "dev", "bucket", "uploads", options, f"{endpoint(azure, 'blob')}uploads")
    )
    files.put("blocks.jpg", (b"x" * 5_000_000 for _ in range(2)), None, {}, False, None)
    files.copy("blocks.jpg", "copy of ü.jpg")
    found: list[Any] = []

    def both() -> bool:
        found.extend(json.loads(b64decode(each.content)) for each in queue("events").receive_messages())
        return len(found) == 2

    until(both)
    said = {(each["subject"].rpartition("/")[2], each["data"]["api"], each["data"]["contentLength"]) for each in found}
    assert said == {("blocks.jpg", "PutBlockList", 10_000_000), ("copy of ü.jpg", "CopyBlob", 10_000_000)}


def test_a_page_of_another_origin_uses_a_signed_url(azure: SimulatedAzure) -> None:
    url = f"{endpoint(azure, 'blob')}uploads"
    options = {"clients": Clients(credential=Credential())}
    files = BucketDriver(Binding("azure", "shop", "dev", "bucket", "uploads", options, url))
    signed = files.sign_put("ü b.txt", 600, "text/plain", None)
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-ms-blob-type"}
    page = {"Origin": "http://127.0.0.1:8080"}
    allowed = requests.options(signed, headers={**page, **asks}, timeout=30)
    assert allowed.headers["access-control-allow-origin"] in ("*", page["Origin"])
    sent = requests.put(signed, b"hi", headers={**page, "x-ms-blob-type": "BlockBlob"}, timeout=30)
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (201, "*")
    assert requests.get(files.sign_get("ü b.txt", 600), headers=page, timeout=30).content == b"hi"
    assert requests.get(signed, timeout=30).status_code == 403


def test_secrets_are_kept_until_they_are_deleted(azure: SimulatedAzure) -> None:
    from azure.keyvault.secrets import SecretClient

    path = f"{azure.scope}/providers/Microsoft.KeyVault/vaults/shop-vault?api-version=2024-11-01"
    address = azure.send("GET", path).json()["properties"]["vaultUri"]
    secrets = SecretClient(address, Credential(), connection_verify=azure.ca)
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret("api-key")
    secrets.set_secret("api-key", "one")
    secrets.set_secret("api-key", "two")
    assert secrets.get_secret("api-key").value == "two"
    secrets.begin_delete_secret("api-key").wait()
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret("api-key")


def test_documents_are_kept_until_a_reset(azure: SimulatedAzure) -> None:
    from azure.cosmos import CosmosClient, SSLConfiguration

    trusted = SSLConfiguration()
    trusted.SSLCaCerts = azure.ca
    path = f"{azure.scope}/providers/{DOCUMENTS}/shop-docs?api-version=2024-11-15"
    address = azure.send("GET", path).json()["properties"]["documentEndpoint"]
    client = CosmosClient(address, "c2ltdWxhdG9y", ssl_config=trusted)
    rows = client.get_database_client("app").get_container_client("rows")
    rows.upsert_item({"id": "1", "pk": "a"})
    assert rows.read_item("1", "a")["id"] == "1"
    azure.server.call("POST", "/reset")
    assert list(rows.read_all_items()) == []


def test_nothing_is_left_after_a_reset(azure: SimulatedAzure, queue: Any) -> None:
    queue("events").send_message("old")
    azure.server.call("POST", "/reset")
    assert list(queue("events").receive_messages()) == []
    assert azure.server.call("GET", "/logs") == []
    assert requests.get(f"{azure.address_of()}/there", timeout=30).status_code == 201


def test_deployments_are_found_by_their_tags(azure: SimulatedAzure) -> None:
    assert azure.server.call("GET", "/deployments") == [{"app": "shop", "stage": "dev"}]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_no_process_outlives_the_server(tmp_path: Path) -> None:
    simulated = SimulatedAzure(tmp_path / "server")
    simulated.deploy(template())
    simulated.publish({"host.json": HOST, "function_app.py": APP})
    children = _children(simulated.process.pid)
    assert len(children) == 2
    os.kill(simulated.process.pid, 9)
    servers.end(simulated.process)
    until(lambda: not [pid for pid in children if Path(f"/proc/{pid}").is_dir() and _state(pid) != "Z"])


LAUNCHER = """
import sys
from pathlib import Path
from faasbridge_azure.simulator.tools import launch
launch(Path(sys.argv[1]), test=True, detached=True)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_a_server_whose_launcher_is_killed_before_it_is_ready_ends(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(folder)])
    server = until(lambda: next((pid for pid in _children(launcher.pid) if _is_server(pid)), 0))
    until(lambda: is_locked(folder))  # it has begun
    assert servers.running(folder) is None, "it is not ready"
    launcher.kill()
    launcher.wait()
    until(lambda: not Path(f"/proc/{server}").is_dir() or _state(server) == "Z")
    assert servers.running(folder) is None


def test_a_server_that_is_stopped_while_a_worker_starts_does_not_wait_for_it(tmp_path: Path) -> None:
    simulated = SimulatedAzure(tmp_path / "server")
    simulated.deploy(template())
    slow = "import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(300)"
    with ThreadPoolExecutor() as pool:
        published = pool.submit(simulated.publish, {"host.json": HOST, "function_app.py": slow})
        until(lambda: list((tmp_path / "server" / "packages").glob("*/begun")))
        simulated.stop()
        assert simulated.process.returncode == 0, "it was not killed"
        with pytest.raises(requests.RequestException):
            published.result(30)


def _is_server(pid: int) -> bool:
    try:
        return b"--detached" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
