"""The one server process of a simulator: started, found again, asked, stopped.

A server is a program that is given `--folder F` and `--attached` or `--detached`. It holds an exclusive `flock` on
`F/lock` for as long as it lives, owns every process that it starts, and writes `F/server.json` when it is ready:

    {"pid": 1, "control": "http://127.0.0.1:1", "token": "...", "started": "<ISO 8601>", "details": {...}}

Its control API takes the token as a bearer: `POST /reset` (everything empty, nothing of before arrives), `GET /left`
(what is in flight, inbox -> a sentence; empty once all is settled), `GET /queues` (those that may hold messages), `GET
/deployments` (a list of `{"app", "stage"}`), `POST /stop`. It ends by that, by SIGTERM or SIGINT, and, attached, when
its standard input is closed.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ..errors import ConfigError, FaaSBridgeError
from ..local.state import is_locked, make_folder

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
RECORD = "server.json"


@dataclass(frozen=True)
class Server:
    """A running simulator. `details` is the vendor's: endpoints and ports."""

    pid: int
    control: str
    token: str
    started: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None, timeout_s: float = 120.0) -> Any:
        """The JSON that it answers. Raises FaaSBridgeError with what it says, or that it cannot be reached."""
        address = urlsplit(self.control)
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout_s)
        try:
            content = b"" if body is None else json.dumps(body).encode()
            headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
            connection.request(method, address.path + path, content, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise FaaSBridgeError(f"the simulator, pid {self.pid}, does not answer: {error!r}") from error
        finally:
            connection.close()
        answer = json.loads(text) if text.strip() else None
        if response.status >= 400:
            said = answer.get("error") if isinstance(answer, dict) else None
            raise FaaSBridgeError(said or f"the simulator answered {response.status} to {path}")
        return answer


def running(folder: Path) -> Server | None:
    """Whose folder it is. None where nothing runs: the record of a killed server does not count."""
    try:
        found = Server(**json.loads((folder / RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if is_locked(folder) else None


def record(folder: Path, server: Server) -> None:
    """For servers written in this package: says that it is ready. For the user's eyes only, because of the token."""
    part = folder / f"{RECORD}.part"
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump({**vars(server), "details": dict(server.details)}, file)
    part.replace(folder / RECORD)


def launch(
    command: Sequence[str],
    folder: Path,
    *,
    detached: bool = False,
    env: Mapping[str, str] | None = None,
    timeout_s: float = START_TIMEOUT_S,
) -> tuple[subprocess.Popen[bytes], Server]:
    """Starts a server and returns when it is ready. Attached, it ends when its standard input is closed; detached, it
    survives the terminal and writes to `server.log` in its folder.

    `env` replaces this process's environment. Raises ConfigError with what the server said where it does not come up.
    """
    folder = folder.absolute()
    make_folder(folder)
    with ExitStack() as stack:
        opened: IO[bytes] = (folder / "server.log").open("ab") if detached else tempfile.TemporaryFile()  # noqa: SIM115
        output = stack.enter_context(opened)
        process = subprocess.Popen(
            [*command, "--folder", str(folder), "--detached" if detached else "--attached"],
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=env,
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                found = running(folder)
                if found is not None and found.pid == process.pid:
                    if detached:
                        _detached.append(process)
                    return process, found
                if process.poll() is not None or time.monotonic() > deadline:
                    said = _tail(folder / "server.log" if detached else None, output)
                    raise ConfigError(said or f"the simulator did not start within {timeout_s:.0f} s")
                time.sleep(0.01)
        except BaseException:
            end(process)
            raise


_detached: list[subprocess.Popen[bytes]] = []
"""They outlive this process; where it is the longer-lived one, their end must still be taken note of."""


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server that this process launched; only one that does not end by itself is killed."""
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop(folder: Path) -> bool:
    """Ends the server of a folder, whoever started it, and waits until it is gone. Whether there was one.

    Raises FaaSBridgeError where it does not end.
    """
    found = running(folder)
    if found is None:
        return False
    with suppress(FaaSBridgeError):  # it may be gone before it answers
        found.call("POST", "/stop")
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while is_locked(folder):
        if time.monotonic() > deadline:
            raise FaaSBridgeError(f"the simulator, pid {found.pid}, does not stop: end it with `kill {found.pid}`")
        time.sleep(0.02)
    for process in [process for process in _detached if process.pid == found.pid]:
        process.wait()
        _detached.remove(process)
    return True


def _tail(path: Path | None, output: IO[bytes]) -> str:
    text = path.read_bytes()[-4_000:] if path is not None else os.pread(output.fileno(), 100_000, 0)[-4_000:]
    return text.decode(errors="replace").strip()
