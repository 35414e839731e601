"""Key vaults that were deleted and hold their names: a deployment has them back with what is in them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport

from faasbridge.errors import DeployError
from faasbridge.simulation.servers import Server

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Deployment, Quick, broken, function, queue, template, token, until, vault


def with_a_secret(life: Deployment) -> None:
    life.template = template(life.group, function(), vault(), **token())
    life.deploy()
    life.deployer().set_secret("token", "one")


def value(life: Deployment) -> str:
    url = life.stack()["properties"]["outputs"]["addresses"]["value"]["FAASBRIDGE_SECRET_TOKEN"]
    return str(life.clients.vault(url.partition("secrets/")[0]).get_secret("token").value)


def test_one_that_left_with_an_update_comes_back(life: Deployment) -> None:
    with_a_secret(life)
    wanted, life.template = life.template, template(life.group, function(), queue("jobs"))
    life.deploy()
    life.template = wanted
    life.deploy()
    assert value(life) == "one"
    assert life.changes() == set()


def test_one_whose_group_was_deleted_by_accident_comes_back(life: Deployment) -> None:
    with_a_secret(life)
    life.send("DELETE", f"/resourceGroups/{life.group}")
    until(lambda: life.send("GET", f"/resourceGroups/{life.group}").status_code == 404)
    life.deploy()
    assert value(life) == "one"


def test_one_that_a_destroy_purged_is_a_new_one(life: Deployment) -> None:
    with_a_secret(life)
    life.destroy()
    life.deploy()
    assert life.deployer().secrets() == {"token": False}


class Blind(RequestsTransport):
    """Of somebody who may deploy into the resource group, and may not look at the subscription's deleted vaults."""

    def send(self, request: object, **options: object) -> object:
        if "deletedVaults" in request.url:  # type: ignore[attr-defined]
            raise _denied()
        return super().send(request, **options)  # type: ignore[arg-type]


def _denied() -> HttpResponseError:
    error = HttpResponseError("(AuthorizationFailed)")
    error.status_code = 403
    return error


def test_who_may_not_look_for_one_has_it_back_all_the_same(life: Deployment, server: Server) -> None:
    with_a_secret(life)
    life.clients = Quick(server, transport=Blind(connection_verify=server.details["ca"]))
    life.destroy()
    progress = life.deploy()
    assert {each.state for each in progress} == {"started", "done"}
    life.clients = Quick(server)
    assert value(life) == "one"


def test_another_failure_beside_it_is_told(life: Deployment, server: Server) -> None:
    with_a_secret(life)
    life.clients = Quick(server, transport=Blind(connection_verify=server.details["ca"]))
    life.destroy()
    life.template = template(life.group, function(), vault(), broken(), **token())
    with pytest.raises(DeployError, match=r"^topic 'never'"):
        life.deploy()
    life.clients = Quick(server)
    assert life.deployer().secrets() == {"token": True}
