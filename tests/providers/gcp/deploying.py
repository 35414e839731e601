"""What the deployer's tests share: a simulated cloud, and apps small enough to see what a deployment of them does."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from faasbridge import App
from faasbridge.deploy import Plan, Progress
from faasbridge.errors import ConfigError
from faasbridge.provider import Artifact, Stage
from faasbridge.simulation import servers
from faasbridge.simulation.servers import Server
from faasbridge_gcp.deployer import GcpDeployer
from faasbridge_gcp.drivers.clients import Clients

PROJECT, REGION = "demo-project", "europe-west1"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
COLD = [sys.executable, str(Path(__file__).with_name("cold_functions.py"))]
WARM = [sys.executable, "-m", "faasbridge_gcp.simulator.server"]
CODE = "def handler(request):\n    return {!r}\n"


@contextmanager
def simulated(folder: Path, command: list[str]) -> Iterator[Server]:
    """A server that ends with the block. Skips, with the command for it, where Google's emulators are missing."""
    try:
        process, server = servers.launch([*command, "--test"], folder)
    except ConfigError as error:
        if "gcloud components install" not in str(error) or os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    try:
        yield server
    finally:
        servers.end(process)


Around = Callable[[str, Callable[[], Any]], Any]


class Watched(Clients, grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """`around(operation, send)` is what happens in place of each request: `CreateTopic`, `storage.POST b`."""

    def __init__(self, server: Server, around: Around) -> None:
        super().__init__(PROJECT, dict(server.details))
        self._around = around

    def _channel(self, address: str) -> Any:
        plain = super()._channel(address)
        return self.once(f"watched {address}", lambda: grpc.intercept_channel(plain, self))

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return self._around(details.method.rpartition("/")[2], lambda: continuation(details, request))

    def _storage(self) -> Any:
        client = super()._storage()
        session = client._http
        plain = session.request

        def request(method: str, url: str, *arguments: Any, **more: Any) -> Any:
            send = lambda: plain(method, url, *arguments, **more)  # noqa: E731
            return self._around(f"storage.{method} {_kind(url)}", send)

        session.request = request
        return client


def _kind(url: str) -> str:
    """`b/photos/o/x.jpg` -> `b/*/o/*`"""
    path = re.sub(r"^https?://[^/]+/((upload|download)/)?storage/v1/", "", url).partition("?")[0]
    return "/".join("*" if at % 2 else part for at, part in enumerate(path.split("/")))


class Deployment:
    """An app of a test's own: `app` may be replaced, `code` is its main.py."""

    def __init__(self, server: Server, name: str, root: Path, **settings: Any) -> None:
        self.server = server
        self.root = root
        root.mkdir(exist_ok=True)
        given = {"project": PROJECT, "region": REGION, **settings}
        self.stage = Stage(name, "t", "gcp", root, settings=given, python=PYTHON)
        self.app = App(name)
        self.code = CODE.format("one")
        self.calm = Clients(PROJECT, dict(server.details))

    def deployer(self, around: Around | None = None) -> GcpDeployer:
        clients = Watched(self.server, around) if around else self.calm
        return GcpDeployer(self.stage, clients, tries=0)

    def artifact(self) -> Artifact:
        return artifact_of(self.root / "artifact.zip", self.code)

    def plan(self) -> Plan:
        return self.deployer().plan(self.app.spec(), self.artifact())

    def deploy(self, around: Around | None = None) -> list[Progress]:
        deployer = self.deployer(around)
        return list(deployer.apply(deployer.plan(self.app.spec(), self.artifact())))

    def destroy(self, around: Around | None = None, *, delete_data: bool = True) -> list[Progress]:
        return list(self.deployer(around).destroy(delete_data=delete_data))

    def changes(self) -> set[tuple[str, str, str]]:
        return {(step.action, step.kind, step.name) for step in self.plan().changes}

    def reason(self, name: str) -> str:
        (step,) = [step for step in self.plan().changes if step.name == name]
        return step.reason

    def name(self, name: str) -> str:
        return f"{self.stage.app}-t-{name}"

    def of(self, what: str, name: str) -> str:
        """`of("functions", "http")` -> `projects/P/locations/L/functions/shop-t-http`"""
        regional = what in ("functions", "services", "jobs")
        return f"{PARENT if regional else f'projects/{PROJECT}'}/{what}/{self.name(name)}"


def artifact_of(path: Path, code: str) -> Artifact:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("main.py"), code)
    content = path.read_bytes()
    return Artifact(path, hashlib.sha256(content).hexdigest(), len(content))
