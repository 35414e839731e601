"""The simulator of Azure, spoken to by the official clients."""

# ruff: noqa: E501 - the templates are tables

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken

from faasbridge.simulation import servers
from faasbridge.simulation.servers import Server
from faasbridge_azure.simulator.tools import launch

STORAGE = "Microsoft.Storage/storageAccounts"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
HOST = (
    '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}, "queues": {"maxDequeueCount": 3, "batchSize": 1}}}'
)
APP = """
import json, logging, os
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
@app.route(route="{*path}", methods=["GET", "POST"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    if req.route_params.get("path") == "crash": os._exit(3)
    answer = {"url": req.url, "params": dict(req.route_params), "length": len(req.get_body())}
    response = func.HttpResponse(json.dumps(answer), status_code=201)
    response.headers.add("set-cookie", "a=1; Path=/")
    response.headers.add("set-cookie", "b=2; Path=/")
    return response
@app.queue_trigger(arg_name="message", queue_name="%JOBS%", connection="AzureWebJobsStorage")
async def work(message: func.QueueMessage) -> None:
    logging.getLogger("shop").warning("got %s for the %s time", message.get_body().decode(), message.dequeue_count)
    if message.get_body() == b"boom": raise ValueError("poison")
    if message.get_body() == b"crash" and message.dequeue_count == 1: os._exit(3)
"""


class Credential:
    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("owner", int(time.time()) + 3600)


class SimulatedAzure:
    """`group` is a resource group that there is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process, self.server = launch(folder, test=True)
        self.address: str = self.server.details["address"]
        self.ca: str = self.server.details["ca"]
        self.group = "shop-dev"
        self.send(
            "PUT",
            f"{self.scope}?api-version=2024-11-01",
            {"location": "westeurope", "tags": {"faasbridge-app": "shop", "faasbridge-stage": "dev"}},
        )

    @property
    def subscription(self) -> str:
        return str(self.server.details["subscription"])

    @property
    def scope(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def options(self) -> dict[str, Any]:
        return {
            "base_url": self.address,
            "credential_scopes": ["https://management.azure.com/.default"],
            "connection_verify": self.ca,
            "polling_interval": 0.05,
        }

    def client(self, kind: Any) -> Any:
        return kind(Credential(), self.subscription, **self.options)

    def deployments(self) -> Any:
        from azure.mgmt.resource.deployments import DeploymentsMgmtClient

        return self.client(DeploymentsMgmtClient).deployments

    def send(self, method: str, path: str, body: Any = None) -> Any:
        import requests

        address = path if path.startswith("http") else self.address + path
        return requests.request(
            method, address, json=body, headers={"Authorization": "Bearer owner"}, verify=self.ca, timeout=60
        )

    def deploy(self, template: dict[str, Any], name: str = "main") -> Any:
        properties = {"mode": "Incremental", "template": template}
        return self.deployments().begin_create_or_update(self.group, name, {"properties": properties}).result(60)

    def publish(self, files: dict[str, str], site: str = "shop-work") -> dict[str, Any]:
        body = self.send("GET", f"{self.scope}/providers/Microsoft.Web/sites/{site}?api-version=2024-04-01").json()
        hosts = body["properties"]["hostNameSslStates"]
        scm = next(each["name"] for each in hosts if each["hostType"] == "Repository")
        import requests

        headers = {"Authorization": "Bearer owner", "Content-Type": "application/zip"}
        url = f"https://{scm}/api/publish"
        answer = requests.post(url, data=zipped(files), headers=headers, verify=self.ca, timeout=60)
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            state: dict[str, Any] = self.send("GET", answer.headers["Location"]).json()
            if state["complete"]:
                return state
            time.sleep(0.02)
        raise TimeoutError("the publish did not end")

    def address_of(self, site: str = "shop-work") -> str:
        body = self.send("GET", f"{self.scope}/providers/Microsoft.Web/sites/{site}?api-version=2024-04-01").json()
        return f"http://{body['properties']['defaultHostName']}"

    def stop(self) -> None:
        servers.end(self.process)


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def template(*more: dict[str, Any], settings: dict[str, str] | None = None) -> dict[str, Any]:
    """A storage account with its queue, a Flex Consumption plan and a function app."""
    account, queues = "shopdevstore", f"{STORAGE}/queueServices"
    blobs = f"{STORAGE}/blobServices"
    values = {"AzureWebJobsStorage__accountName": account, "JOBS": "shop-dev-jobs", **(settings or {})}
    reference = f"reference(resourceId('{STORAGE}', '{account}'), '2024-01-01')"
    container = f"[concat({reference}.primaryEndpoints.blob, 'deployments')]"
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"location": {"type": "string", "defaultValue": "[resourceGroup().location]"}},
        "resources": [
            {"type": STORAGE, "apiVersion": "2024-01-01", "name": account, "location": "[parameters('location')]", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {"allowSharedKeyAccess": False}},
            {"type": f"{blobs}/containers", "apiVersion": "2024-01-01", "name": f"{account}/default/deployments", "dependsOn": [f"[resourceId('{STORAGE}', '{account}')]"]},
            {"type": f"{queues}/queues", "apiVersion": "2024-01-01", "name": f"{account}/default/shop-dev-jobs", "dependsOn": [f"[resourceId('{STORAGE}', '{account}')]"]},
            {"type": "Microsoft.Web/serverfarms", "apiVersion": "2024-04-01", "name": "shop-plan", "location": "[parameters('location')]", "kind": "functionapp", "sku": {"tier": "FlexConsumption", "name": "FC1"}, "properties": {"reserved": True}},
            {
                "type": "Microsoft.Web/sites",
                "apiVersion": "2024-04-01",
                "name": "shop-work",
                "location": "[parameters('location')]",
                "kind": "functionapp,linux",
                "identity": {"type": "SystemAssigned"},
                "dependsOn": ["shop-plan", f"[resourceId('{STORAGE}', '{account}')]"],
                "properties": {
                    "serverFarmId": "[resourceId('Microsoft.Web/serverfarms', 'shop-plan')]",
                    "functionAppConfig": {
                        "deployment": {"storage": {"type": "blobContainer", "value": container, "authentication": {"type": "SystemAssignedIdentity"}}},
                        "runtime": {"name": "python", "version": "3.13"},
                        "scaleAndConcurrency": {"instanceMemoryMB": 512, "maximumInstanceCount": 40},
                    },
                    "siteConfig": {"appSettings": [{"name": name, "value": value} for name, value in values.items()]},
                },
            },
            *more,
        ],
        "outputs": {"endpoint": {"type": "string", "value": "[reference('shop-work').defaultHostName]"}},
    }  # fmt: skip


__all__ = ["APP", "HOST", "Credential", "Server", "SimulatedAzure", "template", "zipped"]
