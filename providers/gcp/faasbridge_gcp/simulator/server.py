"""`python -m faasbridge_gcp.simulator.server --folder F --attached|--detached [--test]`: the simulator's one process.

See `faasbridge.simulation.servers` for what such a server promises. It keeps nothing for its next start: Google's
emulators hold their data in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import secrets
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from faasbridge.errors import ConfigError
from faasbridge.local.state import Lock, make_folder
from faasbridge.simulation import servers

from . import local_services
from .control import Control


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faasbridge_gcp.simulator.server")
    parser.add_argument("--folder", type=Path, required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--attached", action="store_true", help="end when the standard input is closed")
    how.add_argument("--detached", action="store_true")
    parser.add_argument("--test", action="store_true", help="immediate retries, no schedules")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(arguments.folder.absolute(), attached=arguments.attached, test=arguments.test))
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


async def serve(folder: Path, *, attached: bool, test: bool) -> None:
    """Until it is told to stop. Raises ConfigError where it cannot start."""
    make_folder(folder)
    lock = Lock(folder)
    lock.acquire()
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    if attached:
        loop.add_reader(sys.stdin.fileno(), lambda: _read(loop, ending))
    sockets = local_services.Sockets()
    local = asyncio.create_task(local_services.start(sockets))
    # Google's packages take seconds to load, and the emulators as long to start: both at once.
    parts = await asyncio.to_thread(importlib.import_module, f"{__package__}.cloud")
    cloud, token = parts.Cloud(folder, sockets, local, test=test), secrets.token_urlsafe(24)
    control = Control(cloud, token, ending.set)
    try:
        starting, stopping = asyncio.create_task(cloud.start()), asyncio.create_task(ending.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        starting.result()
        await control.start()
        details = {
            "address": cloud.rest.url,
            "google": cloud.address,
            "storage": cloud.storage.url,
            "firestore": cloud.local.firestore,
        }
        started = datetime.now(UTC).isoformat(timespec="seconds")
        servers.record(folder, servers.Server(os.getpid(), control.url, token, started, details))
        breaking = asyncio.create_task(cloud.local.ended())
        await asyncio.wait((stopping, breaking), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            raise ConfigError(f"the simulator cannot go on: {breaking.result()}")
        breaking.cancel()
    finally:
        (folder / servers.RECORD).unlink(missing_ok=True)
        await control.stop()
        await cloud.stop()
        lock.release()


def _read(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    """Nothing is expected from there but its end."""
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        ending.set()


if __name__ == "__main__":
    main()
