"""Where the simulator's servers listen: a free port of 127.0.0.1 each."""

from __future__ import annotations

import socket

from faasbridge.local import web


def listen() -> socket.socket:
    """asyncio leaves Nagle's algorithm on where a socket was made without its protocol's number: 40 ms an answer.
    Connections take the setting over from the socket that accepts them."""
    found = web.listen(0, exact=True)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def address(listening: socket.socket) -> str:
    """`127.0.0.1:port`"""
    host, port = listening.getsockname()[:2]
    return f"{host}:{port}"
