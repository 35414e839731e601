"""What the simulator runs, each in an environment of its own: the server, and Microsoft's Python runtime library."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pluggy

import faasbridge
from faasbridge.errors import ConfigError
from faasbridge.simulation import servers
from faasbridge.simulation.environments import environment, kept
from faasbridge.simulation.servers import Server

SERVER: Final = (
    "aiohttp==3.14.5",
    "grpcio==1.85.1",
    "pip==26.3",
    "protobuf==7.36.2",
    "trustme==1.2.1",
)
RUNTIME_VERSION: Final = "1.3.0"
RUNTIME: Final = (f"azure-functions-runtime=={RUNTIME_VERSION}", "azure-functions==2.3.0", *SERVER[1:2], *SERVER[3:4])
OLDER: Final = ("azure-functions==1.26.0", "python-dateutil==2.9.0.post0", *SERVER[1:2], *SERVER[3:4])
"""For Python before 3.13, which Microsoft's library does not support; there it is put beside what it needs."""
MESSAGES: Final = "azure-functions-runtime-v1==1.2.0"

Note = Callable[[str], None]
_BOOTSTRAP = (
    "import runpy, sys; sys.path += sys.argv.pop(1).split('|'); "
    "runpy.run_module('faasbridge_azure.simulator.server', run_name='__main__', alter_sys=True)"
)


def launch(folder: Path, *, test: bool = False, detached: bool = False) -> tuple[subprocess.Popen[bytes], Server]:
    """The server, ready, in an environment that has what it needs. Nothing of this process's Azure settings reaches it.

    Raises ConfigError with what it says, where it lacks an emulator for example.
    """
    python = environment("azure-simulator", SERVER)
    # Behind the environment's own packages, of the same Python: only what it lacks is found there.
    homes = (Path(faasbridge.__file__).parents[1], Path(__file__).parents[2], Path(pluggy.__file__).parents[1])
    paths = "|".join(map(str, homes))
    command = [str(python), "-c", _BOOTSTRAP, paths, *(["--test"] if test else [])]
    hidden = ("AZURE_", "PYTHON", "IDENTITY_", "MSI_", "FAASBRIDGE_FUNCTION")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return servers.launch(command, folder, detached=detached, env=env)


def messages() -> Path:
    """A folder that has FunctionRpc's message classes as the package `protos`: no wheel brings them."""

    def make(folder: Path) -> None:
        downloads = folder / "download"
        downloads.mkdir(parents=True)
        _pip("download", "--no-binary", ":all:", "--dest", str(downloads), MESSAGES)
        archive = next(downloads.glob("*.tar.gz"))
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        (next(folder.glob("azure_functions_runtime_v1-*")) / "tests" / "protos").rename(folder / "protos")

    return kept(f"function-rpc-{MESSAGES.rpartition('=')[2]}", make)


def runtime(version: str) -> tuple[Path, list[Path]]:
    """The interpreter with Microsoft's runtime library for a version of Python, and folders for its path."""
    if tuple(int(part) for part in version.split(".")) >= (3, 13):
        return environment("azure-functions-runtime", RUNTIME, version), [messages()]

    def make(folder: Path) -> None:
        wanted = f"azure-functions-runtime=={RUNTIME_VERSION}"
        _pip("install", "--ignore-requires-python", "--target", str(folder), wanted)

    library = kept(f"azure-functions-runtime-{RUNTIME_VERSION}", make)
    return environment("azure-functions-older", OLDER, version), [messages(), library]


def _pip(command: str, *arguments: str) -> None:
    """What uv does not do: a source distribution itself, and a package for another Python than it asks for."""
    python = environment("azure-simulator", SERVER)
    whole = [str(python), "-m", "pip", command, "--quiet", "--no-deps", "--ignore-requires-python", *arguments]
    done = subprocess.run(
        list(dict.fromkeys(whole)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise ConfigError(f"Microsoft's Python runtime cannot be installed: {lines[-1]}")


def default_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
