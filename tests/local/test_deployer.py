"""`deploy --provider local`: planned, detached, updated without a gap, destroyed without a trace."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from faasbridge import App, Message
from faasbridge.errors import ConfigError, DeployError
from faasbridge.local.client import Client
from faasbridge.local.deployer import LocalDeployer
from faasbridge.local.launch import launch
from faasbridge.local.provider import LocalProvider
from faasbridge.local.releases import unpack
from faasbridge.local.state import deployed_folder, dev_folder, running
from faasbridge.provider import Artifact, Stage
from faasbridge.spec import AppSpec

SOURCE = """
from faasbridge import App, Message, Reply, Request
app = App("demo")
jobs = app.queue("jobs")
rows = app.table("rows", key="id")
key = app.secret("api-key")

@app.get("/", uses=[key.get])
def home(request: Request) -> Reply:
    return "{version}"

@app.get("/key", uses=[key.get])
def show(request: Request) -> Reply:
    return key.get()

@jobs.on_message(max_attempts=1, uses=[rows.put])
def work(message: Message) -> None:
    print("working on", message.text())
    rows.put({{"id": message.text()}})
    if message.text() == "bad":
        raise ValueError("bad one")
"""


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.stage = Stage("demo", "prod", "local", root, app_ref="main:app", settings={"port": 0})
        self.deployer = LocalDeployer(self.stage)

    def artifact(self, source: str, name: str = "one") -> tuple[AppSpec, Artifact]:
        path = self.root / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr(zipfile.ZipInfo("main.py"), source)
        namespace: dict[str, Any] = {"__name__": "main"}
        exec(compile(source, "main.py", "exec"), namespace)
        data = path.read_bytes()
        return namespace["app"].spec(), Artifact(path, hashlib.sha256(data).hexdigest(), len(data))

    def deploy(self, source: str, name: str = "one") -> list[tuple[str, str]]:
        plan = self.deployer.plan(*self.artifact(source, name))
        states = [progress.state for progress in self.deployer.apply(plan)]
        assert "failed" not in states
        return [(step.action, step.name) for step in plan.changes]

    def get(self, path: str = "/") -> bytes:
        with urlopen(self.deployer.outcome().endpoints["http"] + path) as response:
            return bytes(response.read())


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    list(made.deployer.destroy(delete_data=True))


def test_a_deployment_is_planned_applied_updated_and_destroyed(project: Project) -> None:
    created = project.deploy(SOURCE.format(version="one"))
    assert sorted(created) == sorted(("create", n) for n in ("http", "work", "jobs", "rows", "api-key"))
    assert project.get() == b"one"
    found = running(deployed_folder(project.root, "prod"))
    assert found is not None
    assert os.getsid(found.pid) == found.pid  # it has left the terminal's session

    assert project.deploy(SOURCE.format(version="one")) == []
    url = project.deployer.outcome().endpoints["http"]
    assert sorted(project.deploy(SOURCE.format(version="two"), "two")) == [("update", "http"), ("update", "work")]
    assert project.get() == b"two"
    assert project.deployer.outcome().endpoints["http"] == url
    again = running(deployed_folder(project.root, "prod"))
    assert again is not None
    assert again == replace(found, started=again.started)

    list(project.deployer.destroy())
    assert not deployed_folder(project.root, "prod").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(found.pid, 0)


def test_a_broken_release_fails_and_the_old_one_goes_on(project: Project) -> None:
    project.deploy(SOURCE.format(version="one"))
    spec, artifact = project.artifact(SOURCE.format(version="two"), "two")
    with zipfile.ZipFile(artifact.path, "w") as zipped:
        zipped.writestr("main.py", "import not_there\n")
    with pytest.raises(DeployError, match="not_there"):
        list(project.deployer.apply(project.deployer.plan(spec, artifact)))
    assert project.get() == b"one"
    assert sorted(project.deploy(SOURCE.format(version="three"), "three")) == [("update", "http"), ("update", "work")]
    assert project.get() == b"three"


def test_a_wrong_setting_is_refused_before_anything_is_done(project: Project) -> None:
    wrong = LocalDeployer(replace(project.stage, settings={"port": 99_999}))
    with pytest.raises(ConfigError, match="port is a whole number from 0 to 65535, not 99999"):
        wrong.plan(*project.artifact(SOURCE.format(version="one")))
    assert not deployed_folder(project.root, "prod").exists()


def test_what_could_not_be_started_is_not_deployed(project: Project) -> None:
    log = deployed_folder(project.root, "prod") / "server.log"
    log.mkdir(parents=True)
    plan = project.deployer.plan(*project.artifact(SOURCE.format(version="one")))
    states: list[str] = []
    with pytest.raises(IsADirectoryError):
        states.extend(progress.state for progress in project.deployer.apply(plan))
    assert states == ["started"] * len(plan.changes) + ["failed"] * len(plan.changes)
    assert project.deployer.status()["deployed"] is False
    log.rmdir()
    project.deploy(SOURCE.format(version="one"))
    assert project.get() == b"one"


def test_data_is_destroyed_only_when_told_so(project: Project) -> None:
    project.deploy(SOURCE.format(version="one"))
    app = App("demo")
    rows = app.table("rows", key="id")
    app.bound = project.deployer.bind(app)
    rows.put({"id": "precious"})
    with pytest.raises(ConfigError, match="--delete-data"):
        list(project.deployer.destroy())
    assert project.get() == b"one"
    list(project.deployer.destroy(delete_data=True))
    assert not deployed_folder(project.root, "prod").exists()


def test_a_deployment_can_be_looked_at_and_worked_with(project: Project) -> None:
    project.deploy(SOURCE.format(version="one"))
    deployer = project.deployer
    app = App("demo")
    jobs, rows = app.queue("jobs"), app.table("rows", key="id")
    app.bound = deployer.bind(app)
    jobs.send("bad")
    from faasbridge.local.simulator import settle
    from faasbridge.local.store import shared

    found = running(deployed_folder(project.root, "prod"))
    assert found is not None
    client = Client(found)
    settle(shared(deployed_folder(project.root, "prod")), client, 30)
    (letter,) = deployer.dead_letters("work")
    assert letter.reason == "ValueError: bad one"
    assert next(line.text for line in deployer.logs("work", since_s=60, follow=False)) == "working on bad"
    assert deployer.purge("work", ["other"]) == 0
    assert deployer.replay("work", [letter.id]) == 1
    settle(shared(deployed_folder(project.root, "prod")), client, 30)
    assert len(deployer.dead_letters("work")) == 1
    client.close()
    assert deployer.purge("work") == 1
    assert deployer.invoke("work", Message("by hand")) is None
    assert rows.get("by hand") == {"id": "by hand"}
    assert deployer.secrets() == {"api-key": False}
    deployer.set_secret("api-key", "s3cret")
    assert deployer.secrets() == {"api-key": True}
    assert project.get("/key") == b"s3cret"
    deployer.unset_secret("api-key")
    (project.root / ".env").write_text("API_KEY=from-env\n")
    assert project.get("/key") == b"from-env"
    status = deployer.status()
    assert (status["deployed"], status["running"]) == (True, True)
    assert set(status["functions"]) == {"http", "work"}


def test_a_running_dev_is_meant_where_nothing_is_deployed(project: Project) -> None:
    (project.root / "main.py").write_text(SOURCE.format(version="dev"))
    with pytest.raises(ConfigError, match="not running here; start it with `faasbridge dev`"):
        project.deployer.invoke("work", Message("x"))
    process, _ = launch(project.stage, dev_folder(project.root, "prod"), port=0)
    try:
        assert project.get() == b"dev"
        project.deploy(SOURCE.format(version="deployed"))  # beside it, with data of its own
        assert project.get() == b"deployed"
        list(project.deployer.destroy())
        assert project.get() == b"dev"
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a\\..\\x"])
def test_an_artifact_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("main.py", "")
        zipped.writestr(name, "x")
    with pytest.raises(DeployError, match="leads out of its folder"):
        unpack(path, tmp_path / "releases" / "x")
    assert list((tmp_path / "releases").iterdir()) == []


def test_the_plugin_brings_the_provider() -> None:
    from faasbridge.plugins import kits, provider

    assert isinstance(provider("local"), LocalProvider)
    assert set(kits("local")) >= {"bucket", "table", "queue", "topic", "secret"}
