"""What the deployer's tests share: a simulated Azure, and templates small enough to see what deploying them does."""

# ruff: noqa: E501 - the templates are tables

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from simulated_azure import HOST, SCHEMA, STORAGE

from faasbridge.deploy import Plan, Progress
from faasbridge.provider import Artifact, Stage
from faasbridge.simulation import servers
from faasbridge.simulation.servers import Server
from faasbridge.spec import AppSpec
from faasbridge_azure.deployer import AzureDeployer
from faasbridge_azure.drivers.clients import Clients
from faasbridge_azure.simulator import Owner
from faasbridge_azure.simulator.tools import launch

DOCUMENTS = "Microsoft.DocumentDB/databaseAccounts"
CODE = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
@app.route(route="{*path}", methods=["GET"])
def work(req: func.HttpRequest) -> func.HttpResponse: return func.HttpResponse("one")
"""


@contextmanager
def simulated(folder: Path) -> Iterator[Server]:
    process, server = launch(folder, test=True)
    try:
        yield server
    finally:
        servers.end(process)


class Quick(Clients):
    """`more` are azure-core's options of each management client."""

    def __init__(self, server: Server, credential: Any = None, **more: Any) -> None:
        super().__init__(credential=credential or Owner(), ca=server.details["ca"])
        self._more = more

    def core_options(self) -> dict[str, Any]:
        return {**super().core_options(), "polling_interval": 0.05, **self._more}


class Deployment:
    """One app of a test's own, with whatever template the test gives it."""

    def __init__(self, server: Server, app: str, root: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.server, self.root = server, root
        address = server.details["address"]
        own = {"subscription": server.details["subscription"], "resource_manager": address, "log_analytics": address}
        self.stage = Stage(app, "t", "azure", root, settings={"location": "westeurope", **own, **settings})
        self.clients = Quick(server)
        self.spec = AppSpec(app, app)
        self.code = CODE
        self.template: Mapping[str, Any] = {}
        monkeypatch.setattr("faasbridge.pipeline.template", lambda spec, stage: self.template)

    @property
    def group(self) -> str:
        return f"{self.stage.app}-t"

    def deployer(self, clients: Clients | None = None) -> AzureDeployer:
        return AzureDeployer(self.stage, clients or self.clients)

    def artifact(self) -> Artifact:
        return artifact_of(self.root / "artifact.zip", self.code)

    def plan(self) -> Plan:
        return self.deployer().plan(self.spec, self.artifact())

    def deploy(self) -> list[Progress]:
        return list(self.deployer().apply(self.plan()))

    def destroy(self, *, delete_data: bool = True) -> list[Progress]:
        return list(self.deployer().destroy(delete_data=delete_data))

    def changes(self) -> set[tuple[str, str, str]]:
        return {(step.action, step.kind, step.name) for step in self.plan().changes}

    def send(self, method: str, path: str, body: Any = None) -> Any:
        import requests

        url = f"{self.server.details['address']}/subscriptions/{self.server.details['subscription']}{path}"
        headers = {"Authorization": "Bearer owner"}
        version = {"api-version": "2024-11-01"}
        return requests.request(
            method, url, params=version, json=body, headers=headers, verify=self.server.details["ca"], timeout=60
        )

    def resources(self, group: str = "") -> list[str]:
        """Types and names of what is in the resource group, or another one."""
        listed = self.send("GET", f"/resourceGroups/{group or self.group}/resources").json().get("value", [])
        return sorted(f"{each['type']}/{each['name']}" for each in listed)

    def stack(self) -> dict[str, Any]:
        where = f"/resourceGroups/{self.group}/providers/Microsoft.Resources/deploymentStacks/{self.group}"
        found: dict[str, Any] = self.send("GET", where).json()
        return found

    def answer(self, function: str = "work") -> str:
        import requests

        where = f"/resourceGroups/{self.group}/providers/Microsoft.Web/sites/{self.group}-{function}"
        host = self.send("GET", where).json()["properties"]["defaultHostName"]
        return requests.get(f"http://{host}/x", timeout=30).text


@contextmanager
def deployment(server: Server, app: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """One whose template a test chooses, of a function and a queue at first; destroyed with all data at the end."""
    life = Deployment(server, app, root, monkeypatch)
    monkeypatch.setattr("faasbridge_azure.deploying.rollout._lint", lambda planned: None)  # no models, no whole app
    life.template = template(life.group, function(), queue("jobs"))
    yield life
    life.template = template(life.group, function(), queue("jobs"))
    life.destroy()


def until(condition: Any) -> Any:
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline, "not within 30 s"
        time.sleep(0.02)
    return found


def artifact_of(path: Path, code: str) -> Artifact:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("host.json"), HOST)
        archive.writestr(zipfile.ZipInfo("function_app.py"), code)
    path.write_bytes(content.getvalue())
    return Artifact(path, hashlib.sha256(content.getvalue()).hexdigest(), len(content.getvalue()))


# Parts of templates. `name` is the app's and stage's: what is unique in the world is made of it.


def template(name: str, *parts: list[dict[str, Any]], **outputs: Any) -> dict[str, Any]:
    """Of what the functions below make."""
    resources, owners = [], {}
    for each in (each for part in (account(), *parts) for each in part):
        made = {key: value for key, value in each.items() if key != "owner"}
        made = _named({"apiVersion": "2024-01-01", **made}, name)
        resources.append(made)
        owners[f"{made['type']}/{made['name']}"] = each["owner"]
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": resources,
        "outputs": {key: {"type": "object", "value": _named(value, name)} for key, value in outputs.items()},
        "metadata": {"faasbridge": {"owners": owners}},
    }


