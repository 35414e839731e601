"""Ports for programs that must be told one: free, and not among those that the system gives to whoever asks for any,
which could be somebody else's by the time the program listens. A program that can take any port should."""

from __future__ import annotations

import random
import socket

_FROM, _TO = 15_000, 30_000  # Linux gives 32768 to 60999 by default, macOS 49152 to 65535
_given: set[int] = set()
"""Whoever was given one may not listen yet."""


def free_port() -> int:
    """Of 127.0.0.1, and another each time. Raises OSError where none is free."""
    for _ in range(1000):
        port = random.randrange(_FROM, _TO)  # noqa: S311
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise OSError("no port of 127.0.0.1 is free")
