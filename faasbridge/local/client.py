"""Talking to a running server through its control API."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any
from urllib.parse import quote, urlsplit

from ..codec import dumps, loads
from ..errors import FaaSBridgeError
from ..event_json import to_dict
from ..events import Event
from ..http import Request, Response
from .frames import Decoder, pack
from .state import Running

PREFIX = "/_faasbridge/control/"


class Client:
    """Thread-safe: a connection a thread, kept open."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._address = urlsplit(running.storage)
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def call(self, method: str, path: str, body: bytes = b"", timeout_s: float = 900.0) -> bytes:
        """Raises FaaSBridgeError with what the server says, or says why it cannot be reached."""
        headers = {"authorization": f"Bearer {self._running.token}", "content-type": "application/octet-stream"}
        for fresh in (False, True):
            try:
                connection = self._connection(timeout_s, fresh=fresh)
                connection.request(method, PREFIX + path, body, headers)
                response = connection.getresponse()
                content = response.read()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                # A connection that the server closed while it was idle; a request that was begun is never sent twice.
                if fresh or not isinstance(error, http.client.RemoteDisconnected | BrokenPipeError):
                    raise FaaSBridgeError(f"the local server, pid {self._running.pid}, went away") from error
            except (OSError, http.client.HTTPException) as error:
                raise FaaSBridgeError(f"the local server, pid {self._running.pid}, does not answer: {error}") from error
        if response.status >= 400:
            try:
                text = json.loads(content)["error"]
            except (ValueError, KeyError, TypeError):
                text = f"the local server answered {response.status}"
            raise FaaSBridgeError(text)
        return content

    def status(self) -> dict[str, Any]:
        return json.loads(self.call("GET", "status"))  # type: ignore[no-any-return]

    def invoke(self, function: str, event: Event, *, wait: bool = True) -> Any:
        """The handler's value; None at once where it is not waited for."""
        query = "" if wait else "?wait=0"
        content = self.call("POST", f"invoke/{quote(function)}{query}", dumps(to_dict(event)).encode())
        return loads(content) if wait else None

    def request(self, api: str, request: Request) -> Response:
        query = "&".join(f"{quote(name)}={quote(value)}" for name, value in request.query.pairs)
        headers = list(request.headers.pairs)
        if request.cookies and "cookie" not in request.headers:
            headers.append(("cookie", "; ".join(f"{name}={value}" for name, value in request.cookies.pairs)))
        header = {
            "method": request.method,
            "raw_path": request.raw_path or quote(request.path),
            "query": query,
            "headers": headers,
            "client_ip": request.client_ip or "127.0.0.1",
            "claims": dict(request.claims) or None,
        }
        content = self.call("POST", f"request/{quote(api)}", pack(header, request.body))
        ((answer, body),) = list(Decoder().feed(content))
        return response_of(answer["status"], answer["headers"], body)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _connection(self, timeout_s: float, *, fresh: bool) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None and not fresh:
            return kept
        if kept is not None:
            kept.close()
        made = http.client.HTTPConnection(self._address.hostname or "127.0.0.1", self._address.port, timeout=timeout_s)
        self._local.connection = made
        self._connections.append(made)
        return made


def response_of(status: int, pairs: list[list[str]], body: bytes) -> Response:
    """An answer as a Response: `body` bytes, a repeated header as a list."""
    headers: dict[str, Any] = {}
    for name, value in pairs:
        if name in headers:
            have = headers[name]
            headers[name] = [*have, value] if isinstance(have, list) else [have, value]
        else:
            headers[name] = value
    return Response(body, status=status, headers=headers)
