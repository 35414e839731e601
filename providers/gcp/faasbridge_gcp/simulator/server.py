"""`python -m faasbridge_gcp.simulator.server --folder F --attached|--detached [--test]`: the simulator's one process.

It keeps nothing for its next start: Google's emulators hold their data in memory.
"""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

from faasbridge.simulation import serving

from . import local_services


async def make(folder: Path, test: bool) -> serving.Cloud:
    """Google's packages take seconds to load, and the emulators as long to start: both at once."""
    sockets = local_services.Sockets()
    local = asyncio.create_task(local_services.start(sockets))
    parts = await asyncio.to_thread(importlib.import_module, f"{__package__}.cloud")
    made: serving.Cloud = parts.Cloud(folder, sockets, local, test=test)
    return made


def main() -> None:
    serving.main("python -m faasbridge_gcp.simulator.server", make)


if __name__ == "__main__":
    main()
