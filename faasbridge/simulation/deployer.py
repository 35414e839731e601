"""`deploy --simulate`: the vendor's real deployer, on a simulator that outlives the command.

The simulator starts with the first plan and ends when nothing is deployed on it any more, with `faasbridge simulator
stop`, or with the command where that planned only. What needs a deployment says so where none runs; it starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..app import App
from ..deploy import DeadLetter, Outcome, Plan, Progress
from ..errors import ConfigError
from ..events import Event
from ..provider import Artifact, Deployer, LogLine, Stage
from ..resources import Resource
from ..spec import AppSpec
from . import servers
from .servers import Server
from .simulator import simulator_folder


class SimulatedDeployer:
    """Implements `provider.Deployer`. `launch(folder)` starts the vendor's server detached, `connect(server)` gives the
    vendor's deployer on it."""

    def __init__(self, stage: Stage, launch: Callable[[Path], Server], connect: Callable[[Server], Deployer]) -> None:
        self._stage = stage
        self._folder = simulator_folder(stage.root, stage.provider).absolute()
        self._launch = launch
        self._connect = connect
        self._connected: tuple[Server, Deployer] | None = None
        self._launched: Server | None = None

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        if servers.running(self._folder) is None:
            self._launched = self._launch(self._folder)
        try:
            return self._there().plan(spec, artifact)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Ends the simulator that this deployer had to start for its plan, unless something is deployed there."""
        if self._launched is not None and servers.running(self._folder) == self._launched:
            self._stop_unused()

    def apply(self, plan: Plan) -> Iterator[Progress]:
        yield from self._there().apply(plan)

    def outcome(self) -> Outcome:
        found = self._found()
        if found is None:
            return Outcome(self._stage.app, self._stage.name, self._stage.provider)
        return found.outcome()

    def destroy(self, *, delete_data: bool = False) -> Iterator[Progress]:
        found = self._found()
        if found is None:
            return
        yield from found.destroy(delete_data=delete_data)
        self._stop_unused()

    def status(self) -> Mapping[str, Any]:
        server = servers.running(self._folder)
        if server is None:
            return {"deployed": False, "simulator": None}
        running = {"pid": server.pid, "started": server.started, "deployments": server.call("GET", "/deployments")}
        return {**self._there().status(), "simulator": running}

    def logs(self, function: str | None, *, since_s: float, follow: bool) -> Iterator[LogLine]:
        return self._there().logs(function, since_s=since_s, follow=follow)

    def invoke(
        self, function: str, event: Event, *, wait: bool = True, log: Callable[[LogLine], None] | None = None
    ) -> Any:
        return self._there().invoke(function, event, wait=wait, log=log)

    def dead_letters(self, function: str) -> list[DeadLetter]:
        return self._there().dead_letters(function)

    def replay(self, function: str, ids: Iterable[str] | None = None) -> int:
        return self._there().replay(function, ids)

    def purge(self, function: str, ids: Iterable[str] | None = None) -> int:
        return self._there().purge(function, ids)

    def set_secret(self, name: str, value: str) -> None:
        self._there().set_secret(name, value)

    def unset_secret(self, name: str) -> None:
        self._there().unset_secret(name)

    def secrets(self) -> Mapping[str, bool]:
        return self._there().secrets()

    def bind(self, app: App) -> Callable[[Resource], Any]:
        return self._there().bind(app)

    def _found(self) -> Deployer | None:
        server = servers.running(self._folder)
        if server is None:
            return None
        if self._connected is None or self._connected[0] != server:
            self._connected = server, self._connect(server)
        return self._connected[1]

    def _stop_unused(self) -> None:
        server = servers.running(self._folder)
        if server is not None and not server.call("GET", "/deployments"):
            self._connected = None
            servers.stop(self._folder)

    def _there(self) -> Deployer:
        """Raises ConfigError where no simulator runs."""
        found = self._found()
        if found is None:
            raise ConfigError(
                f"nothing is deployed on the simulator of {self._stage.provider} for this project: run `faasbridge "
                f"deploy --provider {self._stage.provider} --simulate`"
            )
        return found


def listing(root: Path, provider: str) -> Iterator[Mapping[str, Any]]:
    """What `faasbridge simulator list` shows of a vendor for this project, and how to stop it. A server that several
    stages are deployed on is a row for each."""
    folder = simulator_folder(root, provider).parent
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        name, _, stage = each.name.partition("-dev-")
        server = servers.running(each) if name == provider else None
        if server is not None:
            stages = [stage] if stage else [found["stage"] for found in server.call("GET", "/deployments")]
            for one in stages or ["-"]:
                address = server.details.get("address", server.control)
                yield {"stage": one, "pid": server.pid, "address": address, "stop": partial(servers.stop, each)}
