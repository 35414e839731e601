"""The app on this machine, deployed by the same deployer as to Azure, its functions under Microsoft's Python runtime.

`server` is the one process, in an environment of its own (`tools`): Azurite and the functions' workers are its
children, and it is itself Resource Manager (`arm/`), the functions host (`host/`), Event Grid and Key Vault.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from faasbridge.deploy import Outcome
from faasbridge.errors import ConfigError
from faasbridge.provider import Deployer, Stage
from faasbridge.simulation import deployer
from faasbridge.simulation.servers import Server
from faasbridge.simulation.simulator import DeployedSimulator

from .tools import launch

if TYPE_CHECKING:
    from ..deployer import AzureDeployer


class AzureSimulator(DeployedSimulator):
    """Implements `provider.Simulator`."""

    def launch(self, folder: Path) -> tuple[subprocess.Popen[bytes], Server]:
        """Raises ConfigError where its state shall be kept: the emulators hold theirs in memory."""
        if self.keep:
            raise ConfigError("Azure's emulators keep nothing: run without --keep")
        return launch(folder, test=self.test)

    def connect(self, server: Server) -> Deployer:
        return connect(self.stage, server)

    def dead_letter_queue(self, function: str) -> str:
        url = cast("AzureDeployer", self.deployer).inbox(function).dead_letters
        return "/".join(url.split("/")[-2:])


class Owner:
    """A credential of azure-core's kind: the one who owns the simulator's subscription."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("owner", int(time.time()) + 3600)


def connect(stage: Stage, server: Server) -> Deployer:
    """The deployer with the official clients: the stage's settings name the only subscription that there is, and the
    addresses of Resource Manager and Log Analytics."""
    from ..deployer import AzureDeployer
    from ..drivers.clients import Clients

    class OnThisMachine(AzureDeployer):
        """Shows endpoints by http, which the same ports take: no browser knows the simulator's certificate."""

        def outcome(self) -> Outcome:
            found = super().outcome()
            endpoints = {name: url.replace("https://", "http://", 1) for name, url in found.endpoints.items()}
            return replace(found, endpoints=endpoints)

    address = server.details["address"]
    own = {"subscription": server.details["subscription"], "resource_manager": address, "log_analytics": address}
    settings = {"location": "westeurope", **stage.settings, **own}
    made: Deployer = OnThisMachine(
        replace(stage, settings=settings), Clients(credential=Owner(), ca=server.details["ca"])
    )
    return made


def simulated_deployer(stage: Stage) -> Deployer:
    """On a server that outlives the command; see `faasbridge.simulation.deployer`."""
    return deployer.SimulatedDeployer(
        stage, lambda folder: launch(folder, detached=True)[1], lambda server: connect(stage, server)
    )


def simulators(root: Path) -> Iterator[Mapping[str, Any]]:
    return deployer.listing(root, "azure")
