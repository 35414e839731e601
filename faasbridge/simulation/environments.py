"""Virtual environments that hold what a simulator runs: emulators, a vendor's runtime client.

They are apart from the user's own, so that their pins bind nobody else's dependencies and an app sees in a simulator
what it will see in the cloud: its artifact and the vendor's runtime. uv makes them on first use, in the user's cache.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from ..build import uv
from ..build.interpreters import HERE, interpreter
from ..errors import ConfigError


def cache_folder() -> Path:
    """Where tools are kept between runs: FAASBRIDGE_CACHE, or `faasbridge` in the user's cache folder."""
    given = os.environ.get("FAASBRIDGE_CACHE")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "faasbridge"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faasbridge"


def environment(
    name: str,
    requirements: Sequence[str],
    python: str = "",
    *,
    note: Callable[[str], None] = lambda text: None,
) -> Path:
    """The interpreter of an environment with these requirements, which should be pinned.

    `python` is a version, "3.13"; empty is the running one. Raises ConfigError where there is no such interpreter or a
    package cannot be had.
    """
    version = python or HERE
    key = sha256("\n".join((version, sys.platform, os.uname().machine, *requirements)).encode()).hexdigest()[:12]

    def make(folder: Path) -> None:
        note(f"installing {name} for Python {version}")
        base = interpreter(version)
        if base is None:
            raise ConfigError(
                f"{name} needs Python {version}, which is not on this machine: install it, with "
                f"`uv python install {version}` for example"
            )
        made = uv.run(["venv", "--quiet", "--no-project", "--python", base, str(folder)], cwd=folder.parent)
        if made.returncode:
            raise ConfigError(f"{name} cannot be installed: {uv.complaint(made.stderr)}")
        arguments = ["pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *requirements]
        installed = uv.run(arguments, cwd=folder.parent)
        if installed.returncode:
            raise ConfigError(f"{name} cannot be installed: {uv.complaint(installed.stderr)}")

    return kept(f"{name}-{version}-{key}", make) / "bin" / "python"


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, filled by `make` on first use; half-made ones are made anew. Safe among processes."""
    folder = cache_folder() / name
    ready = folder / ".ready"
    if ready.exists():
        return folder
    with _lock(folder):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            folder.mkdir(exist_ok=True)
            ready.touch()
    return folder


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"the cache {folder.parent} cannot be written ({error.strerror}): make it writable, or set "
            "FAASBRIDGE_CACHE to a folder that is"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
