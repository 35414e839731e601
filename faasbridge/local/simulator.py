"""An app running on this machine that tests can drive: the server in a process of its own, with a fresh state
for tests."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..app import App
from ..deploy import DeadLetter
from ..errors import ConfigError, FaaSBridgeError
from ..events import Event
from ..http import Request, Response
from ..provider import LogLine, Stage
from ..resources import Resource
from ..spec import AppSpec
from .bind import driver_of
from .client import Client
from .database import Database
from .launch import launch
from .logs import read_logs
from .release import kinds_of, limits_of
from .secrets import clear_secrets, set_secret
from .state import Running, dev_folder
from .store import Store

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 15.0


class LocalSimulator:
    """Implements `provider.Simulator`. `test`: a temporary folder, immediate retries, schedules that wait to
    be invoked."""

    def __init__(self, stage: Stage, *, test: bool = False) -> None:
        self._stage = stage
        self._test = test
        self._folder = dev_folder(stage.root, stage.name)
        self._temporary: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._running: Running | None = None
        self._client: Client | None = None
        self._opened: Store | None = None

    @property
    def folder(self) -> Path:
        """The state folder, from `start` on."""
        return self._folder

    @property
    def client(self) -> Client:
        if self._client is None:
            raise FaaSBridgeError("the local cloud is not running")
        return self._client

    def start(self) -> None:
        if self._process is not None:
            return
        if self._test:
            self._temporary = tempfile.mkdtemp(prefix="faasbridge-")
            self._folder = Path(self._temporary, self._stage.name)
        atexit.register(self.stop)
        self._process, self._running = launch(
            self._stage, self._folder, port=0, test=self._test, timeout_s=START_TIMEOUT_S
        )
        self._client = Client(self._running)
        self._opened = Store(self._folder)

    def stop(self) -> None:
        atexit.unregister(self.stop)
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()  # it lives as long as this pipe is open
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def endpoint(self, api: str) -> str:
        running = self._running
        if running is None or api not in running.apis:
            raise ConfigError(f"no api {api!r} is running")
        return running.apis[api]

    def bind(self, app: App) -> Callable[[Resource], Any]:
        options = {"max_item_bytes": limits_of(self._stage.targets).item_bytes}
        return driver_of(app.app_name, self._stage.name, self._folder, kinds_of(), options)

    def reset(self) -> None:
        """Secrets that were set are forgotten as well, those of a test's own folder."""
        self.client.call("POST", "reset")
        if self._test:
            clear_secrets(self._folder)

    def settle(self, timeout_s: float) -> None:
        settle(self._store(), self.client, timeout_s)

    def invoke(self, function: str, event: Event) -> Any:
        return self.client.invoke(function, event)

    def request(self, api: str, request: Request) -> Response:
        return self.client.request(api, request)

    def dead_letters(self, function: str) -> list[DeadLetter]:
        return dead_letters(self._store(), function)

    def set_secret(self, name: str, value: str) -> None:
        set_secret(self._folder, name, value)

    def logs(self) -> list[LogLine]:
        return read_logs(self._folder)

    def _store(self) -> Store:
        if self._opened is None:
            raise FaaSBridgeError("the local cloud is not running")
        return self._opened


def settle(store: Store, client: Client, timeout_s: float) -> None:
    """Returns when no inbox that has a handler holds an event. Raises TimeoutError that names what is left, and at once
    where it cannot be handled, because the code cannot be loaded."""
    deadline = time.monotonic() + timeout_s
    next_look = time.monotonic() + 0.5
    pause = 0.001
    while True:
        left = _left(store)
        if not left:
            return
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"not settled after {timeout_s:g} s: {'; '.join(left.values())}")
        if now > next_look:
            next_look = now + 0.5
            functions: dict[str, Any] = client.status()["functions"]
            broken = {name: f["broken"] for name, f in functions.items() if f["broken"] and f["pending"]}
            waiting = sum(1 for f in functions.values() if f["pending"])
            if broken and len(broken) == waiting:
                raise TimeoutError(
                    "; ".join(f"function {name} cannot be loaded: {why}" for name, why in broken.items())
                )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.01)


def dead_letters(store: Store, function: str) -> list[DeadLetter]:
    """Of a function's inbox, which is known by the function's name or by its queue's."""
    return store.dead_letters(inbox_of(store, function))


def inbox_of(store: Store, function: str) -> str:
    """Raises ConfigError where the function has none."""
    text = store.meta("manifest")
    if text is None:
        raise ConfigError("nothing has run here yet")
    inbox = AppSpec.from_json(text).function(function).inbox
    if inbox is None:
        raise ConfigError(f"{function} is an api; only handlers of events have dead letters")
    return inbox


def _left(store: Database) -> dict[str, str]:
    """Inbox -> a sentence. One statement, so that an event on its way from one inbox to another is in one of them."""
    found = store.read().execute(
        "SELECT inbox, count(*), max(attempts), (SELECT reason FROM inbox i WHERE i.inbox = inbox.inbox AND "
        "reason != '' LIMIT 1)"
        " FROM inbox WHERE inbox IN (SELECT inbox FROM handlers) GROUP BY inbox"
    )
    left = {}
    for inbox, count, attempts, reason in found:
        failed = f", {attempts} failed attempts, last: {reason}" if attempts else ""
        left[inbox] = f"{inbox} holds {count} event{'s' if count != 1 else ''}{failed}"
    return left