def account(more: str = "") -> list[dict[str, Any]]:
    properties, owner = {"allowSharedKeyAccess": False}, ["app", "shop", f"storage{more}"]
    return [{"type": STORAGE, "name": f"ACCOUNT{more}", "location": "westeurope", "owner": owner, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties}]  # fmt: skip


ACCOUNT_ID = f"[resourceId('{STORAGE}', 'ACCOUNT')]"


def function(name: str = "work", **settings: str) -> list[dict[str, Any]]:
    owner = ["function", name]
    blob = f"reference(resourceId('{STORAGE}', 'ACCOUNT'), '2024-01-01').primaryEndpoints.blob"
    values = {"AzureWebJobsStorage__accountName": "ACCOUNT", **settings}
    storage = {"type": "blobContainer", "value": f"[concat({blob}, 'code')]"}
    config = {
        "deployment": {"storage": storage},
        "runtime": {"name": "python", "version": "3.13"},
        "scaleAndConcurrency": {"instanceMemoryMB": 512, "maximumInstanceCount": 40},
    }
    listed = [{"name": key, "value": value} for key, value in values.items()]
    properties = {
        "serverFarmId": "[resourceId('Microsoft.Web/serverfarms', 'STACK-plan')]",
        "httpsOnly": True,
        "functionAppConfig": config,
        "siteConfig": {"appSettings": listed},
    }
    tags = {"faasbridge-app": "APP", "faasbridge-stage": "t"}
    return [
        {"type": "Microsoft.Web/serverfarms", "name": "STACK-plan", "location": "westeurope", "owner": [*owner, "plan"]},
        {"type": f"{STORAGE}/blobServices/containers", "name": "ACCOUNT/default/code", "dependsOn": [ACCOUNT_ID], "owner": [*owner, "code"]},
        {"type": "Microsoft.Web/sites", "name": f"STACK-{name}", "location": "westeurope", "kind": "functionapp,linux", "tags": tags, "identity": {"type": "SystemAssigned"}, "dependsOn": ["STACK-plan", ACCOUNT_ID], "properties": properties, "owner": [*owner, ""]},
    ]  # fmt: skip


