"""Google's payloads (`../shared/corpus`, or FAASBRIDGE_CORPUS) as parameters: `CASES` of a module are globs.

A test that takes `case` gets the parsed JSON of each, `case_name` its name. Without the corpus those tests are skipped,
and fail in CI; so do those that need the dependency group test-gcp.
"""

from __future__ import annotations

import importlib.util
import json
import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)  # a busy machine is no fault of the code's
settings.load_profile("no-deadline")

ROOT = Path(__file__).parents[3]
CORPUS = Path(os.environ.get("FAASBRIDGE_CORPUS") or ROOT.parent / "shared" / "corpus") / "gcp"
NEEDED = ("functions_framework", "google.events", "google.cloud.firestore")


def _is_missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


if os.environ.get("CI") and any(map(_is_missing, NEEDED)):
    raise pytest.UsageError(f"{', '.join(NEEDED)} are not all installed: install the dependency group test-gcp")


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
        if ".expect" not in path.name and path.stem not in left_out
    )
    cases = [(name, json.loads((CORPUS / f"{name}.json").read_text())) for name in names]
    metafunc.parametrize(("case_name", "case"), cases, ids=names)


@pytest.fixture
def corpus_file() -> Callable[[str], bytes]:
    return lambda name: (CORPUS / name).read_bytes()


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
