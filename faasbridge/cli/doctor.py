"""`faasbridge doctor`: whether this machine has what FaaSBridge and a provider need."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer

from ..errors import ConfigError
from ..provider import Finding
from .check import COLOURS
from .human import size
from .options import Session, session

SQLITE: Final = (3, 35, 0)  # RETURNING
FREE_BYTES: Final = 500_000_000


@session(target=True, path=True)
def command(session: Session) -> None:
    """Check this machine."""
    out = session.out
    findings = list(diagnose(session))
    if out.json:
        out.data(findings)
    else:
        for each in findings:
            mark = {"ok": "ok", "warning": "warning", "error": "error"}[each.severity]
            where = f"{each.location}: " if each.location else ""
            out.line(f"{out.paint(mark.ljust(7), COLOURS[each.severity])}  {where}{each.message}")
    if any(each.severity == "error" for each in findings):
        raise typer.Exit(1)


def diagnose(session: Session) -> Iterator[Finding]:
    """Every finding, good ones too; nothing here raises for what is wrong."""
    from ..plugins import provider, warnings

    yield _python()
    yield _sqlite()
    yield _uv()
    for sentence in warnings():
        yield Finding("plugin", sentence, "warning")
    project = None
    try:
        project = session.project
        yield Finding("project", f"project {project.root}, app {project.app_ref}", "ok")
    except ConfigError as error:
        yield Finding("project", str(error), "warning")
    yield from _state(project.root if project else Path.cwd())
    try:
        vendor = provider(session.provider_name)
    except ConfigError as error:
        yield Finding("provider", str(error))
        return
    yield Finding("provider", f"provider {session.provider_name!r} is installed", "ok")
    if project is None:
        return
    another = another_python(project.python) if session.provider_name == "local" else None
    if another is not None:
        yield Finding("python.app", another, "warning")
    try:
        stage = project.stage(session.stage_name, session.provider_name)
    except ConfigError as error:
        yield Finding("app", str(error))
        return
    # What the provider says of the machine as well was said above.
    yield from (finding for finding in vendor.doctor(stage) if finding.code not in ("python", "sqlite", "uv", "state"))


def another_python(python: str) -> str | None:
    """What there is to know where the app is for another Python than the running one."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python in ("", running):
        return None
    return (
        f"the app's python is {python}, and local functions run on the one that runs this command, {running}: "
        f"use a virtual environment of Python {python}"
    )


def _python() -> Finding:
    text = f"Python {sys.version.split()[0]} ({sys.executable})"
    return Finding("python", text, "ok")


def _sqlite() -> Finding:
    import sqlite3

    text = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < SQLITE:
        needed = ".".join(map(str, SQLITE))
        return Finding("sqlite", f"{text}: the local provider needs {needed} or later; use a newer Python build")
    return Finding("sqlite", text, "ok")


def _uv() -> Finding:
    from ..build import uv

    try:
        found = uv.find()
        version = uv.run(["--version"], cwd=Path.cwd()).stdout.strip()
    except ConfigError as error:
        return Finding("uv", str(error))
    return Finding("uv", f"{version or 'uv'} ({found})", "ok")


def _state(root: Path) -> Iterator[Finding]:
    import tempfile

    from ..build.artifact import state_folder

    folder = state_folder(root)
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
        yield Finding("state", f"the state folder {folder} can be written", "ok")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        yield Finding(
            "state",
            f"the state folder {folder} cannot be written ({reason}): make it writable, or set FAASBRIDGE_STATE",
        )
    free = shutil.disk_usage(existing).free
    few = free < FREE_BYTES
    hint = f": the local provider wants {size(FREE_BYTES)}" if few else ""
    yield Finding("disk", f"{size(free)} of disk are free at {os.fspath(existing)}{hint}", "warning" if few else "ok")
