"""Functions of an artifact under Google's own functions-framework, on the Python that runs the tests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faasbridge
import faasbridge_gcp
from faasbridge.simulation.ports import free_port

PATH = [str(Path(package.__file__).parents[1]) for package in (faasbridge, faasbridge_gcp)]


class Server:
    """A function under functions-framework, and what it logs."""

    def __init__(self, folder: Path, function: str, signature: str = "http") -> None:
        self.port = free_port()
        self.log = folder / f"{function}-{signature}.log"
        settings = {
            "FUNCTION_TARGET": "handler",
            "FUNCTION_SIGNATURE_TYPE": signature,
            "FAASBRIDGE_FUNCTION": function,
            "GOOGLE_CLOUD_PROJECT": "demo-p",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "PYTHONPATH": os.pathsep.join(PATH),
        }
        command = [sys.executable, "-m", "functions_framework", "--source", "main.py"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until(self._listens, "listening")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def request(
        self, method: str, path: str, body: Any = None, headers: Any = None, *, chunked: bool = False
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            response = connection.getresponse()
            return response.status, [(name.lower(), value) for name, value in response.getheaders()], response.read()
        finally:
            connection.close()

    def push(self, body: bytes, **more: Any) -> int:
        message = {"data": b64encode(body).decode(), "messageId": "77", "message_id": "77", **more.pop("message", {})}
        native = {"message": message, "subscription": "projects/p/subscriptions/s", **more}
        return self.request("POST", "/", json.dumps(native).encode(), {"content-type": "application/json"})[0]

    def line(self, text: str) -> dict[str, Any]:
        """The log line whose message begins with that."""

        def find() -> dict[str, Any] | None:
            for line in self.log.read_text().splitlines():
                if line.startswith("{") and line.endswith("}") and json.loads(line)["message"].startswith(text):
                    return json.loads(line)  # type: ignore[no-any-return]
            return None

        return self._wait_until(find, f"logging {text!r}")

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _wait_until(self, condition: Callable[[], Any], what: str) -> Any:
        ends = time.monotonic() + 60
        while not (found := condition()):
            assert time.monotonic() < ends, f"it is not {what}:\n{self.log.read_text()}"
            time.sleep(0.02)
        return found


def served(artifact: Path, function: str, signature: str) -> Iterator[Server]:
    server = Server(artifact, function, signature)
    try:
        yield server
    finally:
        server.stop()
