"""Azure's payloads (`../shared/corpus`, or FAASBRIDGE_CORPUS) as parameters: `CASES` of a module are globs.

A test that takes `case` gets the parsed JSON of each, `case_name` its name. Without the corpus those tests are skipped,
and fail in CI; so do those that need the dependency group test-azure.
"""

from __future__ import annotations

import importlib.util
import json
import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)  # a busy machine is no fault of the code's
settings.load_profile("no-deadline")

ROOT = Path(__file__).parents[3]
CORPUS = Path(os.environ.get("FAASBRIDGE_CORPUS") or ROOT.parent / "shared" / "corpus") / "azure"


def _is_missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


if os.environ.get("CI") and _is_missing("azure.functions"):
    raise pytest.UsageError("azure-functions is not installed: install the dependency group test-azure")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    if not CORPUS.is_dir():
        why = f"the corpus of vendors' payloads is not at {CORPUS}; set FAASBRIDGE_CORPUS to its folder"
        if os.environ.get("CI"):
            raise pytest.UsageError(why)
        metafunc.parametrize(("case_name", "case"), [pytest.param("", None, marks=pytest.mark.skip(reason=why))])
        return
    left_out = getattr(metafunc.module, "LEFT_OUT", {})
    names = sorted(
        path.stem
        for pattern in metafunc.module.CASES.split()
        for path in CORPUS.glob(f"{pattern}.json")
        if path.stem not in left_out
    )
    cases = [(name, json.loads((CORPUS / f"{name}.json").read_text())) for name in names]
    metafunc.parametrize(("case_name", "case"), cases, ids=names)


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
