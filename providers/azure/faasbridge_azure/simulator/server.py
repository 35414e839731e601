"""`python -m faasbridge_azure.simulator.server --folder F --attached|--detached [--test]`: the simulator's one process.

It keeps nothing for its next start: the emulators hold their data in memory.
"""

from __future__ import annotations

from pathlib import Path

from faasbridge.simulation import serving

from .cloud import Cloud


async def make(folder: Path, test: bool) -> serving.Cloud:
    return Cloud(folder, test=test)


def main() -> None:
    serving.main("python -m faasbridge_azure.simulator.server", make)


if __name__ == "__main__":
    main()
