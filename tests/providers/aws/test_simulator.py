"""The AWS simulator from the command line, as a user runs it: deployed to, looked at, destroyed, and gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from faasbridge_aws.drivers.clients import Clients

APPS = Path(__file__).parents[3] / "apps"
LONG_S = 60  # for waiting on a condition; never a measure
COMMAND = [sys.executable, "-m", "faasbridge"]

PYPROJECT = """
[project]
name = "shop"
version = "0.1.0"
dependencies = ["faasbridge"]

[tool.faasbridge]
app = "shop:app"
"""
SHOP = """
import os
import time

from faasbridge import App, Message

app = App("shop")
orders = app.queue("orders")
done = app.table("done", key="id")


@app.get("/", uses=[done.scan])
def show(request):
    return {"version": 1, "done": sorted(row["id"] for row in done.scan())}


@app.post("/orders", uses=[orders.send])
def order(request):
    orders.send(request.body)


@orders.on_message(uses=[done.put])
def pack(message: Message) -> None:
    if message.text() == "hang":
        time.sleep(600)
    print("packing", message.text())
    done.put({"id": message.text()})
"""


def faasbridge(*arguments: str, cwd: Path) -> str:
    """What the command printed; it must succeed."""
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=110, check=False, env=environment()
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def environment() -> dict[str, str]:
    """What a user may have set up for AWS itself, none of which a simulator looks at."""
    theirs = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_PROFILE": "no-such-profile"}
    return {**os.environ, **theirs, "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + LONG_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.05)
    return found


def processes_of(folder: Path) -> list[int]:
    """Those whose command line or environment names a folder: the server and what it started."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                text = (each / "cmdline").read_bytes() + (each / "environ").read_bytes()
                state = (each / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            server_or_sandbox = b"local_aws" in text or b"awslambdaric" in text
            if server_or_sandbox and str(folder).encode() in text and state != "Z":
                found.append(int(each.name))
    return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "shop.py").write_text(SHOP)
    yield root
    subprocess.run([*COMMAND, "simulator", "stop", "--provider", "aws"], cwd=root, check=False, capture_output=True)


AWS = ("--provider", "aws")
SIMULATED = (*AWS, "--simulate")


