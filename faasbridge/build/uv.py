"""The uv executable: found beside this Python or on the PATH, and run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..errors import ConfigError


def find() -> str:
    """The uv of the `uv` package in this environment, else the one on the PATH. Raises ConfigError."""
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ConfigError("uv, which fetches an app's dependencies, is not there: pip install uv")
    return found


def run(arguments: list[str], *, cwd: Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs uv to its end, without colours or progress; the caller looks at the return code."""
    try:
        return subprocess.run(
            [find(), *arguments, "--no-progress", "--color", "never"],
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"uv, which fetches an app's dependencies, cannot be run: {error}") from error


def complaint(stderr: str) -> str:
    """uv's own words on one line, without its tree drawing and its hints."""
    text = stderr.partition("hint:")[0]
    for mark in ("×", "╰─▶", "├─▶", "│", "error:"):
        text = text.replace(mark, " ")
    return " ".join(text.split()).rstrip(".")
