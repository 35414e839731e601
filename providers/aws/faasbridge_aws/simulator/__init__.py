"""The app on this machine, deployed by the same deployer as to AWS, its functions under AWS's own runtime client.

`local_aws/` is the server, a process in an environment of its own; docs/simulators.md says whose code is what.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from faasbridge.deploy import Outcome
from faasbridge.provider import Deployer, Stage
from faasbridge.simulation import deployer
from faasbridge.simulation.servers import Server
from faasbridge.simulation.simulator import DeployedSimulator

from ..deployer import AwsDeployer
from ..drivers.clients import Clients
from .tools import launch, offer_runtime


class AwsSimulator(DeployedSimulator):
    """Implements `provider.Simulator`."""

    def launch(self, folder: Path) -> tuple[subprocess.Popen[bytes], Server]:
        return launch(folder, test=self.test, keep=self.keep)

    def connect(self, server: Server) -> Deployer:
        return connect(self.stage, server)

    def dead_letter_queue(self, function: str) -> str:
        return cast("LocalAwsDeployer", self.deployer).inbox(function).dead_letters.rpartition("/")[2]


class LocalAwsDeployer(AwsDeployer):
    """The deployer as it is, whose endpoints are given as they can be reached from here."""

    def __init__(self, stage: Stage, server: Server) -> None:
        clients = Clients(
            region=server.details["region"], endpoint=server.details["endpoint"], credentials=("test", "test", None)
        )
        super().__init__(stage, clients, receive_wait_s=0)
        self._server = server

    def outcome(self) -> Outcome:
        found = super().outcome()
        return replace(found, endpoints=self._server.call("POST", "/endpoints", dict(found.endpoints)))


def connect(stage: Stage, server: Server) -> Deployer:
    offer_runtime(server, stage)
    return LocalAwsDeployer(stage, server)


def simulated_deployer(stage: Stage) -> Deployer:
    """On a server that outlives the command; see `faasbridge.simulation.deployer`."""
    return deployer.SimulatedDeployer(
        stage, lambda folder: launch(folder, detached=True)[1], lambda server: connect(stage, server)
    )


def simulators(root: Path) -> Iterator[Mapping[str, Any]]:
    return deployer.listing(root, "aws")
