"""The server process of a simulator: its record, its control API, and every way that it ends."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from faasbridge.errors import ConfigError, FaaSBridgeError
from faasbridge.simulation import servers

SERVER = """
import asyncio, sys
from pathlib import Path
from faasbridge.errors import ConfigError
from faasbridge.simulation import serving

class Cloud(serving.Cloud):
    def __init__(self, folder):
        self.folder, self.done = folder, []
        self.views = {"/done": lambda: self.done}

    async def start(self):
        if HOW == "refuses":
            raise ConfigError("there is no emulator here")
        if HOW == "hangs":
            (self.folder / "hangs").touch()
            await asyncio.sleep(3600)
        return {"address": "here"}

    async def broken(self):
        if HOW != "breaks":
            return await super().broken()
        await asyncio.sleep(0.2)
        return "the emulator ended"

    async def stop(self):
        (self.folder.parent / "stopped").touch()

    async def reset(self):
        self.done.append("reset")

    async def left(self):
        raise KeyError("work")

    def queues(self):
        return ["jobs"]

    def deployed(self):
        return [{"app": "shop", "stage": "dev"}]

async def make(folder, test):
    return Cloud(folder)

serving.main("server", make)
"""


def command(folder: Path, how: str = "") -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder.parent / "server.py"
    program.write_text(f"HOW = {how!r}\n{SERVER}")
    return [sys.executable, str(program)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "server"


@pytest.fixture
def server(folder: Path) -> Iterator[servers.Server]:
    process, found = servers.launch(command(folder), folder)
    yield found
    servers.end(process)


def test_it_is_found_and_asked_and_stopped(server: servers.Server, folder: Path) -> None:
    assert servers.running(folder) == server
    assert server.details == {"address": "here"}
    assert server.call("POST", "/reset") == {}
    assert server.call("GET", "/queues") == ["jobs"]
    assert server.call("GET", "/done") == ["reset"]
    assert server.call("GET", "/deployments") == [{"app": "shop", "stage": "dev"}]
    assert servers.stop(folder)
    assert servers.running(folder) is None
    assert (folder.parent / "stopped").exists()


def test_a_folder_has_one_server(server: servers.Server, folder: Path) -> None:
    with pytest.raises(ConfigError, match="already running"):
        servers.launch(command(folder), folder)
    assert servers.running(folder) == server


def test_the_control_api_wants_the_token(server: servers.Server) -> None:
    for headers in ({}, {"Authorization": "Bearer of bad news"}):
        connection = http.client.HTTPConnection(urlsplit(server.control).netloc, timeout=10)
        connection.request("POST", "/stop", headers=headers)
        assert connection.getresponse().status == 401
        connection.close()
    assert server.call("POST", "/reset") == {}


def test_what_it_does_not_know_and_what_fails_in_it_is_said(server: servers.Server) -> None:
    with pytest.raises(FaaSBridgeError, match="the simulator knows no GET /nothing"):
        server.call("GET", "/nothing")
    with pytest.raises(FaaSBridgeError, match="the simulator failed: KeyError"):
        server.call("GET", "/left")


def test_one_that_cannot_start_says_why_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^there is no emulator here$"):
        servers.launch(command(folder, "refuses"), folder)
    assert servers.running(folder) is None
    assert (folder.parent / "stopped").exists()


def test_one_that_cannot_go_on_says_why_and_ends(folder: Path) -> None:
    process, _ = servers.launch(command(folder, "breaks"), folder, detached=True)
    assert process.wait(20) == 1
    assert "the simulator cannot go on: the emulator ended" in (folder / "server.log").read_text()
    assert servers.running(folder) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_one_that_still_starts(folder: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([*command(folder, "hangs"), "--folder", str(folder), "--detached"])
    while not (folder / "hangs").exists():
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(20) == 0
    assert (folder.parent / "stopped").exists()


def test_attached_it_ends_with_its_standard_input(folder: Path) -> None:
    process, _ = servers.launch(command(folder), folder)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
