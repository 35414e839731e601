"""The life of a deployment: planned, made, left alone, changed, asked, and gone without a trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from ..app import App
from ..config import Project, load_app
from ..deploy import Plan
from ..events import Message
from ..local.state import base_folder
from ..pipeline import Target
from ..provider import Deployer, Simulator
from ..resources import Queue, Table
from ..testing.client import Client, over_socket
from ..testing.packed import share
from ..testing.running import Running, running, started
from .harness import Harness, Suite

Case = TypeVar("Case", bound=Callable[..., None])

SOURCE = """
from __future__ import annotations

from faasbridge import App, Message, NotFound, Reply, Request

app = App("life")
done = app.table("done", key="id")
jobs = app.queue("jobs")
token = app.secret("token")
# more resources


@app.get("/version", uses=[token.get])
def version(request: Request) -> Reply:
    try:
        secret = token.get()
    except NotFound:
        secret = None
    return {"version": 1, "secret": secret}


@jobs.on_message(max_attempts=1, uses=[done.put])
def work(message: Message) -> str:
    print("working on", message.text())
    if message.text() == "poison" and VERSION == 1:
        raise RuntimeError("version 1 cannot do this")
    done.put({"id": message.text(), "version": VERSION})
    return f"did {message.text()}"


VERSION = 1
"""

MORE = SOURCE.replace("# more resources", 'more = app.table("more", key="id")')


KEEPER = """
from faasbridge import App, Message

