"""The Runtime API of one sandbox, on a port of its own: where AWS's runtime client gets events and leaves results.

Source: Lambda Developer Guide, "Using the Lambda runtime API".
"""

from __future__ import annotations

import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_RESPONSE_BYTES = 6_291_556  # as Lambda's own error says; "Lambda quotas" rounds it to 6 MB
_TOO_LARGE = {
    "errorType": "Function.ResponseSizeTooLarge",
    "errorMessage": f"Response payload size exceeded maximum allowed payload size ({MOST_RESPONSE_BYTES} bytes).",
}

Result = tuple[str, str, Any]  # `response`, `error` or `init`, the request's id, and the payload


class RuntimeApi:
    """`asked` is set by the first request for an event: the initialisation is over."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self.asked = threading.Event()
        self._events: queue.Queue[tuple[str, bytes, float] | None] = queue.Queue()
        self._results: queue.Queue[Result] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def give(self, request_id: str, event: Any, timeout_s: float) -> None:
        self._events.put((request_id, json.dumps(event).encode(), timeout_s))

    def result(self, timeout_s: float) -> Result:
        """Raises queue.Empty."""
        return self._results.get(timeout=timeout_s)

    def close(self) -> None:
        """Once the process is gone."""
        self._events.put(None)  # whoever waits in `next`
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> tuple[str, bytes, float] | None:
        """For the server: None where there will be none any more."""
        self.asked.set()
        return self._events.get()

    def took(self, result: Result) -> None:
        """For the server."""
        self._results.put(result)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the process at the other end was ended


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """Of its length or in chunks: the runtime client sends both."""
    if "Content-Length" in request.headers:
        return request.rfile.read(int(request.headers["Content-Length"]))
    content = b""
    while size := int(request.rfile.readline(), 16):
        content += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return content


def _handler(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            found = api.next_event()
            if found is None:
                self.close_connection = True
                return
            request_id, body, timeout_s = found
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + timeout_s) * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", api.arn)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def do_POST(self) -> None:
            body = body_of(self)
            try:
                payload = json.loads(body or b"null")
            except ValueError:
                payload = body.decode(errors="replace")
            parts = self.path.strip("/").split("/")  # 2018-06-01/runtime/invocation/ID/response, .../init/error
            if parts[2] == "init":
                api.took(("init", "", payload))
            elif parts[4] == "response" and len(body) > MOST_RESPONSE_BYTES:
                api.took(("error", parts[3], _TOO_LARGE))
            else:
                api.took((parts[4], parts[3], payload))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
