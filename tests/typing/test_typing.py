"""What type checkers say of apps: nothing of right ones, and the very line of each mistake."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faasbridge import App, ConfigError
from faasbridge.config import Project

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
APPS = HERE / "apps"
WRONG = HERE / "mistakes" / "wrong.py"
REFS = ["gallery", "diary", "harvest", "bulletin", "store", "cached"]

pytest.importorskip("mypy", reason="type checkers are in the environment `type`")
pytest.importorskip("basedpyright")
pytestmark = pytest.mark.timeout(300)


def mypy(folder: Path, *names: str) -> list[tuple[str, int]]:
    """Errors as file name and line."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", os.devnull, *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(\S+?):(\d+): error: ", done.stdout, re.MULTILINE)
    assert bool(found) == bool(done.returncode), done.stdout
    return [(Path(name).name, int(line)) for name, line in found]


def pyright(folder: Path, tmp_path: Path, *names: str) -> list[tuple[str, int]]:
    settings = {
        "typeCheckingMode": "strict",
        "include": [str(folder / name) for name in names],
        "extraPaths": [
            str(folder),
            str(ROOT),
            *(str(ROOT / "providers" / vendor) for vendor in ("aws", "gcp", "azure")),
        ],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [
        sys.executable,
        "-m",
        "basedpyright",
        "--outputjson",
        "--pythonpath",
        sys.executable,
        "-p",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=250)
    result = json.loads(done.stdout)
    assert result["summary"]["filesAnalyzed"], done.stdout
    return [
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1)
        for found in result["generalDiagnostics"]
        if found["severity"] == "error"
    ]


def marked(kind: str) -> set[int]:
    return {n for n, line in enumerate(WRONG.read_text().splitlines(), 1) if f"  # {kind}: " in line}


def test_mypy_finds_nothing_in_the_apps() -> None:
    assert mypy(APPS, *(f"{name}.py" for name in REFS if name != "store"), "store") == []


def test_pyright_finds_nothing_in_the_apps(tmp_path: Path) -> None:
    assert pyright(APPS, tmp_path, ".") == []


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """The folder of a copy without the line that keeps our own checks quiet about it."""
    (tmp_path / WRONG.name).write_text(WRONG.read_text().replace("# mypy: ignore-errors", "#"))
    return tmp_path


def test_mypy_finds_each_mistake_on_its_line(wrong: Path) -> None:
    assert {line for _, line in mypy(wrong, WRONG.name)} == marked("checker")


def test_pyright_finds_each_mistake_on_its_line(wrong: Path) -> None:
    assert {line for _, line in pyright(wrong, wrong, WRONG.name)} == marked("checker")


def test_what_checkers_accept_is_refused_at_the_decorator() -> None:
    (line,) = marked("decorator")
    app = App("wrong")
    with pytest.raises(ConfigError, match=rf"wrong\.py:{line}: uses= takes a resource or one of its methods"):
        exec(
            compile(
                "\n" * (line - 1) + '@app.get("/ten/{k}", uses=[len])\ndef ten(request, k): ...', str(WRONG), "exec"
            ),
            {"app": app},
        )
    assert len(marked("checker")) == 10


@pytest.mark.parametrize("name", REFS)
def test_the_apps_are_valid(name: str) -> None:
    assert Project(APPS, f"{name}:app").read_spec().name == name
