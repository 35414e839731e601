"""An app on a vendor's simulator, for `dev`, tests and the conformance kit: built as for the cloud, put there by the
vendor's own deployer, and driven through what that deployer offers."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..app import App
from ..config import Project
from ..deploy import DeadLetter
from ..errors import ConfigError, FaaSBridgeError
from ..events import Event
from ..http import Request, Response
from ..local.state import base_folder
from ..pipeline import Target
from ..plugins import provider
from ..provider import Deployer, LogLine, Stage
from ..resources import Resource
from . import servers
from .servers import Server

_PAUSE_S = 0.01


def simulator_folder(root: Path, provider: str, stage: str = "") -> Path:
    """Of what `deploy --simulate` uses, one a project and provider; with a stage, of its `dev`."""
    return base_folder(root) / "simulators" / (f"{provider}-dev-{stage}" if stage else provider)


class DeployedSimulator(ABC):
    """Implements `provider.Simulator`, for a vendor that says how its server is started and spoken to.

    `test`: fresh state in a temporary folder, immediate retries, schedules that wait to be invoked. `keep`: the state
    stays for the next start, where the vendor's server can do so.
    """

    def __init__(self, stage: Stage, *, test: bool = False) -> None:
        adapt = getattr(provider(stage.provider), "simulated_stage", None)
        self.stage: Stage = stage if adapt is None else adapt(stage)
        self.test = test
        self.keep = False
        self._process: subprocess.Popen[bytes] | None = None
        self._server: Server | None = None
        self._deployer: Deployer | None = None
        self._endpoints: Mapping[str, str] = {}
        self._temporary: str | None = None
        self._since = 0.0

    @abstractmethod
    def launch(self, folder: Path) -> tuple[subprocess.Popen[bytes], Server]:
        """Starts the vendor's server, attached; `self.test` and `self.keep` say how."""

    @abstractmethod
    def connect(self, server: Server) -> Deployer:
        """The vendor's deployer on that server."""

    @property
    def server(self) -> Server:
        if self._server is None:
            raise FaaSBridgeError(f"the simulator of {self.stage.provider} is not running")
        return self._server

    @property
    def deployer(self) -> Deployer:
        if self._deployer is None:
            raise FaaSBridgeError(f"the simulator of {self.stage.provider} is not running")
        return self._deployer

    @abstractmethod
    def dead_letter_queue(self, function: str) -> str | None:
        """As the server's `GET /queues` names it; None where a handler takes the function's dead letters."""

    def start(self) -> None:
        if self._process is not None:
            return
        if self.test:
            self._temporary = tempfile.mkdtemp(prefix="faasbridge-")
            folder = Path(self._temporary, "server")
        else:
            folder = simulator_folder(self.stage.root, self.stage.provider, self.stage.name).absolute()
            if servers.running(folder) is not None:
                raise ConfigError(
                    f"this app and stage already runs on the simulator of {self.stage.provider}: stop that `dev` "
                    "first, or use another --stage"
                )
        atexit.register(self.stop)
        self._process, self._server = self.launch(folder)
        self._deployer = self.connect(self._server)
        self.update()

    def update(self) -> None:
        """Builds and deploys the app as it is now; the first `start` does, and `dev` after each save."""
        since = time.time()
        project = Project.load(self.stage.root)
        target = Target(project, self.stage.provider, self.stage, simulate=True)
        spec = target.spec()
        out = Path(self._temporary, "artifact.zip") if self._temporary else None
        artifact = target.build(spec, out)
        for _ in self.deployer.apply(self.deployer.plan(spec, artifact)):
            pass
        self._endpoints = self.deployer.outcome().endpoints
        self._since = self._since or since

    def stop(self) -> None:
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        self._server = self._deployer = None
        if process is not None:
            servers.end(process)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def endpoint(self, api: str) -> str:
        if api not in self._endpoints:
            raise ConfigError(f"no api {api!r} is running")
        return self._endpoints[api]

    def bind(self, app: App) -> Callable[[Resource], Any]:
        return self.deployer.bind(app)

    def reset(self) -> None:
        self.server.call("POST", "/reset")
        self._since = time.time()

    def settle(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            left: Mapping[str, str] = self.server.call("GET", "/left")
            if not left:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"not settled after {timeout_s:g} s: {'; '.join(left.values())}")
            time.sleep(_PAUSE_S)

    def invoke(self, function: str, event: Event) -> Any:
        return self.deployer.invoke(function, event)

    def request(self, api: str, request: Request) -> Response:
        answer: Response = self.deployer.invoke(api, request)
        return answer

    def dead_letters(self, function: str) -> list[DeadLetter]:
        return self.deployer.dead_letters(function)

    def with_dead_letters(self, functions: Iterable[str]) -> list[str]:
        """Those of the functions that may have some, in one question."""
        holding = set(self.server.call("GET", "/queues"))
        return [name for name in functions if self.dead_letter_queue(name) in holding]

    def set_secret(self, name: str, value: str) -> None:
        self.deployer.set_secret(name, value)

    def logs(self) -> list[LogLine]:
        return list(self.deployer.logs(None, since_s=time.time() - self._since, follow=False))
