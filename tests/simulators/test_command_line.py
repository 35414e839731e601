"""A simulator from the command line: deployed to, looked at, destroyed, and gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, Dev, Project, fetch, read, until

APPS = Path(__file__).parents[2] / "apps"


@pytest.fixture
def photos(tmp_path: Path, provider: str) -> Project:
    root = tmp_path / "photos"
    shutil.copytree(APPS / "photos", root, ignore=shutil.ignore_patterns(".faasbridge", "__pycache__", "tests"))
    python = f'python = "{sys.version_info.major}.{sys.version_info.minor}"'
    settings = (root / "pyproject.toml").read_text().replace('python = "3.13"', python)
    (root / "pyproject.toml").write_text(settings.replace("faasbridge = { workspace = true }", ""))
    return Project(root, provider)


def test_photos_is_deployed_and_makes_thumbnails(photos: Project) -> None:
    try:
        url = json.loads(photos.run("deploy", "--yes", "--json"))["endpoints"]["http"]
        status, page = fetch(f"{url}/")
        assert status == 200
        assert b"<html" in page
        body = json.dumps({"name": "a.png", "size": 3000, "type": "image/png"}).encode()
        status, answer = fetch(f"{url}/uploads", "POST", body, **{"content-type": "application/json"})
        assert status == 201
        target = json.loads(answer)
        assert fetch(target["url"], "PUT", picture(), **target["headers"])[0] in (200, 201)

        def ready() -> Any:
            found = read(f"{url}/photos")["photos"]
            return found and found[0]["status"] == "ready" and found

        (photo,) = until(ready, "the thumbnail")
        status, thumbnail = fetch(photo["thumbnail_url"])
        assert status == 200
        assert thumbnail
    finally:
        photos.run("destroy", "--yes", "--delete-data")
    photos.nothing_runs()


def picture() -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.effect_noise((64, 48), 40).save(out, "PNG")
    return out.getvalue()


def test_a_deployment_from_its_plan_to_its_end(project: Project) -> None:
    plan = project.run("plan")
    assert all(name in plan for name in ("http", "orders", "done", "pack"))
    project.run("deploy", "--yes")
    url = project.url()
    assert read(url) == {"version": 1, "done": []}
    assert "nothing to change" in project.run("deploy", "--yes")

    fetch(f"{url}/orders", "POST", b"one")
    until(lambda: read(url)["done"] == ["one"], "the handling of a message")
    with ThreadPoolExecutor() as aside:
        following = aside.submit(project.following, "--function", "pack", "--grep", "packing t.o")
        until(lambda: "packing one" in project.run("logs", "pack"), "its line in the log")
        fetch(f"{url}/orders", "POST", b"two")
        lines, status = following.result()
        assert ["packing two" in line for line in lines] == [True]
        assert status == 0
    assert project.servers()[0]["stage"] == "dev"

    project.change('"version": 1', '"version": 2')
    assert "code" in project.run("plan")
    project.run("deploy", "--yes")
    assert read(url) == {"version": 2, "done": ["one", "two"]}

    refused = project.attempt("destroy", "--yes")
    assert refused.returncode == 1
    assert "--delete-data" in refused.stderr
    assert project.processes()
    project.run("destroy", "--yes", "--delete-data")
    project.nothing_runs()
    assert project.servers() == []


def test_what_is_planned_and_not_deployed_leaves_nothing_running(project: Project) -> None:
    assert "to create" in project.run("plan")
    project.nothing_runs()
    unconfirmed = project.attempt("deploy")
    assert (unconfirmed.returncode, "--yes" in unconfirmed.stderr) == (2, True), unconfirmed
    project.nothing_runs()
    project.run("deploy", "--yes")
    project.run("plan")
    assert read(project.url())["version"] == 1


def test_dev_runs_what_is_saved_and_ctrl_c_leaves_nothing_running(project: Project) -> None:
    with Dev(project) as dev:
        url = dev.url()
        assert read(url)["version"] == 1
        project.change('"version": 1', '"version": 2')
        until(lambda: read(url)["version"] == 2, "the saved code")
        assert project.processes()
        fetch(f"{url}/orders", "POST", b"hang")
        assert dev.interrupt() == 0
        assert project.processes() == {}


def test_what_is_kept_is_there_at_the_next_start(project: Project) -> None:
    if project.provider in ("azure", "gcp"):
        refused = subprocess.run(
            [*COMMAND, "dev", "--provider", project.provider, "--keep"],
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (refused.returncode, "keep nothing" in refused.stderr) == (1, True), refused.stderr
        return
    for kept in ([], ["first"]):
        with Dev(project, "--keep") as dev:
            url = dev.url()
            assert read(url)["done"] == kept
            fetch(f"{url}/orders", "POST", b"first")
            until(lambda url=url: read(url)["done"] == ["first"], "the handling of a message")
            assert dev.interrupt() == 0


def test_nothing_outlives_a_dev_that_is_killed(project: Project) -> None:
    with Dev(project) as dev:
        assert fetch(dev.url())[0] == 200
        dev.process.kill()
        dev.process.wait()
        project.nothing_runs()


def test_nothing_outlives_a_server_that_is_killed(project: Project) -> None:
    project.run("deploy", "--yes")
    assert fetch(project.url())[0] == 200
    (server,) = project.servers()
    os.kill(server["pid"], signal.SIGKILL)
    project.nothing_runs()
    assert project.servers() == []
    project.run("deploy", "--yes")
    assert fetch(project.url())[0] == 200
