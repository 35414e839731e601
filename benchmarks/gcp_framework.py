"""What FaaSBridge adds to a function under Google's functions-framework: to a request, an import and a cold start.

The plain function and ours have JSON in and out and run at the same time; requests and spawns go to them in turn, so
that a busy machine slows both alike.
"""

from __future__ import annotations

import compileall
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

import faasbridge
import faasbridge_gcp
from faasbridge.simulation.ports import free_port
from faasbridge_gcp.entry import MAIN

from .aws_cold_start import MANIFEST
from .report import Figure, middle
from .runtime import import_ms

PLAIN = """
import json


def handler(request):
    answer = {"number": int(request.path.rpartition("/")[2]), "of": request.get_json()["of"]}
    return json.dumps(answer), 200, {"content-type": "application/json"}
"""
OURS = """
from faasbridge import App

app = App("bench")


@app.post("/items/{number:int}")
def item(request, number):
    return {"number": number, "of": request.json()["of"]}
"""
PATH = os.pathsep.join(str(Path(str(package.__file__)).parents[1]) for package in (faasbridge, faasbridge_gcp))
PER_TURN = 50


def figures(spawns: int = 20, turns: int = 60) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        plain, ours = Path(folder, "plain"), Path(folder, "ours")
        _artifact(plain, {"main.py": PLAIN})
        _artifact(ours, {"main.py": MAIN, "bench_app.py": OURS, "faasbridge.json": json.dumps(MANIFEST)})
        return [_round_trip(plain, ours, turns), _import(), _cold_start(plain, ours, spawns)]


def _round_trip(plain: Path, ours: Path, turns: int) -> Figure:
    with ExitStack() as stack:
        ports = {name: stack.enter_context(served(path)) for name, path in (("plain", plain), ("ours", ours))}
        times: dict[str, list[float]] = {name: [] for name in ports}
        for turn in range(turns + 5):  # the first ones warm both
            for name, port in ports.items():
                taken = _requests(port, PER_TURN)
                if turn >= 5:
                    times[name] += taken
    of_plain, of_ours = middle(times["plain"]), middle(times["ours"])
    how = f"median of {turns * PER_TURN} requests: {of_ours:.3f} ms with, {of_plain:.3f} ms without"
    return Figure("functions-framework, round trip over a plain function", of_ours / of_plain, "times", 1.05, note=how)


def _import() -> Figure:
    framework = "import functions_framework, functions_framework._http.gunicorn, flask"
    ours = "import faasbridge, faasbridge_gcp.entry, faasbridge_gcp.http"
    took = import_ms(f"{framework}\nstart = perf_counter()\n{ours}", 15)
    note = "lower quartile of 15, from sources, on it"
    return Figure("functions-framework, import of core and adapter", took, "ms", 10, note=note)


def _cold_start(plain: Path, ours: Path, spawns: int) -> Figure:
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for spawn in range(spawns + 1):  # the first of each warms the file cache
        for name, path in (("plain", plain), ("ours", ours)):
            start = perf_counter()
            with served(path) as port:
                _requests(port, 1)
                if spawn:
                    times[name].append((perf_counter() - start) * 1000)
    of_plain, of_ours = middle(times["plain"]), middle(times["ours"])
    how = f"median of {spawns} spawns in turn: {of_ours:.0f} ms with, {of_plain:.0f} ms without"
    return Figure("functions-framework, cold start over a plain function", of_ours - of_plain, "ms", note=how)


def _requests(port: int, number: int) -> list[float]:
    """Milliseconds of each."""
    taken = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        for _ in range(number):
            start = perf_counter()
            connection.request("POST", "/items/7", b'{"of": "a thing"}', {"content-type": "application/json"})
            response = connection.getresponse()
            body = response.read()
            taken.append((perf_counter() - start) * 1000)
            if response.status != 200 or json.loads(body)["number"] != 7:
                raise RuntimeError(f"the function answered {response.status} {body!r}")
    finally:
        connection.close()
    return taken


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """The function of that folder under functions-framework: its port, once it listens."""
    port = free_port()
    settings = {"FUNCTION_TARGET": "handler", "FAASBRIDGE_FUNCTION": "http", "HOST": "127.0.0.1", "PORT": str(port)}
    command = [sys.executable, "-m", "functions_framework", "--source", "main.py"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **settings, "PYTHONPATH": PATH},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        ends = time.monotonic() + 30
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"functions-framework does not serve {folder.name}")
            time.sleep(0.001)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _artifact(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    compileall.compile_dir(folder, quiet=1)
