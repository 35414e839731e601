"""Where the simulator's servers listen: a free port of 127.0.0.1 each."""

from __future__ import annotations

import socket

from faasbridge.local import web


def listen() -> socket.socket:
    return web.listen(0, exact=True)


def address(listening: socket.socket) -> str:
    """`127.0.0.1:port`"""
    host, port = listening.getsockname()[:2]
    return f"{host}:{port}"
