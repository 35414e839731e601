"""What a deployment that failed has left: it is looked after, and its data is not destroyed unasked."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
from azure.core.exceptions import ResourceNotFoundError

from faasbridge.errors import ConfigError, DeployError
from faasbridge_azure.simulator import access

sys.path.insert(0, str(Path(__file__).parent))
from deploying import (
    Deployment,
    Quick,
    broken,
    bucket,
    files,
    function,
    queue,
    table,
    template,
    token,
    vault,
)

FUNCTIONS = {"functions": {"work": "STACK-work"}}


def deploy_in_vain(life: Deployment) -> None:
    with pytest.raises(DeployError):
        life.deploy()
    assert not life.stack()["properties"].get("outputs")


def with_an_object(life: Deployment) -> None:
    life.template = template(life.group, function(), queue("jobs"), bucket("files"), **files())
    life.deploy()
    url = life.stack()["properties"]["outputs"]["addresses"]["value"]["FAASBRIDGE_BUCKET_FILES"]
    life.clients.container(url).upload_blob("one", b"1")


def test_data_of_a_failed_deployment_is_not_destroyed_unasked(life: Deployment) -> None:
    with_an_object(life)
    life.template = template(life.group, function(), queue("jobs"), bucket("files"), broken(), **files())
    deploy_in_vain(life)
    with pytest.raises(ConfigError, match=r"^bucket 'files' holds 1 object: destroy that as well with --delete-data$"):
        life.destroy(delete_data=False)
    assert life.answer() == "one"


def test_a_bucket_that_a_failed_deployment_was_to_delete_still_holds_data(life: Deployment) -> None:
    with_an_object(life)
    life.template = template(life.group, function(), queue("jobs"), broken())
    deploy_in_vain(life)
    with pytest.raises(ConfigError, match="bucket 'files' holds 1 object"):
        life.destroy(delete_data=False)


def test_rows_are_counted_without_outputs(life: Deployment) -> None:
    life.template = template(life.group, function(), table("rows", key="/pk"), broken())
    deploy_in_vain(life)
    account = f"/resourceGroups/{life.group}/providers/Microsoft.DocumentDB/databaseAccounts/{life.group}-docs"
    endpoint = life.send("GET", account).json()["properties"]["documentEndpoint"]
    rows = life.clients.cosmos(endpoint).get_database_client("app").get_container_client("rows")
    rows.upsert_item({"id": "change", "pk": "a"})
    rows.upsert_item({"id": "row", "pk": "a", "faasbridge": "row"})
    with pytest.raises(ConfigError, match=r"^table 'rows' holds 1 row: destroy"):
        life.destroy(delete_data=False)


def test_data_is_found_without_the_template(life: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    with_an_object(life)

    def gone(*_: Any) -> None:
        raise ResourceNotFoundError("gone")

    deployer = life.deployer()
    monkeypatch.setattr(type(deployer._cloud.stacks), "export_template_at_resource_group", gone)
    with pytest.raises(ConfigError, match=r"container 'files' holds 1 object"):
        list(deployer.destroy())
    life.template = template(life.group, function(), queue("jobs"))
    assert [step.data_loss for step in life.plan().changes if step.action == "delete"] == [True]


def test_what_cannot_be_counted_is_not_destroyed_unasked(life: Deployment) -> None:
    with_an_object(life)
    where = f"/resourceGroups/{life.group}/providers/Microsoft.Web/sites/{life.group}-work"
    principal = life.send("GET", where).json()["identity"]["principalId"]
    with pytest.raises(ConfigError, match=r"^whether bucket 'files' holds anything cannot be seen \(.*not authorized"):
        list(life.deployer(Quick(life.server, credential=Identity(principal))).destroy())
    assert life.answer() == "one"


class Identity:
    """A credential of somebody who may deploy and has no rights on data."""

    def __init__(self, principal: str) -> None:
        self._principal = principal

    def get_token(self, *scopes: str, **_: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(access.token(self._principal, "", scopes[0]), int(time.time()) + 3600)


def test_what_a_failed_deployment_made_is_looked_after(life: Deployment) -> None:
    life.template = template(life.group, function(), vault(), broken(), **FUNCTIONS, **token())
    deploy_in_vain(life)
    deployer = life.deployer()
    assert {name: each["state"] for name, each in deployer.status()["functions"].items()} == {"work": "without code"}
    assert deployer.secrets() == {"token": False}
    deployer.set_secret("token", "one")
    assert deployer.secrets() == {"token": True}
    assert list(deployer.logs("work", since_s=60, follow=False)) == []


def test_what_a_failed_deployment_did_not_make_is_told_from_what_is_not_deployed(life: Deployment) -> None:
    with pytest.raises(ConfigError, match="is not deployed"):
        life.deployer().set_secret("token", "one")
    life.template = template(life.group, function(), broken(), **FUNCTIONS, **token("STACK-other"))
    deploy_in_vain(life)
    with pytest.raises(ConfigError, match=r"has no secret 'token'.*; the last one did not end well, so deploy again$"):
        life.deployer().set_secret("token", "one")
    assert list(life.deployer().status()["functions"]) == ["work"]
