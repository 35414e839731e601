"""The command line as a user runs it: a process, its exit code and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "faasbridge"]
LONG_S = 60  # for waiting on a condition; never a measure

PYPROJECT = """\
[project]
name = "shop"
version = "0.1.0"
dependencies = ["faasbridge"]

[tool.faasbridge]
app = "shop.app:app"
"""

APP = '''\
"""A shop."""

from __future__ import annotations

import logging

from faasbridge import App, BlobEvent, Change, Message, Reject, Reply, Request, Tick

app = App("shop")
orders = app.queue("orders")
files = app.bucket("files")
rows = app.table("rows", key="id", sort_key="at")
token = app.secret("token")


@app.post("/orders", uses=[orders.send])
def order(request: Request) -> Reply:
    orders.send(request.body)
    return {"ordered": True}


@app.get("/orders/{number:int}", uses=[token.get])
def show(request: Request, number: int) -> Reply:
    return {"number": number, "token": token.get()}


@orders.on_message(uses=[files.put], max_attempts=2)
def pack(message: Message) -> None:
    logging.getLogger("shop").info("packing %s", message.text())
    if message.text() == "bad":
        raise Reject("bad goods")
    files.put(f"packed/{message.id}.txt", message.body)


@files.on_create(prefix="packed/", suffix=".txt")
def packed(event: BlobEvent) -> None:
    print("packed", event.key)


@rows.on_change
def changed(change: Change) -> None: ...


@app.schedule("0 3 * * *", timezone="Europe/Berlin")
def nightly(tick: Tick) -> None: ...
'''


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


# One place for the byte code of all the processes: they start twice as fast.
CACHE = Path(tempfile.gettempdir(), f"faasbridge-tests-{os.getuid()}")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Without what the person who runs the tests has set up."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "NO_COLOR")
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("FAASBRIDGE_") and name not in unwanted
    }
    return {**inherited, "PYTHONPYCACHEPREFIX": str(CACHE), "TERM": "xterm", "COLUMNS": "200", **(extra or {})}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with each kind of trigger."""
    root = tmp_path / "shop"
    (root / "shop").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "shop" / "__init__.py").write_text("")
    (root / "shop" / "app.py").write_text(APP)
    return root


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs `faasbridge ...` in `cwd` to its end, without a terminal."""

    def run(*arguments: str, cwd: Path = tmp_path, env: Mapping[str, str] | None = None, stdin: str = "") -> Ended:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=cwd,
            env=environment(env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


class Dev:
    """A running `faasbridge dev`; `read` waits for lines of it."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self.output = cwd.parent / "dev.out"
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd=cwd, env=environment(), stdout=stream, stderr=stream)

    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, *words: str) -> str:
        """The output, once every one of the words is in it."""
        return wait_until(lambda: self._with(words), lambda: f"{words} are not in:\n{self.text()}")

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LONG_S)

    def _with(self, words: tuple[str, ...]) -> str | None:
        text = self.text()
        if all(word in text for word in words):
            return text
        assert self.process.poll() is None, f"dev ended with {self.process.returncode}:\n{text}"
        return None


def wait_until(condition: Callable[[], Any], otherwise: Callable[[], str]) -> Any:
    """What the condition gives once that is true."""
    deadline = time.monotonic() + LONG_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(otherwise())
        time.sleep(0.02)
    return found


@pytest.fixture
def dev(project: Path) -> Iterator[Callable[..., Dev]]:
    """Starts `faasbridge dev` in the project, or Python with what runs it; it is gone when the test is over."""
    started: list[Dev] = []

    def start(*arguments: str, program: Sequence[str] = ("-m", "faasbridge", "dev", "--port", "0")) -> Dev:
        started.append(Dev([sys.executable, *program, *arguments], project))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
