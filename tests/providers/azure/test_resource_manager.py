"""The simulator's Resource Manager, through the official clients."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")
from azure.core.exceptions import HttpResponseError

sys.path.insert(0, str(Path(__file__).parent))
from simulated_azure import STORAGE, SimulatedAzure, template

pytestmark = [pytest.mark.filterwarnings("default")]
ACCOUNT = f"[resourceId('{STORAGE}', 'shopdevstore')]"


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAzure]:
    simulated = SimulatedAzure(tmp_path_factory.mktemp("azure") / "server")
    yield simulated
    simulated.stop()


def refused(azure: SimulatedAzure, *resources: dict[str, Any]) -> str:
    with pytest.raises(HttpResponseError) as caught:
        azure.deploy(template(*resources), "refused")
    return str(caught.value)


def test_what_if_compares_with_what_is_deployed(azure: SimulatedAzure) -> None:
    def changes(wanted: dict[str, Any]) -> dict[str, str]:
        body = {"properties": {"mode": "Incremental", "template": wanted}}
        found = azure.deployments().begin_what_if(azure.group, "main", body).result(60)
        return {each.resource_id.rpartition("/")[2]: each.change_type.value for each in found.changes}

    azure.send("DELETE", f"{azure.scope}/providers/Microsoft.Web/sites/shop-work?api-version=2024-04-01")
    assert changes(template())["shop-work"] == "Create"
    assert azure.deploy(template()).properties.provisioning_state == "Succeeded"
    assert set(changes(template()).values()) == {"NoChange"}
    changed = changes(template(settings={"MORE": "1"}))
    assert {name for name, kind in changed.items() if kind == "Modify"} == {"shop-work"}


def test_outputs_are_of_the_created_resources(azure: SimulatedAzure) -> None:
    done = azure.deploy(template())
    assert f"http://{done.properties.outputs['endpoint']['value']}" == azure.address_of()


def test_a_failed_deployment_has_the_innermost_error(azure: SimulatedAzure) -> None:
    destination = {"endpointType": "StorageQueue", "properties": {"resourceId": ACCOUNT, "queueName": "no-such-queue"}}
    kind = "Microsoft.EventGrid/eventSubscriptions"
    bad = {"type": kind, "apiVersion": "2025-02-15", "name": "bad", "properties": {"destination": destination}}
    bad["dependsOn"] = [ACCOUNT]
    with pytest.raises(HttpResponseError) as caught:
        azure.deploy(template(bad), "failing")
    assert caught.value.error is not None
    assert caught.value.error.code == "DeploymentFailed"
    (inner,) = caught.value.error.details
    assert (inner.code, inner.message) == (
        "InvalidRequest",
        "The queue no-such-queue of the event subscription does not exist.",
    )
    listed = azure.send(
        "GET", f"{azure.scope}/providers/Microsoft.Resources/deployments/failing/operations?api-version=2024-11-01"
    )
    states = {
        each["properties"]["targetResource"]["resourceName"]: each["properties"]["provisioningState"]
        for each in listed.json()["value"]
    }
    assert (states["bad"], states["shopdevstore"]) == ("Failed", "Succeeded")


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [
        ({"type": "Microsoft.Nope/x", "apiVersion": "2024-01-01", "name": "a"}, "Microsoft.Nope/x"),
        ({"type": STORAGE, "apiVersion": "v1", "name": "abc"}, "NoRegisteredProviderFound"),
        ({"type": STORAGE, "apiVersion": "2024-01-01", "name": "Has-Dashes"}, "AccountNameInvalid"),
        ({"type": STORAGE, "apiVersion": "2024-01-01", "name": "abc", "dependsOn": ["gone"]}, "'gone' is not defined"),
        ({"type": STORAGE, "apiVersion": "2024-01-01", "name": "[nope('a')]"}, "'nope' is not valid"),
        ({"type": STORAGE, "apiVersion": "2024-01-01", "name": "[parameters('no')]"}, "'no' is not found"),
    ],
)
def test_what_azure_refuses_is_refused(azure: SimulatedAzure, resource: dict[str, Any], wanted: str) -> None:
    assert wanted in refused(azure, resource)


def test_a_stack_deletes_what_it_manages(azure: SimulatedAzure) -> None:
    from faasbridge_azure.deploying.connection import stacks_client

    stacks = azure.client(stacks_client()).deployment_stacks
    unmanage = {"resources": "delete"}
    settings = {"template": template(), "actionOnUnmanage": unmanage, "denySettings": {"mode": "none"}}
    stacks.begin_create_or_update_at_resource_group(azure.group, "shop", {"properties": settings}).result(60)
    found = stacks.get_at_resource_group(azure.group, "shop")
    assert (found.properties.provisioning_state, len(found.properties.resources)) == ("succeeded", 5)
    stacks.begin_delete_at_resource_group(azure.group, "shop", unmanage_action_resources="delete").result(60)
    left = azure.send("GET", f"{azure.scope}/resources?api-version=2024-11-01").json()["value"]
    assert "shopdevstore" not in [each["name"] for each in left]


def test_requests_without_a_token_are_refused(azure: SimulatedAzure, tmp_path: Path) -> None:
    import requests

    answer = requests.get(f"{azure.address}{azure.scope}?api-version=2024-11-01", verify=azure.ca, timeout=10)
    assert answer.status_code == 401
