"""Saving a file: the new code answers, what runs finishes or comes again, and broken code never takes the app down."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faasbridge.local.bind import driver_of
from faasbridge.local.records import Invocation, Notice
from faasbridge.local.server import LocalServer
from faasbridge.local.watch import counts, watch

APP = """
import os, time
from faasbridge import App, Message, Reply, Request
app = App("demo")
jobs = app.queue("jobs")
seen = app.table("seen", key="id")

@app.get("/")
def home(request: Request) -> Reply:
    return "{version}"

@jobs.on_message(max_attempts=3, uses=[seen.put])
def work(message: Message) -> None:
    seen.put({{"id": message.text(), "version": "{version}", "attempt": message.attempt}})
    time.sleep(0.002)
"""


class Dev:
    """`faasbridge dev` without the terminal: a server in a thread of this process, watching its folder."""

    def __init__(self, local: Any, folder: Path) -> None:
        self.local = local
        self.folder = folder
        self.events: list[Invocation | Notice] = []
        self.server: LocalServer
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self._ready.result(30)
        local.app.bound = driver_of("demo", "dev", folder)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        stage = replace(self.local.stage)
        self.server = LocalServer(stage, folder=self.folder, port=0, on_event=self.events.append)
        try:
            await self.server.start()
        except BaseException as error:
            self._ready.set_exception(error)
            raise
        watching = asyncio.create_task(watch(self.server))
        self._ready.set_result(None)
        await self.server.stopping.wait()
        watching.cancel()
        await self.server.stop()

    def get(self, path: str = "/") -> tuple[int, bytes]:
        status, _, content = self.local.http("GET", path, url=self.server.urls["http"])
        return status, content

    def notices(self, kind: str) -> list[Notice]:
        return [event for event in self.events if isinstance(event, Notice) and event.kind == kind]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.server.ask_to_stop)
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def dev(local: Callable[..., Any]) -> Iterator[Dev]:
    app = local(APP.format(version="one"), header="")
    running = Dev(app, app.root / ".faasbridge" / "dev")
    yield running
    running.stop()


def test_a_saved_file_answers_and_the_old_answer_is_there_until_then(dev: Dev, until: Callable[..., None]) -> None:
    assert dev.get() == (200, b"one")
    answers = []
    dev.local.write(APP.format(version="two"))

    def new() -> bool:
        answers.append(dev.get())
        return answers[-1] == (200, b"two")

    until(new, "the new code")
    assert set(answers) <= {(200, b"one"), (200, b"two")}


def test_two_saves_within_a_second_are_two_versions(dev: Dev, until: Callable[..., None]) -> None:
    for version in ("aaa", "bbb", "ccc"):  # of the same size, which a cache of byte code would not tell apart
        dev.local.write(APP.format(version=version))
        until(lambda version=version: dev.get() == (200, version.encode()), version)


def test_broken_code_is_told_with_its_place_and_the_old_code_answers(dev: Dev, until: Callable[..., None]) -> None:
    breakages = {
        "def (:\n": "main.py:1",
        "import faasbridge\nraise RuntimeError('at import')\n": "main.py:2",
        APP.format(version="x") + "\n@jobs.on_message\ndef work(message): ...\n": "declared already at",
    }
    for source, expected in breakages.items():
        dev.local.write(source)
        until(lambda expected=expected: any(expected in notice.text for notice in dev.notices("broken")), expected)
        assert dev.get() == (200, b"one")
    dev.local.write(APP.format(version="mended"))
    until(lambda: dev.get() == (200, b"mended"), "the mended code")


def test_nothing_in_flight_is_lost_while_code_is_saved_again_and_again(dev: Dev, until: Callable[..., None]) -> None:
    queue = dev.local.queue("jobs")
    sent: list[str] = []
    for version in range(5):
        batch = [f"v{version}m{i}" for i in range(150)]
        queue.send_many(batch)
        sent += batch
        dev.local.write(APP.format(version=f"version{version}"))
        until(lambda version=version: dev.get() == (200, f"version{version}".encode()), f"version {version}")
    until(lambda: len(dev.local.rows()) == len(sent), "the handling of all")
    rows = dev.local.rows()
    assert set(rows) == set(sent)
    assert {row["attempt"] for row in rows.values()} == {1}  # a reload is nobody's failure


def test_a_request_that_runs_is_finished_by_the_old_code(dev: Dev, until: Callable[..., None]) -> None:
    slow = (
        APP
        + """
