"""A stand-in for one of Azure's services over TLS, which answers as a function says; and somebody's credential."""

from __future__ import annotations

import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

Answer = tuple[int, dict[str, str], Any]


class StandIn:
    """`asked` holds each request: method, path with query, headers in lower case, body."""

    def __init__(self, url: str, ca: str) -> None:
        self.url, self.ca = url, ca
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []


@contextmanager
def stand_in(answer: Callable[[str, str, dict[str, str], bytes], Answer], *, tls: bool = True) -> Iterator[StandIn]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.asked.append((self.command, self.path, headers, body))
            status, more, content = answer(*found.asked[-1])
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", **more}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        if tls:
            authority = trustme.CA()
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            authority.cert_pem.write_to_path(file.name)
        found = StandIn(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}", file.name)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Credential:
    """One of azure-core's kind."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(f"token for {scopes[0]}", int(time.time()) + 3600)