def test_photos_is_deployed_and_makes_thumbnails(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(APPS / "photos", root, ignore=shutil.ignore_patterns(".faasbridge", "__pycache__", "tests"))
    python = f'python = "{sys.version_info.major}.{sys.version_info.minor}"'
    settings = (root / "pyproject.toml").read_text().replace('python = "3.13"', python)
    (root / "pyproject.toml").write_text(settings.replace("faasbridge = { workspace = true }", ""))
    try:
        deployed = json.loads(faasbridge("deploy", *SIMULATED, "--yes", "--json", cwd=root))
        url = deployed["endpoints"]["http"]
        status, page = fetch(f"{url}/")
        assert status == 200
        assert b"<html" in page
        body = json.dumps({"name": "a.png", "size": 3000, "type": "image/png"}).encode()
        status, answer = fetch(f"{url}/uploads", "POST", body, **{"content-type": "application/json"})
        assert status == 201
        target = json.loads(answer)
        assert fetch(target["url"], "PUT", picture(), **target["headers"])[0] == 200

        def ready() -> Any:
            photos = json.loads(fetch(f"{url}/photos")[1])["photos"]
            return photos and photos[0]["status"] == "ready" and photos

        (photo,) = until(ready, "the thumbnail")
        status, thumbnail = fetch(photo["thumbnail_url"])
        assert status == 200
        assert thumbnail
    finally:
        faasbridge("destroy", *SIMULATED, "--yes", "--delete-data", cwd=root)
    assert processes_of(root) == []


def picture() -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.effect_noise((64, 48), 40).save(out, "PNG")
    return out.getvalue()


def test_a_deployment_from_its_plan_to_its_end(project: Path) -> None:
    plan = faasbridge("plan", *SIMULATED, cwd=project)
    assert all(name in plan for name in ("http", "orders", "done", "pack"))
    faasbridge("deploy", *SIMULATED, "--yes", cwd=project)
    url = faasbridge("url", *SIMULATED, cwd=project).strip()
    assert json.loads(fetch(url)[1]) == {"version": 1, "done": []}
    assert "nothing to change" in faasbridge("deploy", *SIMULATED, "--yes", cwd=project)

    fetch(f"{url}/orders", "POST", b"one")
    until(lambda: json.loads(fetch(url)[1])["done"] == ["one"], "the handling of a message")
    assert "packing one" in faasbridge("logs", "pack", *SIMULATED, cwd=project)
    assert json.loads(faasbridge("simulator", "list", "--json", cwd=project))[0]["stage"] == "dev"

    (project / "shop.py").write_text(SHOP.replace('"version": 1', '"version": 2'))
    plan = faasbridge("plan", *SIMULATED, cwd=project)
    assert "code" in plan
    faasbridge("deploy", *SIMULATED, "--yes", cwd=project)
    assert json.loads(fetch(url)[1]) == {"version": 2, "done": ["one"]}

    refused = subprocess.run(
        [*COMMAND, "destroy", *SIMULATED, "--yes"], cwd=project, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "--delete-data" in refused.stderr
    assert processes_of(project)
    faasbridge("destroy", *SIMULATED, "--yes", "--delete-data", cwd=project)
    until(lambda: processes_of(project) == [], "the end of the simulator")
    assert json.loads(faasbridge("simulator", "list", "--json", cwd=project)) == []


def test_a_schedule_fires_with_the_time_it_was_due(project: Path) -> None:
    more = '\n\n@app.schedule("0 3 * * *", timezone="Europe/Berlin", uses=[done.put])\n'
    more += 'def nightly(tick):\n    done.put({"id": tick.scheduled_for.isoformat()})\n'
    (project / "shop.py").write_text(SHOP + more)
    faasbridge("deploy", *SIMULATED, "--yes", cwd=project)
    url = faasbridge("url", *SIMULATED, cwd=project).strip()
    (server,) = json.loads(faasbridge("simulator", "list", "--json", cwd=project))
    scheduler = Clients(region="us-east-1", endpoint=server["address"], credentials=("test", "test", None)).get(
        "scheduler"
    )
    (schedule,) = scheduler.list_schedules()["Schedules"]
    found = scheduler.get_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
    wanted = ("Name", "GroupName", "FlexibleTimeWindow", "Target", "State")
    zone = ZoneInfo("Asia/Tokyo")
    due = (datetime.now(zone) + timedelta(seconds=3)).replace(microsecond=0)
    expression = {"ScheduleExpression": f"at({due:%Y-%m-%dT%H:%M:%S})", "ScheduleExpressionTimezone": zone.key}
    scheduler.update_schedule(**{name: found[name] for name in wanted}, **expression)
    (when,) = until(lambda: json.loads(fetch(url)[1])["done"], "the tick")
    assert datetime.fromisoformat(when) == due
    assert when.endswith(("+01:00", "+02:00"))


class Dev:
    def __init__(self, root: Path, *arguments: str) -> None:
        self.output = root.parent / "dev.out"
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(
                [*COMMAND, "dev", *AWS, *arguments], cwd=root, stdout=stream, stderr=stream, env=environment()
            )

    def url(self) -> str:
        def shown() -> str:
            text = self.output.read_text()
            assert self.process.poll() is None, text
            return next((word for word in text.split() if word.startswith("http://")), "")

        return str(until(shown, "the endpoint"))

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LONG_S)


def test_dev_runs_what_is_saved_and_ctrl_c_leaves_nothing_running(project: Path) -> None:
    dev = Dev(project)
    try:
        url = dev.url()
        assert json.loads(fetch(url)[1])["version"] == 1
        (project / "shop.py").write_text(SHOP.replace('"version": 1', '"version": 2'))
        until(lambda: json.loads(fetch(url)[1])["version"] == 2, "the saved code")
        assert processes_of(project)
        fetch(f"{url}/orders", "POST", b"hang")
        assert dev.interrupt() == 0
        assert processes_of(project) == []
    finally:
        dev.process.kill()
        dev.process.wait()


def test_what_is_kept_is_there_at_the_next_start(project: Path) -> None:
    for kept in ([], ["first"]):
        dev = Dev(project, "--keep")
        try:
            url = dev.url()
            assert json.loads(fetch(url)[1])["done"] == kept
            fetch(f"{url}/orders", "POST", b"first")
            until(lambda url=url: json.loads(fetch(url)[1])["done"] == ["first"], "the handling of a message")
            assert dev.interrupt() == 0
        finally:
            dev.process.kill()
            dev.process.wait()


def test_nothing_outlives_a_dev_that_is_killed(project: Path) -> None:
    dev = Dev(project)
    url = dev.url()
    assert fetch(url)[0] == 200
    dev.process.kill()
    dev.process.wait()
    until(lambda: processes_of(project) == [], "the end of all processes")


def test_nothing_outlives_a_server_that_is_killed(project: Path) -> None:
    faasbridge("deploy", *SIMULATED, "--yes", cwd=project)
    url = faasbridge("url", *SIMULATED, cwd=project).strip()
    assert fetch(url)[0] == 200
    (server,) = json.loads(faasbridge("simulator", "list", "--json", cwd=project))
    os.kill(server["pid"], signal.SIGKILL)
    until(lambda: processes_of(project) == [], "the end of all processes")
    assert json.loads(faasbridge("simulator", "list", "--json", cwd=project)) == []
    faasbridge("deploy", *SIMULATED, "--yes", cwd=project)
    assert fetch(faasbridge("url", *SIMULATED, cwd=project).strip())[0] == 200
