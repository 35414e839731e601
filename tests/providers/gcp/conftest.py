"""What functions-framework hands over: Flask requests."""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
if TYPE_CHECKING:
    from simulated_cloud import SimulatedCloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCloud]:
    """One for all tests that use what they name themselves: a server takes seconds to start."""
    from simulated_cloud import running

    with running(tmp_path_factory.mktemp("cloud")) as found:
        yield found


@pytest.fixture
def corpus_file(corpus: Path) -> Callable[[str], bytes]:
    return lambda name: (corpus / name).read_bytes()


@pytest.fixture
def flask_request() -> Callable[..., Any]:
    """A Flask request of path, headers and body, or of a case of the corpus."""
    flask = pytest.importorskip("flask", reason="install the dependency group test-gcp")
    from werkzeug.test import EnvironBuilder

    def make(
        path: str = "/",
        *,
        body: Any = b"",
        headers: Any = (),
        method: str = "POST",
        environ: Any = None,
        case: Any = None,
    ) -> Any:
        if case is not None:
            of_case = case.get("request", case)
            path, method, headers = of_case["path"], of_case["method"], of_case["headers"]
            body = b64decode(of_case["body_b64"]) if "body_b64" in of_case else of_case["body_utf8"].encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers = [("content-type", "application/json"), *headers]
        before, _, query = path.partition("?")
        builder = EnvironBuilder(path=before, query_string=query, method=method, headers=list(headers), data=body)
        of_server = builder.get_environ()
        del of_server["RAW_URI"], of_server["REQUEST_URI"]  # not every server has them
        return flask.Request({**of_server, **(environ or {})})

    return make
