from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from faasbridge import App, ConfigError, Request, Resource, Response
from faasbridge.deploy import DeadLetter
from faasbridge.dispatch import Runner
from faasbridge.drivers import Binding
from faasbridge.events import Event
from faasbridge.limits import Limits
from faasbridge.plugins import kits, load
from faasbridge.provider import Finding, Layout, LogLine, ResourceKit, Stage
from faasbridge.spec import AppSpec

from .kits import Kit
from .server import ThreadingHTTPServer, serve


class Acme:
    name = "acme"
    runtime = "acme_cloud"
    limits = Limits(message_bytes=1000, sources={"message_bytes": "acme.example/limits"})
    options: Mapping[str, type] = {}

    def kits(self) -> Iterable[ResourceKit]:
        return [Kit("table", "acme_cloud.drivers:TableDriver"), Kit("secret", "acme_cloud.drivers:SecretDriver")]

    def layout(self, spec: AppSpec, stage: Stage) -> Layout:
        return Layout()

    def synthesize(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> Mapping[str, Any]:
        return {resource.name: kits[resource.kind].synthesize(resource, stage) for resource in spec.resources}

    def deployer(self, stage: Stage) -> Any:
        raise ConfigError("acme has nowhere to deploy to")

    def simulator(self, stage: Stage, *, test: bool = False) -> InProcess:
        return InProcess(stage)

    def doctor(self, stage: Stage) -> Iterable[Finding]:
        return [Finding("acme", "acme is always well", "ok")]


class InProcess:
    """Runs functions right here; there are no events of its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.app: App | None = None
        self.drivers: dict[tuple[str, str], Any] = {}
        self.servers: dict[str, ThreadingHTTPServer] = {}

    def start(self) -> None: ...

    def stop(self) -> None:
        for server in self.servers.values():
            server.shutdown()
            server.server_close()

    def endpoint(self, api: str) -> str:
        if api not in self.servers:
            self.servers[api] = serve(lambda request: self._runner(api).http(request))
        return f"http://127.0.0.1:{self.servers[api].server_port}"

    def bind(self, app: App) -> Callable[[Resource], Any]:
        self.app = app
        return self._driver

    def reset(self) -> None:
        self.drivers.clear()

    def settle(self, timeout_s: float) -> None: ...

    def invoke(self, function: str, event: Event) -> Any:
        return self._runner(function).invoke(event)

    def request(self, api: str, request: Request) -> Response:
        status, headers, body = self._runner(api).http(request)
        return Response(body, status=status, headers=dict(headers))

    def dead_letters(self, function: str) -> list[DeadLetter]:
        return []

    def set_secret(self, name: str, value: str) -> None:
        assert self.app is not None
        self._driver(self.app.resources["secret", name]).value = value

    def logs(self) -> list[LogLine]:
        return []

    def _runner(self, function: str) -> Runner:
        assert self.app is not None
        return Runner(self.app, function, provider="acme", stage=self.stage.name, driver_of=self._driver)

    def _driver(self, resource: Resource) -> Any:
        key = resource.kind, resource.name
        if key not in self.drivers:
            kit = kits("acme").get(resource.kind)
            if kit is None:
                raise ConfigError(f"acme has no kit for {resource.kind!r}")
            binding = Binding("acme", self.stage.app, self.stage.name, *key, resource.options, "")
            self.drivers[key] = load(kit.driver)(binding)
        return self.drivers[key]
