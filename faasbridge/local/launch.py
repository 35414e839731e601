"""Starting the server as a process of its own, and waiting until it answers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from ..errors import ConfigError, DeployError
from ..provider import Stage
from .client import Client
from .stages import stage_to_json
from .state import Running, make_folder, running

STOP_TIMEOUT_S = 15.0


def launch(
    stage: Stage,
    folder: Path,
    *,
    port: int,
    test: bool = False,
    detached: bool = False,
    project: Path | None = None,
    timeout_s: float = 90.0,
) -> tuple[subprocess.Popen[bytes], Running]:
    """The process and how to reach it. Attached, it ends when its standard input is closed; detached, it survives the
    terminal and writes to `server.log` in its folder.

    Raises ConfigError with what the server said where it does not come up.
    """
    folder = folder.absolute()
    make_folder(folder)
    command = [sys.executable, "-P", "-m", "faasbridge.local.server", "--folder", str(folder), "--port", str(port)]
    command += ["--stage-json", stage_to_json(stage), "--project", str(project or stage.root)]
    command += ["--test"] if test else []
    command += ["--detached"] if detached else ["--attached"]
    with contextlib.ExitStack() as stack:
        opened: IO[bytes] = (folder / "server.log").open("ab") if detached else tempfile.TemporaryFile()  # noqa: SIM115
        output = stack.enter_context(opened)
        start = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout_s
        while True:
            found = running(folder)
            if found is not None and found.pid == process.pid:
                if detached:
                    _detached.append(process)
                return process, found
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()
                said = _output(folder / "server.log" if detached else None, output, start)
                raise ConfigError(said or f"the local server did not start within {timeout_s:.0f} s")
            time.sleep(0.01)


_detached: list[subprocess.Popen[bytes]] = []


def stop(folder: Path) -> None:
    """Ends the server of that folder, if one runs, and returns when it is gone. Raises DeployError."""
    found = running(folder)
    if found is None:
        return
    client = Client(found)  # through the control API, so that it can only be ours
    try:
        client.call("POST", "stop")
    finally:
        client.close()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while running(folder) is not None or _alive(found.pid):
        if time.monotonic() > deadline:
            raise DeployError(f"the local server, pid {found.pid}, does not stop; end it and try again")
        time.sleep(0.02)
        # One that this process started detached leaves the process table only so.
        _detached[:] = [process for process in _detached if process.poll() is None]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _output(path: Path | None, file: IO[bytes], start: int) -> str:
    if path is not None:
        return path.read_bytes()[start:].decode(errors="replace").strip()
    return os.pread(file.fileno(), 100_000, 0).decode(errors="replace").strip()
