"""The vendor's payloads (`../shared/corpus`, or FAASBRIDGE_CORPUS) as parameters: `CASES` of a module are globs.

A test that takes `case` gets the parsed JSON of each, `case_name` its name. Without the corpus those tests are skipped,
and fail in CI.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)  # a busy machine is no fault of the code's
settings.load_profile("no-deadline")

ROOT = Path(__file__).parents[3]
CORPUS = Path(os.environ.get("FAASBRIDGE_CORPUS") or ROOT.parent / "shared" / "corpus") / "aws"


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
    metafunc.parametrize(("case_name", "case"), [(name, _read(name)) for name in names], ids=names)


def _read(name: str) -> dict[str, Any]:
    return json.loads((CORPUS / f"{name}.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def expected(case_name: str) -> Any:
    """What the case's `.expect.json` says, attribute -> value; nothing where it has none."""
    path = CORPUS / f"{case_name}.expect.json"
    return json.loads(path.read_text()) if path.exists() else {}
