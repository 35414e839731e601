"""What FaaSBridge adds to a function under Microsoft's Python runtime: to a request, an import and a cold start.

The plain function is written for `azure-functions` as its documentation does. Both run on one simulator, under the same
host, and are asked in turn, so that a busy machine slows both alike.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import faasbridge
import faasbridge_azure
from faasbridge.provider import Artifact, Stage
from faasbridge.simulation import servers
from faasbridge_azure import entry
from faasbridge_azure.deploying import code
from faasbridge_azure.deploying.connection import Cloud
from faasbridge_azure.deploying.stack import Stack
from faasbridge_azure.drivers.clients import Clients
from faasbridge_azure.simulator import Owner
from faasbridge_azure.simulator.tools import launch

from .aws_cold_start import MANIFEST
from .gcp_framework import OURS
from .report import Figure, middle
from .runtime import import_ms

PLAIN = """
import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="items/{number:int}", methods=["POST"])
def item(req: func.HttpRequest) -> func.HttpResponse:
    answer = {"number": int(req.route_params["number"]), "of": req.get_json()["of"]}
    return func.HttpResponse(json.dumps(answer), mimetype="application/json")
"""
HOST = json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": ""}}})
STORAGE = "Microsoft.Storage/storageAccounts"
PER_TURN = 50


def figures(spawns: int = 15, turns: int = 40) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder)) as sites:
        return [_round_trip(sites, turns), _import(), _cold_start(sites, spawns)]


def _round_trip(sites: Sites, turns: int) -> Figure:
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for turn in range(turns + 5):  # the first ones warm both
        for name in times:
            found = sites.requests(name, PER_TURN)
            if turn >= 5:
                times[name] += found
    of_plain, of_ours = middle(times["plain"]), middle(times["ours"])
    how = f"median of {turns * PER_TURN} requests: {of_ours:.3f} ms with, {of_plain:.3f} ms without"
    return Figure("Azure Functions, round trip over a plain function", of_ours / of_plain, "times", 1.05, note=how)


def _import() -> Figure:
    ours = "import faasbridge, faasbridge_azure.entry, faasbridge_azure.http"
    took = import_ms(f"import azure.functions\nstart = perf_counter()\n{ours}", 15)
    note = "lower quartile of 15, from sources, on the SDK"
    return Figure("Azure Functions, import of core and adapter", took, "ms", 10, note=note)


def _cold_start(sites: Sites, spawns: int) -> Figure:
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for spawn in range(spawns + 1):  # the first of each warms the file cache
        for name, taken in times.items():
            sites.restart(name)
            start = perf_counter()
            sites.requests(name, 1)
            if spawn:
                taken.append((perf_counter() - start) * 1000)
    of_plain, of_ours = middle(times["plain"]), middle(times["ours"])
    how = f"median of {spawns} spawns in turn: {of_ours:.0f} ms with, {of_plain:.0f} ms without"
    return Figure("Azure Functions, cold start over a plain function", of_ours - of_plain, "ms", note=how)


class Sites:
    """The two function apps, `plain` and `ours`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sites = {each.name.removeprefix("bench-"): each for each in code.sites(cloud)}

    def publish(self, name: str, path: Path, files: dict[str, bytes]) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        path.write_bytes(content.getvalue())
        artifact = Artifact(path, hashlib.sha256(content.getvalue()).hexdigest(), path.stat().st_size)
        for _ in code.publish(self._cloud, [(self._sites[name], ("function", name))], artifact):
            pass

    def restart(self, name: str) -> None:
        """Its worker begins again with the next request."""
        self._cloud.sites.restart(self._cloud.group, self._sites[name].name)

    def requests(self, name: str, number: int) -> list[float]:
        """Milliseconds of each."""
        taken = []
        connection = http.client.HTTPConnection(self._sites[name].host, timeout=30)
        try:
            for _ in range(number):
                start = perf_counter()
                connection.request("POST", "/items/7", b'{"of": "a thing"}', {"content-type": "application/json"})
                response = connection.getresponse()
                body = response.read()
                taken.append((perf_counter() - start) * 1000)
                if response.status != 200 or json.loads(body)["number"] != 7:
                    raise RuntimeError(f"the function answered {response.status} {body!r}")
        finally:
            connection.close()
        return taken


@contextmanager
def _running(folder: Path) -> Iterator[Sites]:
    process, server = launch(folder / "server", test=True)
    try:
        address = server.details["address"]
        settings = {"subscription": server.details["subscription"], "resource_manager": address}
        stage = Stage("bench", "t", "azure", folder, settings={"location": "westeurope", **settings})
        cloud = Cloud(stage, Clients(credential=Owner(), ca=server.details["ca"]))
        cloud.groups.create_or_update(cloud.group, {"location": "westeurope", "tags": cloud.tags})
        stack = Stack(cloud)
        stack.put(_template(cloud), "")
        for _ in stack.follow():
            pass
        sites = Sites(cloud)
        sites.publish("plain", folder / "plain.zip", {"host.json": HOST.encode(), "function_app.py": PLAIN.encode()})
        sites.publish("ours", folder / "ours.zip", _ours())
        time.sleep(0.2)
        yield sites
    finally:
        servers.end(process)


def _ours() -> dict[str, bytes]:
    """What an artifact holds of an app without SDKs."""
    files = {"bench_app.py": OURS, "function_app.py": entry.SOURCE, "faasbridge.json": json.dumps(MANIFEST)}
    found = {"host.json": HOST.encode(), **{name: text.encode() for name, text in files.items()}}
    for package in (faasbridge, faasbridge_azure):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            found[f"{root.name}/{path.relative_to(root)}"] = path.read_bytes()
    return found


def _template(cloud: Cloud) -> dict[str, Any]:
    account = {"type": STORAGE, "apiVersion": "2024-01-01", "name": "benchstore", "location": "westeurope"}
    container = {"type": f"{STORAGE}/blobServices/containers", "apiVersion": "2024-01-01"}
    plan = {"type": "Microsoft.Web/serverfarms", "apiVersion": "2024-04-01", "name": "bench", "location": "westeurope"}
    resources: list[dict[str, Any]] = [
        account,
        {**container, "name": "benchstore/default/code", "dependsOn": ["benchstore"]},
        plan,
    ]
    where = f"[concat(reference(resourceId('{STORAGE}', 'benchstore'), '2024-01-01').primaryEndpoints.blob, 'code')]"
    for name in ("plain", "ours"):
        config = {
            "deployment": {"storage": {"type": "blobContainer", "value": where}},
            "runtime": {"name": "python", "version": f"{sys.version_info.major}.{sys.version_info.minor}"},
        }
        properties = {
            "serverFarmId": "[resourceId('Microsoft.Web/serverfarms', 'bench')]",
            "functionAppConfig": config,
            "siteConfig": {"appSettings": [{"name": "FAASBRIDGE_FUNCTION", "value": "http"}]},
        }
        site = {"type": "Microsoft.Web/sites", "apiVersion": "2024-04-01", "name": f"bench-{name}", "tags": cloud.tags}
        needed = ["bench", "benchstore"]
        resources.append({**site, "location": "westeurope", "dependsOn": needed, "properties": properties})
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": resources,
    }
