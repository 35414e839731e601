"""kill -9 of the whole thing at any moment loses no accepted event and no acknowledged write.

A generator sends messages, puts rows and puts objects, and writes down each one once it was acknowledged, in a file of
its own that it syncs. The server's whole process group, and sometimes the generator, is killed at random moments and
started again. In the end each acknowledged thing is there, and each event was handled at least once.

FAASBRIDGE_KILLS=200 makes it a long test.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faasbridge import App
from faasbridge.local.bind import driver_of
from faasbridge.local.client import Client
from faasbridge.local.launch import launch
from faasbridge.local.simulator import settle
from faasbridge.local.state import Running
from faasbridge.local.store import Store
from faasbridge.provider import Stage

KILLS = int(os.environ.get("FAASBRIDGE_KILLS", "20"))

APP = """
from faasbridge import App, BlobEvent, Change, Message
app = App("demo")
jobs = app.queue("jobs")
news = app.topic("news")
rows = app.table("rows", key="id")
files = app.bucket("files")
handled = app.table("handled", key="id")

@jobs.on_message(uses=[handled.put, news.publish], max_attempts=100)
def work(message: Message) -> None:
    news.publish(message.text())
    handled.put({"id": f"job {message.text()}"})

@news.on_message(uses=[handled.put], max_attempts=100)
def hear(message: Message) -> None:
    handled.put({"id": f"news {message.text()}"})

@rows.on_change(uses=[handled.put], max_attempts=100)
def changed(change: Change) -> None:
    handled.put({"id": f"row {change.key}"})

@files.on_create(uses=[handled.put, files.get], max_attempts=100)
def created(event: BlobEvent) -> None:
    handled.put({"id": f"file {event.key} {files.get(event.key).decode()[:20]}"})
"""

GENERATOR = """
import os, sys, time
from pathlib import Path
from faasbridge import App
from faasbridge.local.bind import driver_of

folder, log, run = sys.argv[1:]
app = App("demo")
jobs, rows, files = app.queue("jobs"), app.table("rows", key="id"), app.bucket("files")
app.bound = driver_of("demo", "dev", folder)
out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
n = 0
while True:
    n += 1
    name = f"{run}-{n}"
    kind = ("job", "job", "row", "file")[n % 4]
    if kind == "job":
        jobs.send(name)
    elif kind == "row":
        rows.put({"id": name, "n": n})
    else:
        files.put(name, f"content of {name} ".encode() * 500)
    os.write(out, f"{kind} {name}\\n".encode())
    os.fsync(out)
    time.sleep(0.002)
"""


def test_killing_everything_again_and_again_loses_nothing(tmp_path: Path, until: Callable[..., None]) -> None:
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "generator.py").write_text(GENERATOR)
    folder, log = tmp_path / "state", tmp_path / "acknowledged"
    stage = Stage(app="demo", name="dev", provider="local", root=tmp_path, app_ref="main:app")
    chance = random.Random(os.environ.get("FAASBRIDGE_SEED"))
    server, running = launch(stage, folder, port=0)
    generator = _generator(tmp_path, folder, log, 0)
    try:
        for kill in range(KILLS):
            before = _size(log)
            until(lambda before=before: _size(log) > before, "the generator's next write")
            time.sleep(chance.uniform(0.0, 0.4))  # the moment is to be any
            if kill % 4 == 3:
                _kill(generator)
                generator = _generator(tmp_path, folder, log, kill + 1)
            _kill(server)
            server, running = launch(stage, folder, port=0)
        _kill(generator)
        missing = _missing(stage, folder, log, running)
    finally:
        _kill(generator)
        _kill(server)
    assert missing == []


def _missing(stage: Stage, folder: Path, log: Path, running: Running) -> list[str]:
    """What was acknowledged and is not there, or whose event was not handled."""
    store, client = Store(folder), Client(running)
    try:
        settle(store, client, 60)
        app = App("demo")
        rows, files, handled = app.table("rows", key="id"), app.bucket("files"), app.table("handled", key="id")
        app.bound = driver_of("demo", "dev", folder)
        done = {row["id"] for row in handled.scan()}
        there = {row["id"] for row in rows.scan()}
        missing = []
        acknowledged = [line.split() for line in log.read_text().splitlines()]
        assert len(acknowledged) > 100
        for kind, name in acknowledged:
            wanted = {
                "job": [f"job {name}", f"news {name}"],
                "row": [f"row {name}"],
                "file": [f"file {name} {f'content of {name} '[:20]}"],
            }[kind]
            if len(f"content of {name} ") < 20 and kind == "file":
                wanted = [f"file {name} {(f'content of {name} ' * 2)[:20]}"]
            missing += [f"not handled: {each}" for each in wanted if each not in done]
            if kind == "row" and name not in there:
                missing.append(f"lost: {name}")
            if kind == "file" and files.get(name) != f"content of {name} ".encode() * 500:
                missing.append(f"changed: {name}")
        dead = [
            json.dumps(letter.reason)
            for function in ("work", "hear", "changed", "created")
            for letter in _dead(store, function)
        ]
        return missing + dead
    finally:
        client.close()
        store.close()


def _dead(store: Store, function: str) -> list[Any]:
    from faasbridge.local.simulator import dead_letters

    return dead_letters(store, function)


def _generator(root: Path, folder: Path, log: Path, run: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(root / "generator.py"), str(folder), str(log), f"run{run}"]
    return subprocess.Popen(command, start_new_session=True)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process group at once; its workers, in groups of their own, must end by themselves."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
