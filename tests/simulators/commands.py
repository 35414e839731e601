"""The command line on a provider's simulator, as a user runs it, and the app that it is run with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONG_S = 60  # for waiting on a condition; never a measure
COMMAND = [sys.executable, "-m", "faasbridge"]
# A shell has what it starts in the background ignore Ctrl-C, and that is inherited.
HEARS_CTRL_C = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('faasbridge', run_name='__main__')"
)
# What a user may have set up for the vendor itself, none of which a simulator looks at.
THEIRS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_PROFILE": "no-such-profile",
    "AWS_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "GOOGLE_APPLICATION_CREDENTIALS": "/no/such/file.json",
    "GOOGLE_CLOUD_PROJECT": "nobodys-project",
    "AZURE_CLIENT_ID": "nobody",
    "AZURE_CLIENT_SECRET": "nothing",
    "AZURE_TENANT_ID": "no-such-tenant",
}

PYPROJECT = """
[project]
name = "shop"
version = "0.1.0"
dependencies = ["faasbridge"]

[tool.faasbridge]
app = "shop:app"
python = "PYTHON"
""".replace("PYTHON", f"{sys.version_info.major}.{sys.version_info.minor}")
SHOP = """
import os
import time

from faasbridge import App, Message

app = App("shop")
orders = app.queue("orders")
done = app.table("done", key="id")


@app.get("/", uses=[done.scan])
def show(request):
    return {"version": 1, "done": sorted(row["id"] for row in done.scan())}


@app.post("/orders", uses=[orders.send])
def order(request):
    orders.send(request.body)


@orders.on_message(uses=[done.put])
def pack(message: Message) -> None:
    if message.text() == "hang":
        time.sleep(600)
    print("packing", message.text())
    done.put({"id": message.text()})
"""


class Project:
    """A folder with an app, and the provider on whose simulator its commands run."""

    def __init__(self, root: Path, provider: str) -> None:
        self.root = root
        self.provider = provider

    def run(self, *arguments: str) -> str:
        """What `faasbridge` printed; it must succeed."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *arguments]
        if arguments[0] != "simulator":
            command += ["--provider", self.provider, "--simulate"]
        return subprocess.run(
            command, cwd=self.root, capture_output=True, text=True, timeout=110, check=False, env=environment()
        )

    def following(self, *arguments: str) -> tuple[list[str], int]:
        """What `logs --follow` prints until its first line, and the status with which it ends at Ctrl-C."""
        command = [
            sys.executable,
            "-c",
            HEARS_CTRL_C,
            "logs",
            "--follow",
            *arguments,
            "--provider",
            self.provider,
            "--simulate",
        ]
        options: Any = {"cwd": self.root, "stdout": subprocess.PIPE, "text": True, "env": environment()}
        with subprocess.Popen(command, **options) as process:
            end = threading.Timer(240, process.kill)
            end.start()
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            process.send_signal(signal.SIGINT)
            lines += process.stdout.readlines()
            end.cancel()
        return lines, process.returncode

    def url(self) -> str:
        return self.run("url").strip()

    def servers(self) -> Any:
        return json.loads(self.run("simulator", "list", "--json"))

    def change(self, before: str, after: str) -> None:
        path = self.root / "shop.py"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def processes(self) -> dict[int, str]:
        """Whatever runs that names this folder in its command line or environment, or works in it."""
        found = {}
        for each in Path("/proc").iterdir():
            if each.name.isdigit() and int(each.name) != os.getpid():
                try:
                    command = (each / "cmdline").read_bytes()
                    text = command + (each / "environ").read_bytes() + os.fsencode(os.readlink(each / "cwd"))
                    state = (each / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if os.fsencode(self.root) in text and state != "Z":
                    found[int(each.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def nothing_runs(self) -> None:
        until(lambda: not self.processes(), lambda: f"the end of {self.processes()}")


class Dev:
    """`faasbridge dev`, running."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.output = project.root.parent / "dev.out"
        command = [*COMMAND, "dev", "--provider", project.provider, *arguments]
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd=project.root, stdout=stream, stderr=stream, env=environment())

    def __enter__(self) -> Dev:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def url(self) -> str:
        def shown() -> str:
            text = self.output.read_text()
            assert self.process.poll() is None, text
            return next((word for word in text.split() if word.startswith("http://")), "")

        return str(until(shown, "the endpoint"))

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LONG_S)


def environment() -> dict[str, str]:
    return {**os.environ, **THEIRS}


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def read(url: str) -> Any:
    """The JSON that is there."""
    status, body = fetch(url)
    assert status == 200, body
    return json.loads(body)


def until(condition: Callable[[], Any], what: str | Callable[[], str]) -> Any:
    deadline = time.monotonic() + LONG_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what if isinstance(what, str) else what()} did not come about"
        time.sleep(0.05)
    return found
