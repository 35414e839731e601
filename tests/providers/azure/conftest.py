"""What the worker binds to a trigger."""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from deploying import Deployment
    from emulated_services import Services

    from faasbridge.simulation.servers import Server


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """Azure's services on this machine."""
    sys.path.insert(0, str(Path(__file__).parent))
    from emulated_services import running

    with running() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A simulated Azure, to be deployed to."""
    sys.path.insert(0, str(Path(__file__).parent))
    from deploying import simulated

    with simulated(tmp_path_factory.mktemp("azure") / "server") as server:
        yield server


@pytest.fixture
def life(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    from deploying import deployment

    with deployment(server, "life", tmp_path, monkeypatch) as life:
        yield life


@pytest.fixture(scope="session")
def azure() -> Any:
    return pytest.importorskip("azure.functions", reason="install the dependency group test-azure")


@pytest.fixture
def bound(azure: Any) -> Callable[..., Any]:
    """What the worker binds, by Microsoft's own converters: of a kind of trigger, its data and metadata, both in the
    JSON form of FunctionRpc's TypedData."""
    from azure.functions.meta import get_binding_registry

    def make(trigger: str, data: Any, metadata: dict[str, Any]) -> Any:
        converter = get_binding_registry().get(trigger)
        return converter.decode(
            _datum(data), trigger_metadata={name: _datum(value) for name, value in metadata.items()}
        )

    return make


def _datum(value: dict[str, Any] | None) -> Any:
    from azure.functions.meta import Datum

    if value is None:
        return Datum(type="bytes", value=b"")
    ((kind, content),) = value.items()
    if kind == "bytes":
        return Datum(type=kind, value=b64decode(content))
    if kind == "collectionBytes":
        return Datum(type="collection_bytes", value=SimpleNamespace(bytes=[b64decode(one) for one in content["bytes"]]))
    if kind == "collectionString":
        return Datum(type="collection_string", value=SimpleNamespace(string=content["string"]))
    if kind == "collectionSint64":
        return Datum(type="collection_sint64", value=SimpleNamespace(sint64=[int(one) for one in content["sint64"]]))
    if kind == "http":
        parts: dict[str, Any] = {
            name: Datum(type="string", value=content[name]) for name in ("method", "url") if name in content
        }
        for name in ("headers", "params", "query"):
            given = (content.get(name) or {}).items()
            parts[name] = {key: Datum(type="string", value=text) for key, text in given}
        return Datum(type="http", value={**parts, "body": _datum(content.get("body"))})
    return Datum(type=kind, value=content)


@pytest.fixture
def http_request(azure: Any) -> Callable[..., Any]:
    def make(
        url: str = "https://shop.azurewebsites.net/", *, method: str = "GET", headers: Any = (), body: bytes = b""
    ) -> Any:
        return azure.HttpRequest(method, url, headers=dict(headers), body=body)

    return make


@pytest.fixture
def queued() -> Callable[..., Any]:
    """A QueueMessage by its looks; the corpus has Microsoft's."""

    def make(body: Any, attempt: int = 1, **more: Any) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"id": "77", "dequeue_count": attempt, "insertion_time": None, **more}
        return SimpleNamespace(get_body=lambda: content, **given)

    return make
