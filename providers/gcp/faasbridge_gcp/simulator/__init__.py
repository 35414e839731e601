"""The app on this machine, deployed by the same deployer as to Google Cloud, its functions under functions-framework.

`server` is the one process: Google's Firestore and Pub/Sub emulators, fake-gcs-server and the functions are its
children, and it is itself the rest of Google's APIs (`cloud` puts them together, `services/` has one module each).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from faasbridge.errors import ConfigError
from faasbridge.provider import Deployer, Stage
from faasbridge.simulation import deployer, servers
from faasbridge.simulation.servers import Server
from faasbridge.simulation.simulator import DeployedSimulator

if TYPE_CHECKING:
    from ..deployer import GcpDeployer

PROJECT = "faasbridge-simulator"
REGION = "us-central1"


class GcpSimulator(DeployedSimulator):
    """Implements `provider.Simulator`."""

    def launch(self, folder: Path) -> tuple[subprocess.Popen[bytes], Server]:
        """Raises ConfigError where its state shall be kept: Google's emulators hold theirs in memory."""
        if self.keep:
            raise ConfigError("Google's emulators keep nothing: run without --keep")
        return launch(folder, test=self.test)

    def connect(self, server: Server) -> Deployer:
        return connect(self.stage, server)

    def dead_letter_queue(self, function: str) -> str | None:
        return cast("GcpDeployer", self.deployer).inbox(function).dead_letters


def launch(folder: Path, *, test: bool = False, detached: bool = False) -> tuple[subprocess.Popen[bytes], Server]:
    """The server, ready. Raises ConfigError with what it says, where it lacks the emulators for example."""
    command = [sys.executable, "-m", "faasbridge_gcp.simulator.server", *(["--test"] if test else [])]
    return servers.launch(command, folder, detached=detached)


def connect(stage: Stage, server: Server) -> Deployer:
    """The deployer with Google's clients on that server's addresses: `google` is that of every gRPC service, Pub/Sub
    included, `firestore` the emulator's, `storage` a URL."""
    from ..deployer import GcpDeployer
    from ..drivers.clients import Clients

    stage = simulated_stage(stage)
    clients = Clients(project=stage.settings["project"], endpoints=dict(server.details))
    return GcpDeployer(stage, clients, tries=0)


def simulated_stage(stage: Stage) -> Stage:
    """With a project and a region where the stage names none: the simulator has every project. The wheels that are
    packed are those for this machine."""
    return replace(stage, settings={"project": PROJECT, "region": REGION, **stage.settings, "platform": ""})


def simulated_deployer(stage: Stage) -> Deployer:
    """On a server that outlives the command; see `faasbridge.simulation.deployer`."""
    return deployer.SimulatedDeployer(
        stage, lambda folder: launch(folder, detached=True)[1], lambda server: connect(stage, server)
    )


def simulators(root: Path) -> Iterator[Mapping[str, Any]]:
    return deployer.listing(root, "gcp")
