"""The deployer against the simulated Azure: what it plans, does and leaves, whatever state it finds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")

from faasbridge.deploy import Progress
from faasbridge.errors import ConfigError, DeployError
from faasbridge.simulation.servers import Server

sys.path.insert(0, str(Path(__file__).parent))
from deploying import CODE, Deployment, account, broken, bucket, function, queue, simulated, table, template, vault

TWO = CODE.replace('"one"', '"two"')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with simulated(tmp_path_factory.mktemp("azure") / "server") as server:
        yield server


@pytest.fixture
def life(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    life = Deployment(server, "life", tmp_path, monkeypatch)
    monkeypatch.setattr("faasbridge_azure.deploying.rollout._lint", lambda planned: None)  # no models, no whole app
    life.template = with_more(life)
    yield life
    life.template = with_more(life)
    life.destroy()


def with_more(life: Deployment, *more: list[dict[str, Any]], **settings: str) -> dict[str, Any]:
    return template(life.group, function(**settings), queue("jobs"), *more)


def test_a_first_plan_creates_everything_and_leaves_nothing_behind(life: Deployment) -> None:
    wanted = {("create", "app", "shop"), ("create", "function", "work"), ("create", "queue", "jobs")}
    assert life.changes() == wanted
    assert life.send("GET", f"/resourceGroups/{life.group}").status_code == 404


def test_what_was_deployed_needs_no_change(life: Deployment) -> None:
    progress = life.deploy()
    assert [each.state for each in progress if each.step.name == "work"] == ["started", "done"]
    assert life.answer() == "one"
    assert life.changes() == set()
    assert life.deploy() == []


def test_a_step_is_done_when_its_resources_are_there(life: Deployment) -> None:
    states = [(each.step.name, each.state) for each in life.deploy()]
    assert states.index(("jobs", "done")) < states.index(("work", "done"))
    assert sorted(set(states)) == sorted(states)


def test_other_code_goes_past_the_stack(life: Deployment) -> None:
    life.deploy()
    before = life.stack()
    life.code = TWO
    assert [(step.action, step.name, step.reason) for step in life.plan().changes] == [("update", "work", "code")]
    life.deploy()
    assert life.answer() == "two"
    assert life.stack() == before
    assert life.changes() == set()


def test_a_change_of_the_template_keeps_the_code_that_runs(life: Deployment) -> None:
    life.deploy()
    life.template = with_more(life, PAGE_SIZE="7")
    (step,) = life.plan().changes
    assert (step.action, step.name, step.reason) == ("update", "work", "appSettings")
    life.deploy()
    assert life.answer() == "one"
    assert life.changes() == set()


def test_code_that_does_not_load_is_a_failed_deployment_of_that_function(life: Deployment) -> None:
    life.deploy()
    life.code = "import no_such_module"
    with pytest.raises(DeployError, match=r"function 'work': the code does not run there: .*no_such_module"):
        life.deploy()
    life.code = CODE
    assert life.changes() == {("update", "function", "work")}
    life.deploy()
    assert life.answer() == "one"


def test_what_fails_is_told_by_its_first_cause_and_the_rest_stays(life: Deployment) -> None:
    life.deploy()
    life.template = with_more(life, broken(), queue("more"))
    progress: list[Progress] = []
    with pytest.raises(DeployError) as failed:
        progress.extend(life.deployer().apply(life.plan()))
    said = str(failed.value)
    assert said.startswith("topic 'never' (microsoft.eventgrid/topics/eventsubscriptions): The queue missing of")
    assert said.endswith("; what was made stays, so put that right and deploy again")
    life.template = with_more(life, queue("more"))
    assert life.changes() >= {("delete", "topic", "never")}
    life.deploy()
    assert life.changes() == set()
    assert not [each for each in life.resources() if "EventGrid" in each]


def test_only_what_really_failed_is_shown_as_failed(life: Deployment) -> None:
    life.template = with_more(life, broken())
    progress: list[Progress] = []

    def deploy() -> None:
        for each in life.deployer().apply(life.plan()):
            progress.append(each)

    with pytest.raises(DeployError):
        deploy()
    assert {each.step.name for each in progress if each.state == "failed"} == {"never"}


def test_a_removed_table_loses_its_data_and_the_plan_says_so(life: Deployment) -> None:
    life.template = with_more(life, table("rows"), table("more")[-1:])
    life.deploy()
    life.template = with_more(life, table("rows"))
    (step,) = life.plan().changes
    assert (step.action, step.kind, step.name, step.data_loss) == ("delete", "table", "more", True)
    life.deploy()
    assert not [each for each in life.resources() if each.endswith("/more")]


def test_what_cannot_be_changed_is_replaced_and_the_plan_says_that_data_is_lost(life: Deployment) -> None:
    life.template = with_more(life, table("rows"))
    life.deploy()
    life.template = with_more(life, table("rows", key="/other"))
    (step,) = life.plan().changes
    assert (step.action, step.name, step.data_loss) == ("replace", "rows", True)
    assert step.reason == "partitionKey.paths cannot be changed"
    life.deploy()
    assert life.changes() == set()


def test_a_resource_group_that_is_not_ours_is_left_alone(life: Deployment) -> None:
    life.send("PUT", f"/resourceGroups/{life.group}", {"location": "westeurope"})
    with pytest.raises(ConfigError, match="did not make"):
        life.plan()
    assert life.destroy() == []
    assert life.send("DELETE", f"/resourceGroups/{life.group}").status_code == 202


def test_a_stack_that_is_not_ours_is_left_alone(life: Deployment, server: Server) -> None:
    life.deploy()
    life.stage = life.stage.__class__(**{**vars(life.stage), "settings": {**life.stage.settings}})
    where = f"/resourceGroups/{life.group}/providers/Microsoft.Resources/deploymentStacks/{life.group}"
    properties = {"template": life.template, "actionOnUnmanage": {"resources": "detach"}}
    life.send("PUT", where, {"properties": properties})
    for do in (life.plan, life.destroy):
        with pytest.raises(ConfigError, match="did not make"):
            do()
    tags = {"faasbridge-app": life.stage.app, "faasbridge-stage": "t"}
    while life.send("PUT", where, {"tags": tags, "properties": properties}).status_code == 409:
        pass


def test_a_plan_that_was_overtaken_is_not_applied(life: Deployment) -> None:
    life.deploy()
    life.template = with_more(life, queue("more"))
    overtaken = life.plan()
    life.template = with_more(life, queue("other"))
    life.deploy()
    with pytest.raises(DeployError, match="has changed since the plan was made"):
        list(life.deployer().apply(overtaken))
    assert life.changes() == set()


def test_an_operation_that_runs_is_waited_for(life: Deployment) -> None:
    life.deploy()
    life.template = with_more(life, account("slow"))  # an Azurite of its own takes a second
    life.deployer()._stack.put(life.template, life.plan().token.digest)
    (step,) = life.plan().steps
    assert (step.kind, step.reason) == ("stack", "another operation is running: it is waited for first")
    life.deploy()
    assert life.changes() == set()


def test_data_is_not_destroyed_unasked(life: Deployment) -> None:
    blob = "reference(resourceId('Microsoft.Storage/storageAccounts', 'ACCOUNT'), '2024-01-01').primaryEndpoints.blob"
    addresses = {"FAASBRIDGE_BUCKET_FILES": f"[concat({blob}, 'files')]"}
    names = {"FAASBRIDGE_BUCKET_FILES": ["bucket", "files"]}
    parts = (function(), queue("jobs"), bucket("files"))
    life.template = template(life.group, *parts, addresses=addresses, names=names)
    life.deploy()
    url = life.stack()["properties"]["outputs"]["addresses"]["value"]["FAASBRIDGE_BUCKET_FILES"]
    life.clients.container(url).upload_blob("one", b"1")
    with pytest.raises(ConfigError, match=r"^bucket 'files' holds 1 object: destroy that as well with --delete-data$"):
        life.destroy(delete_data=False)
    assert life.answer() == "one"
    life.destroy()
    assert life.send("GET", f"/resourceGroups/{life.group}").status_code == 404


def test_what_is_destroyed_can_be_deployed_again_under_the_same_names(life: Deployment) -> None:
    life.template = with_more(life, vault())
    for _ in range(2):
        life.deploy()
        progress = life.destroy()
        assert {each.step.name for each in progress if each.state == "done"} >= {"work", "jobs", "shop", life.group}
        assert life.send("GET", f"/resourceGroups/{life.group}").status_code == 404
    assert life.destroy() == []


def test_a_group_with_something_else_in_it_stays(life: Deployment) -> None:
    life.deploy()
    where = f"/resourceGroups/{life.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/theirs"
    life.send("PUT", where, {"location": "westeurope"})
    life.destroy()
    assert life.resources() == ["Microsoft.ManagedIdentity/userAssignedIdentities/theirs"]
    life.send("DELETE", where)
    life.destroy()
    assert life.send("GET", f"/resourceGroups/{life.group}").status_code == 404
