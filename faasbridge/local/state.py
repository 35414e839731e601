"""The state folder of an app and stage: where it is, who runs there, and the lock that keeps it to one server.

    <project>/.faasbridge/<stage>/            what `faasbridge dev` runs in, its server in the foreground
    <project>/.faasbridge/<stage>-deployed/   what `faasbridge deploy --provider local` runs in, its server detached

A stage can so be worked on while a deployment of it runs; neither sees the other's data. What asks for "the
running app"
(`invoke`, `logs`, `dead-letters`, `url`, `status`) means the deployment where there is one, else `dev`'s.
FAASBRIDGE_STATE names
another folder than `.faasbridge`; several projects must not share it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError

DEPLOYED = "-deployed"
_MOMENT_S = 0.5


def base_folder(root: Path) -> Path:
    given = os.environ.get("FAASBRIDGE_STATE")
    return Path(root, given) if given else Path(root, ".faasbridge")


def dev_folder(root: Path, stage: str) -> Path:
    return base_folder(root) / stage


def deployed_folder(root: Path, stage: str) -> Path:
    return base_folder(root) / f"{stage}{DEPLOYED}"


def make_folder(folder: Path) -> None:
    """Raises ConfigError where it cannot be made or written."""
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)  # the app's data, and the key that signs URLs
        (folder / "logs").mkdir(exist_ok=True)
        ignore = folder.parent / ".gitignore"
        if folder.parent.name == ".faasbridge" and not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise ConfigError(
            f"the app's state cannot be written to {folder} ({error.strerror}); "
            "make that folder writable, or set FAASBRIDGE_STATE to one that is"
        ) from error


@dataclass(frozen=True)
class Running:
    """`run.json`: how to reach the server of a state folder."""

    pid: int
    apis: dict[str, str] = field(default_factory=dict)  # name -> root URL
    storage: str = ""
    token: str = ""
    started: str = ""  # ISO 8601, UTC

    def write(self, folder: Path) -> None:
        """For the user's eyes only: the token lets its holder run the app's functions."""
        path = folder / "run.json"
        part = folder / "run.json.part"
        part.unlink(missing_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            json.dump(asdict(self), file)
        part.replace(path)


def running(folder: Path) -> Running | None:
    """What runs there. None where nothing does: a `run.json` that a killed server left behind does not count."""
    try:
        raw: dict[str, Any] = json.loads((folder / "run.json").read_text())
        found = Running(**raw)
    except (OSError, ValueError, TypeError):
        return None
    return found if is_locked(folder) else None


class Lock:
    """Held by the server for as long as it lives; the kernel lets go of it whatever way that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd = -1

    def acquire(self) -> None:
        """Raises ConfigError that says who holds it."""
        try:
            fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"the app's state cannot be written to {self._folder} ({error.strerror}); "
                "make that folder writable, or set FAASBRIDGE_STATE to one that is"
            ) from error
        # Whoever looks whether it is held shares it for a moment, and a killed server may hold it for its last one.
        deadline = time.monotonic() + _MOMENT_S
        while not _locked(fd):
            other = running(self._folder)
            if time.monotonic() > deadline or (other is not None and _alive(other.pid)):
                os.close(fd)
                where = f", pid {other.pid}, at {next(iter(other.apis.values()), other.storage)}" if other else ""
                raise ConfigError(
                    f"this app and stage is already running{where}; stop that one first, or use another --stage"
                )
            time.sleep(0.005)
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            (self._folder / "run.json").unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def is_locked(folder: Path) -> bool:
    try:
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    """Whether the lock is this process's now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def running_folder(root: Path, stage: str) -> tuple[Path, Running] | None:
    """The folder of "the running app": the deployment, where it runs, else `dev`'s."""
    for folder in (deployed_folder(root, stage), dev_folder(root, stage)):
        found = running(folder)
        if found is not None:
            return folder, found
    return None
