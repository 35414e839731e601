"""The Pythons of this machine."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from . import uv

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@lru_cache
def interpreter(version: str) -> str | None:
    """A Python of that version ("3.13") on this machine: the running one, one of pyenv's, or one that uv finds."""
    if version == HERE:
        return sys.executable
    # pyenv's commands answer only for the versions that are chosen in a folder, and take long to say so.
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for path in sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True):
        return str(path)
    arguments = ["python", "find", "--no-project", "--no-python-downloads", version]
    found = uv.run(arguments, cwd=Path(sys.prefix))  # a folder that says nothing of versions
    return found.stdout.strip() if found.returncode == 0 else None
