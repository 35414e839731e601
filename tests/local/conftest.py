"""Small apps, running for real: `local(source)` starts one and gives its resources, its HTTP and its logs."""

from __future__ import annotations

import http.client
import json
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from faasbridge import App
from faasbridge.local.simulator import LocalSimulator
from faasbridge.provider import Stage

HEADER = """
import os, sys, time
from faasbridge import App, BlobEvent, Change, Message, Reject, Reply, Request, Response, Tick, invocation
app = App("demo")
seen = app.table("seen", key="id")
"""


class Local:
    """One app under test. Its resources are declared once more here, bound to the running state."""

    def __init__(self, root: Path, source: str, *, header: str = HEADER, test: bool = True, **stage: Any) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.write(header + textwrap.dedent(source))
        self.stage = Stage(app="demo", name="dev", provider="local", root=root, app_ref="main:app", **stage)
        self.simulator = LocalSimulator(self.stage, test=test)
        self.app = App("demo")
        self.seen = self.app.table("seen", key="id")

    def write(self, source: str, name: str = "main.py") -> None:
        path = self.root / name
        part = path.with_name(f".{name}.part")
        part.write_text(source)
        part.replace(path)

    def start(self) -> None:
        self.simulator.start()
        self.app.bound = self.simulator.bind(self.app)

    def queue(self, name: str, *, ordered: bool = False) -> Any:
        return self.app.resources.get(("queue", name)) or self.app.queue(name, ordered=ordered)

    def rows(self) -> dict[str, Any]:
        return {row["id"]: row for row in self.seen.scan()}

    def settle(self, timeout_s: float = 30.0) -> None:
        self.simulator.settle(timeout_s)

    def http(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: list[tuple[str, str]] | None = None,
        api: str = "http",
        url: str | None = None,
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers in lower case and body, exactly as sent and received."""
        address = urlsplit(url or self.simulator.endpoint(api))
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers or []:
                connection.putheader(name, value)
            if body or method in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, [(n.lower(), v) for n, v in response.getheaders()], response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: bytes = b"") -> Any:
        return json.loads(self.http(method, path, body)[2])

    def log_text(self, function: str | None = None) -> str:
        return "\n".join(line.text for line in self.simulator.logs() if function in (None, line.function))


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Callable[..., Local]]:
    started: list[Local] = []

    def start(source: str, **given: Any) -> Local:
        made = Local(tmp_path / f"app{len(started)}", source, **given)
        started.append(made)
        made.start()
        return made

    yield start
    for made in started:
        made.simulator.stop()


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for a condition; fails with its own words when it does not come true."""

    def wait(condition: Callable[[], object], what: str = "the condition", timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come true within {timeout_s} s"
            time.sleep(0.005)

    return wait
