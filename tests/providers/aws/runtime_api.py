"""A Lambda sandbox: AWS's own runtime client in a process of its own, and the Runtime API that it talks to.

One server a sandbox, on a port of its own. Source: Lambda Developer Guide, "Using the Lambda runtime API for custom
runtimes".
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from faasbridge_aws.simulator.local_aws.runtime_api import body_of


class Result(NamedTuple):
    """What the runtime client reported: `kind` is `response`, `error` or `init error`, `body` its parsed JSON."""

    kind: str
    body: Any
    request_id: str = ""


class Sandbox:
    """`folder` is an unpacked artifact; `env` comes on top of what Lambda sets. Use it as a context manager."""

    def __init__(self, folder: Path, handler: str, path: list[str], timeout_s: float = 20.0, **env: str) -> None:
        self.events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self.results: queue.Queue[Result] = queue.Queue()
        self.timeout_s = timeout_s
        self.server = _Server(("127.0.0.1", 0), _handler_of(self))
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.log_path = folder / "log.txt"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(folder), *path]),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_LAMBDA_FUNCTION_NAME": "shop-test-function",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop-test-function",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_REGION": "eu-west-1",
            "_HANDLER": handler,
            **env,
        }
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", handler],
                cwd=folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.events.put(None)  # the thread that answers the pending `next` ends
        self.server.shutdown()
        self.server.server_close()

    def invoke(self, event: Any) -> Result:
        """Raises queue.Empty where nothing came back in 30 seconds."""
        self.events.put((str(uuid4()), json.dumps(event).encode()))
        return self.result()

    def result(self) -> Result:
        return self.results.get(timeout=30)

    def log(self) -> list[dict[str, Any]]:
        """The lines so far that are JSON objects, as CloudWatch would take them."""
        lines = self.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # the sandbox was killed
            super().handle_error(request, client_address)


def _handler_of(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            event = sandbox.events.get()
            if event is None:
                self.close_connection = True
                return
            request_id, body = event
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + sandbox.timeout_s) * 1000)))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:1:function:shop-test-function"
            )
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = json.loads(body_of(self) or b"null")
            parts = self.path.strip("/").split("/")  # 2018-06-01/runtime/invocation/ID/response or .../init/error
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if parts[2] == "init":
                sandbox.results.put(Result("init error", body))
            else:
                sandbox.results.put(Result(parts[4], body, parts[3]))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
