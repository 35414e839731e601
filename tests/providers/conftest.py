"""The vendors' payloads (`../shared/corpus`, or FAASBRIDGE_CORPUS) as parameters: `CASES` of a module are globs in the
folder of its provider, `LEFT_OUT` the names that it leaves out.

A test that takes `case` gets the parsed JSON of each, `case_name` its name. Without the corpus those tests are skipped,
and fail in CI; so do those that need a dependency group which is not installed.

What only tools do, plan and deploy and simulate, is marked `tools`, and so is the conformance kit: the matrix runs it
on one Python. On every one it runs what differs: adapters, entries and drivers, and the apps.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)  # a busy machine is no fault of the code's
settings.load_profile("no-deadline")

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("FAASBRIDGE_CORPUS") or ROOT.parent / "shared" / "corpus")
NEEDED = {
    "aws": ("awslambdaric", "lambda_preflight"),
    "gcp": ("functions_framework", "google.events", "google.cloud.firestore"),
    "azure": ("azure.functions", "azure.mgmt.resource.deployments"),
}


TOOLS = re.compile(
    r"test_(conformance|control_plane|deployer\w*|interrupted|layout|lint|policies|resource_manager|roles|schedules"
    r"|simulator\w*|template\w*)"
)


def _is_missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tools: of tools alone, no part of what is deployed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        if TOOLS.fullmatch(item.path.stem):
            item.add_marker("tools")


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Before a module can skip itself for want of a package."""
    provider = module_path.parent.name
    needed = NEEDED.get(provider, ())
    if os.environ.get("CI") and any(map(_is_missing, needed)):
        raise pytest.UsageError(f"{', '.join(needed)}: not all installed: install the dependency group test-{provider}")


SMALL = """
from faasbridge import App

app = App("small")


@app.get("/")
def home(request):
    return "here"
"""


@pytest.fixture
def started(tmp_path: Path) -> Callable[[str, str], str]:
    """What a program prints in an artifact of a small app whose packages have no more than what every start imports:
    `started(package, program)`."""
    from faasbridge.build.runtime import packed

    def run(package: str, program: str) -> str:
        for name, contents in packed(("faasbridge", package), "", tmp_path).items():
            if not name.endswith("/modules.bin"):
                (tmp_path / name).parent.mkdir(exist_ok=True)
                (tmp_path / name).write_bytes(contents)
        (tmp_path / "small.py").write_text(SMALL)
        document = {"app": "small:app", "middleware": [], "manifest": {"functions": [{"name": "http", "modules": []}]}}
        (tmp_path / "faasbridge.json").write_text(json.dumps(document))
        env = {**os.environ, "FAASBRIDGE_FUNCTION": "http", "LAMBDA_TASK_ROOT": str(tmp_path)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    folder = CORPUS / metafunc.definition.path.parent.name
    if not folder.is_dir():
        why = f"the corpus of vendors' payloads is not at {folder}; set FAASBRIDGE_CORPUS to the folder above it"
        if os.environ.get("CI"):
            raise pytest.UsageError(why)
        metafunc.parametrize(("case_name", "case"), [pytest.param("", None, marks=pytest.mark.skip(reason=why))])
        return
    left_out = getattr(metafunc.module, "LEFT_OUT", {})
    names = sorted(
        path.stem
        for pattern in metafunc.module.CASES.split()
        for path in folder.glob(f"{pattern}.json")
        if ".expect" not in path.name and path.stem not in left_out
    )
    cases = [(name, json.loads((folder / f"{name}.json").read_text())) for name in names]
    metafunc.parametrize(("case_name", "case"), cases, ids=names)


@pytest.fixture
def corpus(request: pytest.FixtureRequest) -> Path:
    """The folder of the module's provider."""
    return CORPUS / request.path.parent.name
