"""The app on this machine, deployed by the same deployer as to Azure, its functions under Microsoft's Python runtime.

`server` is the one process, in an environment of its own (`tools`): Azurite and the functions' workers are its
children, and it is itself Resource Manager (`arm/`), the functions host (`host/`), Event Grid and Key Vault.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faasbridge.provider import Deployer, Stage
from faasbridge.simulation import deployer
from faasbridge.simulation.servers import Server
from faasbridge.simulation.simulator import DeployedSimulator

from .tools import launch


class AzureSimulator(DeployedSimulator):
    """Implements `provider.Simulator`."""

    def launch(self, folder: Path) -> tuple[subprocess.Popen[bytes], Server]:
        return launch(folder, test=self.test, keep=self.keep)

    def connect(self, server: Server) -> Deployer:
        return connect(self.stage, server)


def connect(stage: Stage, server: Server) -> Deployer:
    """The deployer with the official clients on that server's addresses: `address` is Resource Manager's, `ca` the file
    of the certificate to trust, `subscription` and `tenant` the only ones that there are."""
    from ..deployer import AzureDeployer  # type: ignore[import-not-found, unused-ignore]
    from ..drivers.clients import Clients  # type: ignore[import-not-found, unused-ignore]

    found: Deployer = AzureDeployer(stage, Clients(**server.details))
    return found


def simulated_deployer(stage: Stage) -> Deployer:
    """On a server that outlives the command; see `faasbridge.simulation.deployer`."""
    return deployer.SimulatedDeployer(
        stage, lambda folder: launch(folder, detached=True)[1], lambda server: connect(stage, server)
    )


def simulators(root: Path) -> Iterator[Mapping[str, Any]]:
    return deployer.listing(root, "azure")
