"""What the simulator's child processes write arrives line by line, however it was written."""

from __future__ import annotations

import asyncio
import sys

from faasbridge.simulation.children import Child

PIECES = """
import sys, time
for piece in ("working", " ", "on Gr\\u00fc".encode()[:-1], "\\u00fc".encode()[-1:], "\\u00dfe", "\\n", "a\\nb\\r\\nc"):
    sys.stdout.buffer.write(piece.encode() if isinstance(piece, str) else piece)
    sys.stdout.flush()
    time.sleep(0.05)
"""


def test_a_line_that_is_written_in_pieces_is_one_line() -> None:
    async def lines() -> list[str]:
        found: list[str] = []
        child = await Child.start("a program", [sys.executable, "-c", PIECES], heard=found.append)
        await child.ended()
        while len(found) < 4:
            await asyncio.sleep(0.01)
        await child.stop()
        return found

    assert asyncio.run(asyncio.wait_for(lines(), 30)) == ["working on Grüße", "a", "b", "c"]
