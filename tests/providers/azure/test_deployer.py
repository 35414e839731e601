"""The deployer against the simulated Azure: what it plans, does and leaves, whatever state it finds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")

from faasbridge import App
from faasbridge.deploy import Progress
from faasbridge.errors import ConfigError, DeployError
from faasbridge.simulation.servers import Server
from faasbridge_azure.template import synthesize

sys.path.insert(0, str(Path(__file__).parent))
from arm_templates import KIT_OF, STORAGE
from deploying import (
    CODE,
    DOCUMENTS,
    Deployment,
    account,
    broken,
    bucket,
    function,
    queue,
    table,
    template,
    vault,
)

TWO = CODE.replace('"one"', '"two"')


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


def test_a_subscription_that_is_not_there_is_no_empty_one(life: Deployment) -> None:
    life.stage = replace(
        life.stage, settings={**life.stage.settings, "subscription": "11112222-0000-4000-8000-000000000000"}
    )
    for do in (life.plan, life.destroy, lambda: life.deployer().status(), lambda: life.deployer().outcome()):
        with pytest.raises(DeployError, match=r"could not be found: correct `subscription` in the stage's settings"):
            do()
    life.stage = replace(
        life.stage, settings={**life.stage.settings, "subscription": life.server.details["subscription"]}
    )


def test_a_provider_that_is_not_registered_says_how_to_register_it(life: Deployment) -> None:
    life.send("POST", "/providers/Microsoft.Web/unregister")
    try:
        with pytest.raises(DeployError, match=r"register it with `az provider register --namespace Microsoft\.Web`$"):
            life.deploy()
    finally:
        life.send("POST", "/providers/Microsoft.Web/register")
    life.deploy()
    assert life.answer() == "one"


def test_a_name_that_somebody_else_has_is_told(life: Deployment) -> None:
    theirs = f"/resourceGroups/theirs/providers/{STORAGE}/lifestore"
    life.send("PUT", "/resourceGroups/theirs", {"location": "westeurope"})
    life.send("PUT", theirs, {"location": "westeurope", "kind": "StorageV2"})
    with pytest.raises(DeployError, match=r"^app 'shop' \(.*\): The storage account named lifestore is already taken"):
        life.deploy()
    life.send("DELETE", "/resourceGroups/theirs")
    life.deploy()
    assert life.changes() == set()


def test_a_vault_that_cannot_be_purged_is_had_back_with_what_is_in_it(life: Deployment) -> None:
    uri = "reference(resourceId('Microsoft.KeyVault/vaults', 'STACK-kept'), '2023-07-01').vaultUri"
    where = {"addresses": {"TOKEN": f"[concat({uri}, 'secrets/token')]"}, "names": {"TOKEN": ["secret", "token"]}}
    life.template = template(life.group, function(), vault("STACK-kept", enablePurgeProtection=True), **where)
    life.deploy()
    life.deployer().set_secret("token", "one")
    life.destroy()
    life.deploy()
    assert life.deployer().secrets() == {"token": True}
    life.deployer().unset_secret("token")
    assert life.deployer().secrets() == {"token": False}
    life.deployer().set_secret("token", "two")
    address = life.stack()["properties"]["outputs"]["addresses"]["value"]["TOKEN"].partition("secrets/")[0]
    assert life.clients.vault(address).get_secret("token").value == "two"


def test_things_of_another_resource_group_are_used_and_stay(life: Deployment) -> None:
    place = elsewhere(life)
    app = App("life")
    files, rows, news = (
        app.bucket("files", existing=True),
        app.table("rows", key="id", existing=True),
        app.topic("news", existing=True),
    )
    home = app.get("/", uses=[files.get, rows.put, news.publish])
    home(lambda request: None)
    news.on_message(name="read")(lambda message: None)
    settings = {**life.stage.settings, "existing": place}
    life.stage = replace(life.stage, settings=settings, python="3.13")
    life.template = synthesize(app.spec(), life.stage, KIT_OF)
    life.deploy()
    assert life.changes() == set()
    there = life.resources("elsewhere")
    assert [each.partition("/")[0] for each in there].count("Microsoft.Authorization") == 2
    assert "Microsoft.EventGrid/topics/eventSubscriptions/old-news/life-t-read" in there
    assert any("sqlRoleAssignments" in each for each in there)

    fewer = App("life")
    fewer.bucket("files", existing=True)
    fewer.get("/", uses=[fewer.resources["bucket", "files"].get])(lambda request: None)
    life.template = synthesize(fewer.spec(), life.stage, KIT_OF)
    assert ("delete", "function", "read") in life.changes()
    life.deploy()
    assert life.changes() == set()
    assert not [each for each in life.resources("elsewhere") if "eventSubscriptions" in each or "sqlRole" in each]
    life.destroy()
    kept = ["databaseAccounts/old-docs", "containers/oldstore/default/files", "topics/old-news"]
    assert all(any(each.endswith(name) for each in life.resources("elsewhere")) for name in kept)
    assert not [each for each in life.resources("elsewhere") if "Authorization" in each]
    life.send("DELETE", "/resourceGroups/elsewhere")


def test_a_table_with_other_keys_loses_its_rows_and_the_plan_says_so(life: Deployment) -> None:
    def keyed(**keys: str) -> dict[str, Any]:
        app = App("life")
        app.table("rows", **keys)  # type: ignore[arg-type]
        return synthesize(app.spec(), life.stage, KIT_OF)

    life.template = keyed(key="id")
    life.deploy()
    life.template = keyed(key="owner", sort_key="id")
    (step,) = (each for each in life.plan().changes if each.kind == "table")
    assert (step.action, step.name, step.data_loss) == ("update", "rows", True)
    life.deploy()
    assert life.changes() == set()


def elsewhere(life: Deployment) -> dict[str, str]:
    """A bucket, a table and a topic in a group of somebody else's, as the setting `existing` has them."""
    group = "/resourceGroups/elsewhere"
    life.send("PUT", group, {"location": "westeurope"})
    store, docs = f"{group}/providers/{STORAGE}/oldstore", f"{group}/providers/{DOCUMENTS}/old-docs"
    files, news = (
        f"{store}/blobServices/default/containers/files",
        f"{group}/providers/Microsoft.EventGrid/topics/old-news",
    )
    rows = f"{docs}/sqlDatabases/db/containers/rows"
    for path, body in (
        (store, {"kind": "StorageV2"}),
        (files, {}),
        (docs, {}),
        (f"{docs}/sqlDatabases/db", {}),
        (rows, {"properties": {"resource": {"id": "rows", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}}}}),
        (news, {"identity": {"type": "SystemAssigned"}}),
    ):
        assert life.send("PUT", path, {"location": "westeurope", **body}).status_code == 200, path
    subscription = f"/subscriptions/{life.server.details['subscription']}"
    return {"files": subscription + files, "rows": subscription + rows, "news": subscription + news}


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
