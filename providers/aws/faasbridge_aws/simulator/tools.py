"""What the simulator runs: ministack, and AWS's runtime client beside what Lambda's Python images bring."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from faasbridge.provider import Stage
from faasbridge.simulation import servers
from faasbridge.simulation.environments import environment
from faasbridge.simulation.ports import free_port
from faasbridge.simulation.servers import Server

SERVICES: Final = (
    "botocore==1.43.106",
    "defusedxml==0.7.1",
    "graphql-core==3.2.12",
    "h11==0.16.0",
    "h2==4.4.1",
    "hpack==4.2.0",
    "hypercorn==0.18.0",
    "hyperframe==6.1.0",
    "jmespath==1.1.0",
    "jsonata-python==0.7.1",
    "ministack==1.5.33",
    "priority==2.0.0",
    "python-dateutil==2.9.0.post0",
    "pyyaml==6.0.3",
    "six==1.17.0",
    "urllib3==2.8.0",
    "wsproto==1.3.2",
)
RUNTIME: Final = (
    "awslambdaric==4.2.2",
    "boto3==1.44.5",
    "botocore==1.44.5",
    "jmespath==1.1.0",
    "python-dateutil==2.9.0.post0",
    "s3transfer==0.19.3",
    "simplejson==4.3.0",
    "six==1.17.0",
    "snapshot-restore-py==1.0.0",
    "urllib3==2.8.0",
)
"""In Lambda's images boto3 comes with the runtime; an artifact of ours does not bring it.
Source: Lambda Developer Guide, "Runtime dependencies in Python"."""

Note = Callable[[str], None]


def launch(
    folder: Path, *, test: bool = False, keep: bool = False, detached: bool = False
) -> tuple[subprocess.Popen[bytes], Server]:
    """Starts the server. Nothing of this process's AWS settings reaches it."""
    python = environment("ministack", SERVICES)
    command = [str(python), "-m", "local_aws", "--port", str(free_port())]
    command += [*(["--test"] if test else []), *(["--keep"] if keep else [])]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return servers.launch(command, folder, detached=detached, env={**env, "PYTHONPATH": str(Path(__file__).parent)})


def offer_runtime(server: Server, stage: Stage) -> None:
    """Lets functions of the app's Python run there."""
    version = stage.python or environment_python()
    server.call("POST", "/runtimes", {f"python{version}": str(environment("lambda-python", RUNTIME, version))})


def environment_python() -> str:
    import sys

    return f"{sys.version_info.major}.{sys.version_info.minor}"
