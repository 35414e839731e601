"""The embedded local cloud: queue throughput with one worker, warm HTTP, and how fast a saved file answers."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from faasbridge import Queue
from faasbridge.config import Project, load_app
from faasbridge.plugins import provider
from faasbridge.provider import Simulator

from .report import Figure, middle

APP = Path(__file__).parent / "app"


def throughput(messages: int = 10_000) -> list[Figure]:
    """Messages of 1 KB a second, from the first send to the last one handled, one worker."""
    project = Project.load(APP)
    simulator = provider("local").simulator(project.stage("dev", "local"), test=True)
    simulator.start()
    try:
        app = load_app(project.app_ref, project.root)
        app.bound = simulator.bind(app)
        jobs = app.resources["queue", "jobs"]
        assert isinstance(jobs, Queue)
        body = b"x" * 1024
        jobs.send(body)
        simulator.settle(30)  # the worker is up
        one_by_one = _rate(simulator, messages, lambda: [jobs.send(body) for _ in range(messages)])
        many = _rate(simulator, messages, lambda: jobs.send_many([body] * messages))
    finally:
        simulator.stop()
    how = f"{messages:,} x 1 KB, 1 worker"
    return [
        Figure("local queue, send to handled", one_by_one, "msg/s", 2000, at_least=True, note=how),
        Figure("local queue, send_many to handled", many, "msg/s", 2000, at_least=True, note=how),
    ]


def _rate(simulator: Simulator, messages: int, send: Callable[[], object]) -> float:
    start = time.perf_counter()
    send()
    simulator.settle(120)
    return messages / (time.perf_counter() - start)


def warm_http(requests: int = 2000) -> list[Figure]:
    """Milliseconds for a GET on a connection that is kept, through the server and a worker process."""
    with tempfile.TemporaryDirectory() as folder, Dev(Path(folder) / "app") as dev:
        for _ in range(200):
            dev.get("/items/7")
        samples = sorted(dev.timed("/items/7") for _ in range(requests))
    how = f"{requests:,} requests, p99 {samples[int(requests * 0.99)]:.2f} ms"
    return [Figure("dev HTTP, warm, p50", middle(samples), "ms", 3, note=how)]


def reload(saves: int = 10) -> list[Figure]:
    """Milliseconds from saving a file to the first answer of the new code."""
    with tempfile.TemporaryDirectory() as folder, Dev(Path(folder) / "app") as dev:
        source = dev.root / "bench.py"
        text = source.read_text()
        samples = []
        for i in range(saves):
            time.sleep(0.5)  # the server is at rest again
            wanted = f"saved {i}"
            source.write_text(text.replace('return "1"', f'return "{wanted}"'))
            start = time.perf_counter()
            while dev.get("/version") != wanted.encode():
                if time.perf_counter() - start > 10:
                    raise TimeoutError("the new code did not answer within 10 s")
                time.sleep(0.002)
            samples.append((time.perf_counter() - start) * 1000)
    how = f"median of {saves}, worst {max(samples):.0f} ms"
    return [Figure("dev, save to new code answers", middle(samples), "ms", 300, note=how)]


class Dev:
    """`faasbridge dev` on a copy of the benchmark's app."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> Dev:
        shutil.copytree(APP, self.root, ignore=shutil.ignore_patterns(".faasbridge", "__pycache__"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faasbridge", "dev", str(self.root), "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        url = None
        for line in self._process.stdout:
            record = json.loads(line)
            url = record.get("urls", {}).get("http")
            if url:
                break
        if url is None:
            raise RuntimeError("faasbridge dev ended before it was ready")
        self._drain()
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait(20)

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path)
        return self._connection.getresponse().read()

    def timed(self, path: str) -> float:
        start = time.perf_counter()
        self.get(path)
        return (time.perf_counter() - start) * 1000

    def _drain(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        threading.Thread(target=lambda: [None for _ in stdout], daemon=True).start()