def queue(name: str) -> list[dict[str, Any]]:
    kind = f"{STORAGE}/queueServices/queues"
    return [{"type": kind, "name": f"ACCOUNT/default/{name}", "dependsOn": [ACCOUNT_ID], "owner": ["queue", name, ""]}]


def files() -> dict[str, Any]:
    """Outputs that say where the bucket `files` is."""
    blob = f"reference(resourceId('{STORAGE}', 'ACCOUNT'), '2024-01-01').primaryEndpoints.blob"
    return {
        "addresses": {"FAASBRIDGE_BUCKET_FILES": f"[uri({blob}, 'files')]"},
        "names": {"FAASBRIDGE_BUCKET_FILES": ["bucket", "files"]},
    }


def token(name: str = "STACK-v") -> dict[str, Any]:
    """Outputs that say where the secret `token` of that vault is."""
    uri = f"reference(resourceId('Microsoft.KeyVault/vaults', '{name}'), '2023-07-01').vaultUri"
    return {
        "addresses": {"FAASBRIDGE_SECRET_TOKEN": f"[uri({uri}, 'secrets/token')]"},
        "names": {"FAASBRIDGE_SECRET_TOKEN": ["secret", "token"]},
    }


def bucket(name: str) -> list[dict[str, Any]]:
    kind = f"{STORAGE}/blobServices/containers"
    return [{"type": kind, "name": f"ACCOUNT/default/{name}", "dependsOn": [ACCOUNT_ID], "owner": ["bucket", name, ""]}]


def table(name: str, key: str = "/pk") -> list[dict[str, Any]]:
    resource = {"id": name, "partitionKey": {"paths": [key], "kind": "Hash"}}
    return [
        {"type": DOCUMENTS, "name": "STACK-docs", "location": "westeurope", "owner": ["app", "shop", "tables"]},
        {"type": f"{DOCUMENTS}/sqlDatabases", "name": "STACK-docs/app", "dependsOn": ["STACK-docs"], "owner": ["app", "shop", "tables"]},
        {"type": f"{DOCUMENTS}/sqlDatabases/containers", "name": f"STACK-docs/app/{name}", "dependsOn": ["STACK-docs/app"], "properties": {"resource": resource}, "owner": ["table", name, ""]},
    ]  # fmt: skip


def vault(name: str = "STACK-v", **properties: Any) -> list[dict[str, Any]]:
    tags, owner = {"faasbridge-app": "APP", "faasbridge-stage": "t"}, ["app", "shop", "secrets"]
    return [{"type": "Microsoft.KeyVault/vaults", "name": name, "location": "westeurope", "tags": tags, "owner": owner, "properties": properties}]  # fmt: skip


def broken(name: str = "never") -> list[dict[str, Any]]:
    """What Azure refuses halfway: a subscription to events whose queue is not there."""
    destination = {"endpointType": "StorageQueue", "properties": {"resourceId": ACCOUNT_ID, "queueName": "missing"}}
    return [
        {"type": "Microsoft.EventGrid/topics", "name": f"STACK-{name}", "location": "westeurope", "dependsOn": [ACCOUNT_ID], "owner": ["topic", name, ""]},
        {"type": "Microsoft.EventGrid/topics/eventSubscriptions", "name": f"STACK-{name}/work", "dependsOn": [f"STACK-{name}", ACCOUNT_ID], "properties": {"destination": destination}, "owner": ["topic", name, "subscription"]},
    ]  # fmt: skip


def _named(value: Any, name: str) -> Any:
    if isinstance(value, str):
        app = name.removesuffix("-t")
        return value.replace("STACK", name).replace("ACCOUNT", app.replace("-", "") + "store").replace("APP", app)
    if isinstance(value, dict):
        return {key: _named(each, name) for key, each in value.items()}
    return [_named(each, name) for each in value] if isinstance(value, list) else value
