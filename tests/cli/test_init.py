"""`faasbridge init`: a project that runs, with a test that passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.mark.parametrize("template", ["pipeline", "hello"])
def test_a_new_project_is_whole(cli: Cli, tmp_path: Path, template: str) -> None:
    made = cli("init", "word-count", "--template", template)
    assert made.code == 0, made
    assert "faasbridge dev word-count" in made.out
    root = tmp_path / "word-count"
    assert (root / ".gitignore").read_text().splitlines()[1:3] == [".faasbridge/", ".env"]
    assert (root / "README.md").read_text().startswith("# word count\n")
    assert not [path for path in root.rglob("*") if path.is_file() and "$" in path.read_text()]
    checked = cli("check", "word-count")
    assert (checked.code, checked.err) == (0, ""), checked
    assert "0 errors, 0 warnings" in checked.out
    unwanted = {"PYTEST_ADDOPTS", "FAASBRIDGE_STATE", "FAASBRIDGE_STAGE", "FAASBRIDGE_PROVIDER"}
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    for command in (["pytest", "-q", "-p", "no:cacheprovider"], ["mypy", "--strict", "--cache-dir", os.devnull, "."]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=root, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_json_lists_what_was_written(cli: Cli, tmp_path: Path) -> None:
    made = json.loads(cli("init", "deep/er/shop", "--json").out)
    assert made["name"] == "shop"
    assert set(made["files"]) == {
        path.relative_to(tmp_path / "deep/er/shop").as_posix()
        for path in (tmp_path / "deep").rglob("*")
        if path.is_file()
    }


def test_a_folder_with_something_in_it_stays_as_it_is(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    ended = cli("init", "shop")
    assert ended.code == 1
    assert "is not empty" in ended.err
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My App", "such as 'my-app'"),
        ("2fast", "a letter first, such as 'fast'"),
        ("a--b", "such as 'a-b'"),
        ("x" * 41, "1 to 40"),
        ("json", "try 'json-app'"),
        ("class", "try 'class-app'"),
        ("faasbridge", "try 'faasbridge-app'"),
    ],
)
def test_names_that_cannot_be(cli: Cli, tmp_path: Path, name: str, words: str) -> None:
    ended = cli("init", name)
    assert ended.code == 1
    assert ended.err.startswith(f"error: {name!r} cannot name an app")
    assert words in ended.err
    assert not list(tmp_path.iterdir())


def test_an_unknown_template(cli: Cli) -> None:
    ended = cli("init", "shop", "--template", "pipelin")
    assert ended.code == 1
    assert "did you mean 'pipeline'?" in ended.err