@app.get("/slow", uses=[seen.put, seen.get])
def slow(request: Request) -> Reply:
    seen.put({{"id": "begun"}})
    while not seen.get("go"):
        time.sleep(0.005)
    return "{version}"
"""
    )
    dev.local.write(slow.format(version="two"))
    until(lambda: dev.get() == (200, b"two"), "the second version")
    answer: Future[Any] = Future()
    asking = threading.Thread(target=lambda: answer.set_result(dev.get("/slow")))
    asking.start()
    until(lambda: "begun" in dev.local.rows(), "the slow request")
    dev.local.write(slow.format(version="three"))
    until(lambda: dev.get() == (200, b"three"), "the third version")
    dev.local.seen.put({"id": "go"})
    assert answer.result(20) == (200, b"two")
    asking.join()


def test_apis_and_handlers_come_and_go(dev: Dev, until: Callable[..., None]) -> None:
    source = APP.format(version="two")
    more = '\nadmin = app.api("admin")\n@admin.get("/")\ndef a(request: Request) -> Reply:\n    return "admin"\n'
    dev.local.write(source + more)
    until(lambda: "admin" in dev.server.urls, "the new api")
    assert dev.local.http("GET", "/", url=dev.server.urls["admin"])[2] == b"admin"
    without = source.replace("@jobs.on_message", "work_later = lambda f: f\n@(lambda **_: lambda f: f)")
    dev.local.write(without)
    until(lambda: "admin" not in dev.server.urls, "the end of the api")
    dev.local.queue("jobs").send("waits")
    dev.local.write(source)
    until(lambda: "waits" in dev.local.rows(), "the message that waited for a handler")


def test_invocations_are_told_with_their_lines(dev: Dev, until: Callable[..., None]) -> None:
    dev.local.write(APP.format(version="two").replace("    return", "    print('hi there')\n    return"))
    until(lambda: dev.get() == (200, b"two"), "the new code")
    invocation = next(e for e in reversed(dev.events) if isinstance(e, Invocation))
    assert (invocation.function, invocation.trigger, invocation.outcome) == ("http", "GET /", "ok")
    assert [line.text for line in invocation.lines] == ["hi there"]


def test_tools_and_editors_do_not_cause_reloads(tmp_path: Path) -> None:
    quiet = [".git/index", "__pycache__/x.py", ".faasbridge/dev/state.db", "a.py~", ".main.py.swp", ".venv/lib/x.py"]
    assert [path for path in quiet if counts(tmp_path / path, tmp_path)] == []
    assert all(counts(tmp_path / path, tmp_path) for path in ("main.py", "src/a/b.py", "pyproject.toml", "page.html"))


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_NOFILE ends what inotify may open on Linux alone")
def test_a_system_without_watches_left_is_told(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    program = """
import asyncio, os, resource, sys
from pathlib import Path
from faasbridge.errors import FaaSBridgeError
from faasbridge.local.watch import changes

async def watch():
    open_now = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 1, open_now + 100))  # folders can be listed
    async for _ in changes(Path(sys.argv[1]), 0):
        pass

try:
    asyncio.run(asyncio.wait_for(watch(), 20))
except FaaSBridgeError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "saved files cannot be noticed: " in done.stdout, done.stderr
    assert "WATCHFILES_FORCE_POLLING=1" in done.stdout
