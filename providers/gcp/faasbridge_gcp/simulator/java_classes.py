"""The emulators' classes as the JVM keeps them once loaded: with them, an emulator starts in a third of the time.

An archive is of one Java and one jar; it is made on first use, by starting the emulator once more.
Source: JEP 350, "Dynamic CDS Archives".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

from faasbridge.errors import ConfigError
from faasbridge.simulation import environments
from faasbridge.simulation.children import Child, accepts
from faasbridge.simulation.ports import free_port

_FILE = "classes.jsa"
_WRITTEN_IN_S = 30.0


def options(command: Sequence[str], jar: str) -> list[str]:
    """What lets Java use the archive of a command: Java, its options, the class and its arguments but for the port.

    Empty where none can be made, since everything works without it.
    """
    java = Path(command[0]).resolve()
    files = [(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in (java, jar)]
    key = sha256(repr((files, list(command))).encode()).hexdigest()[:12]

    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        asyncio.run(_archive(folder / _FILE, command))

    found = environments.kept(f"java-classes-{Path(jar).stem}-{key}", make) / _FILE
    return [f"-XX:SharedArchiveFile={found}"] if found.exists() else []


async def _archive(file: Path, command: Sequence[str]) -> None:
    """Starts the emulator, and asks it to end once it listens: Java writes the file then."""
    port = free_port()
    java, *arguments = command
    emulator = await Child.start(
        "the emulator", [java, f"-XX:ArchiveClassesAtExit={file}", *arguments, f"--port={port}"]
    )
    try:
        await emulator.ready(partial(accepts, port))
        await emulator.stop(_WRITTEN_IN_S)
        whole = emulator.process.returncode is not None and emulator.process.returncode >= 0
    except ConfigError:
        whole = False
    finally:
        await emulator.stop(0)
    if not whole:
        file.unlink(missing_ok=True)