app = App("keeper")
app.queue("jobs").on_message(name="rest")(lambda message: None)
"""


def deploys(case: Case) -> Case:
    """A case that is not collected where the harness has no deployer."""
    case.deploys = True  # type: ignore[attr-defined]
    return case


class Life:
    """A small project and its deployment. What it simulates is in `simulators`, where that is given."""

    def __init__(
        self, harness: Harness, root: Path, name: str, source: str = SOURCE, simulators: Path | None = None
    ) -> None:
        self.harness = harness
        self.root = root
        self.module = f"life_{name}"
        (root / "pyproject.toml").write_text(
            '[project]\nname = "life"\nversion = "1"\nrequires-python = ">=3.11"\n\n'
            f'[tool.faasbridge]\napp = "{self.module}:app"\n'
        )
        self.write(source)
        share(root)
        if simulators is not None:
            (base_folder(root) / "simulators").symlink_to(simulators, target_is_directory=True)

    def write(self, source: str) -> None:
        (self.root / f"{self.module}.py").write_text(source)

    def target(self) -> Target:
        stages = {self.harness.stage_name: {"env": self.harness.env, self.harness.provider.name: self.harness.settings}}
        found = Project.load(self.root)
        project = Project(
            self.root,
            found.app_ref,
            targets=(self.harness.provider.name,),
            python=found.python,
            stages=stages,
            app_name="keeper" if "keeper" in self.module else "life",
        )
        return Target(project, self.harness.provider.name, self.harness.stage_name, simulate=self.harness.simulate)

    def deployer(self) -> Deployer:
        return self.target().deployer()

    def plan(self) -> Plan:
        return self.target().plan()[1]

    def deploy(self) -> Plan:
        target = self.target()
        deployer, plan = target.plan()
        progress = list(target.apply(deployer, plan))
        assert [step for step in progress if step.state == "failed"] == []
        finished = {(step.step.kind, step.step.name) for step in progress if step.state == "done"}
        assert finished >= {(step.kind, step.name) for step in plan.changes}
        return plan

    def client(self) -> Client:
        return over_socket(self.deployer().outcome().endpoints["http"])

    def answers(self) -> bool:
        try:
            return self.client().get("/version").status == 200
        except (OSError, KeyError):
            return False


class Keeper:
    """An app that stays deployed, so that its simulator stays for one case after another: starting one takes longer
    than a case. It is started and stopped as a simulator is."""

    def __init__(self, harness: Harness, root: Path) -> None:
        self.simulators = base_folder(root) / "simulators"
        self._life = Life(harness, root, "keeper", KEEPER)

    def start(self) -> None:
        self._life.deploy()

    def stop(self) -> None:
        list(self._life.deployer().destroy(delete_data=True))


class Cases(Suite):
    @pytest.fixture
    def simulators(self, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
        if not self.harness.simulate:
            return None

        def start() -> Running:
            keeper = Keeper(self.harness, tmp_path_factory.mktemp("keeper"))
            return started(App("keeper"), self.harness.provider.name, cast("Simulator", keeper), None)

        kept = running((self.harness, "keeper"), start)
        return cast("Keeper", kept.simulator).simulators

    @pytest.fixture
    def life(
        self,
        _needed: None,
        tmp_path: Path,
        simulators: Path | None,
        request: pytest.FixtureRequest,
    ) -> Iterator[Life]:
        name = request.node.name.replace("test_", "").replace("[", "_").replace("]", "")[:40]
        life = Life(self.harness, tmp_path, name, simulators=simulators)
        try:
            yield life
        finally:
            list(life.deployer().destroy(delete_data=True))

    @deploys
    def test_planning_only_reads(self, life: Life) -> None:
        first, second = life.plan(), life.plan()
        assert first.steps == second.steps
        assert first.changes
        assert {step.action for step in first.changes} == {"create"}
        assert {("queue", "jobs"), ("table", "done")} <= {(step.kind, step.name) for step in first.steps}
        assert not life.answers()

    @deploys
    def test_a_deployed_app_answers_and_a_second_plan_has_no_changes(self, life: Life) -> None:
        life.deploy()
        assert life.client().get("/version").json() == {"version": 1, "secret": None}
        assert life.plan().changes == ()
        assert life.deploy().changes == ()
        assert life.answers()

    @deploys
    def test_a_change_of_code_is_an_update_and_keeps_data(self, life: Life) -> None:
        life.deploy()
        self.put_row(life, "kept")
        life.write(SOURCE.replace('"version": 1', '"version": 2'))
        plan = life.plan()
        assert {step.action for step in plan.changes} == {"update"}
        assert not any(step.data_loss for step in plan.steps)
        life.deploy()
        assert life.client().get("/version").json()["version"] == 2
        assert self.row(life, "kept") == {"id": "kept"}
        assert life.plan().changes == ()

    @deploys
    def test_a_new_resource_is_created(self, life: Life) -> None:
        life.deploy()
        life.write(MORE)
        assert ("create", "table", "more") in {(step.action, step.kind, step.name) for step in life.deploy().changes}
        assert life.plan().changes == ()

    @deploys
    def test_a_removed_resource_loses_its_data_only_where_the_plan_says_so(self, life: Life) -> None:
        life.write(MORE)
        life.deploy()
        self.put_row(life, "kept?", table="more")
        life.write(SOURCE)
        (step,) = [step for step in life.plan().changes if step.name == "more"]
        assert step.action == "delete"
        life.deploy()
        assert life.plan().changes == ()
        life.write(MORE)
        life.deploy()
        assert (self.row(life, "kept?", table="more") is None) == step.data_loss

    @deploys
    def test_what_is_destroyed_is_gone_and_can_be_made_again(self, life: Life) -> None:
        life.deploy()
        self.put_row(life, "old")
        list(life.deployer().destroy(delete_data=True))
        assert not life.answers()
        list(life.deployer().destroy(delete_data=True))
        assert {step.action for step in life.plan().changes} == {"create"}
        life.deploy()
        assert life.answers()
        assert self.row(life, "old") is None

    @deploys
    def test_an_interrupted_deployment_converges_with_the_next(self, life: Life) -> None:
        target = life.target()
        deployer, plan = target.plan()
        applying = iter(target.apply(deployer, plan))
        with suppress(StopIteration):
            next(applying)
        del applying  # as Ctrl-C would leave it
        life.deploy()
        assert life.answers()
        assert life.plan().changes == ()

    @deploys
    def test_a_deployed_handler_can_be_invoked_and_its_log_read(self, life: Life) -> None:
        life.deploy()
        deployer = life.deployer()
        assert deployer.invoke("work", Message("by hand")) == "did by hand"
        assert self.row(life, "by hand") == {"id": "by hand", "version": 1}
        eventually(
            lambda: any("working on by hand" in line.text for line in deployer.logs("work", since_s=600, follow=False))
        )
        assert deployer.status()

    @deploys
    def test_dead_letters_are_listed_replayed_and_purged(self, life: Life) -> None:
        life.deploy()
        self.send(life, "poison")
        deployer = life.deployer()
        eventually(lambda: len(deployer.dead_letters("work")) == 1)
        (letter,) = deployer.dead_letters("work")
        assert "version 1 cannot do this" in letter.reason
        life.write(SOURCE.replace("VERSION = 1", "VERSION = 2"))
        life.deploy()
        deployer = life.deployer()
        assert deployer.replay("work", [letter.id]) == 1
        eventually(lambda: self.row(life, "poison") == {"id": "poison", "version": 2})
        assert deployer.dead_letters("work") == []
        life.write(SOURCE)
        life.deploy()
        self.send(life, "poison")
        deployer = life.deployer()
        eventually(lambda: len(deployer.dead_letters("work")) == 1)
        assert deployer.purge("work") == 1
        assert deployer.dead_letters("work") == []

    @deploys
    def test_a_secret_is_set_and_unset_and_stands_in_no_plan(self, life: Life) -> None:
        life.deploy()
        deployer = life.deployer()
        assert deployer.secrets() == {"token": False}
        deployer.set_secret("token", "a-value-to-look-for")
        assert deployer.secrets() == {"token": True}
        plan = life.deploy()
        assert "a-value-to-look-for" not in repr(plan)
        eventually(lambda: life.client().get("/version").json()["secret"] == "a-value-to-look-for")
        deployer.unset_secret("token")
        assert deployer.secrets() == {"token": False}

    def put_row(self, life: Life, key: str, table: str = "done") -> None:
        with bound(life) as app:
            self.table(app, table).put({"id": key})

    def row(self, life: Life, key: str, table: str = "done") -> dict[str, Any] | None:
        with bound(life) as app:
            return self.table(app, table).get(key)

    def send(self, life: Life, body: str) -> None:
        with bound(life) as app:
            cast("Queue", app.resources["queue", "jobs"]).send(body)

    def table(self, app: App, name: str) -> Table[dict[str, Any]]:
        return cast("Table[dict[str, Any]]", app.resources.get(("table", name)) or app.table(name, key="id"))


@contextmanager
def bound(life: Life) -> Iterator[App]:
    """The deployed resources, by the app object, as `faasbridge run` binds them."""
    app: App = load_app(f"{life.module}:app", life.root)
    app.bound = life.deployer().bind(app)
    try:
        yield app
    finally:
        app.bound = None


def eventually(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
