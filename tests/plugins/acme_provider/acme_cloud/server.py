from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from faasbridge import Request
from faasbridge.http import unquote

__all__ = ["ThreadingHTTPServer", "serve"]


def serve(answer: Callable[[Request], tuple[int, list[tuple[str, str]], bytes]]) -> ThreadingHTTPServer:
    """Serves requests on a free port until it is shut down."""

    class Handler(BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.respond
            raise AttributeError(name)

        def respond(self) -> None:
            raw, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(
                self.command, unquote(raw), headers=self.headers.items(), query=query, body=body, raw_path=raw
            )
            status, headers, content = answer(request)
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if not any(name == "content-length" for name, _ in headers) and status != 204:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
