"""The simulator's server, whose functions start with their first request: a deployer needs none of them to run."""

from __future__ import annotations

from faasbridge_gcp.simulator import server
from faasbridge_gcp.simulator.revisions import Revision


async def later(revision: Revision) -> None:
    """An instance is started when one is needed."""


if __name__ == "__main__":
    Revision.start = later  # type: ignore[method-assign]
    server.main()
