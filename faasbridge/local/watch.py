"""Reloading on save: a change below the project's folder, and the new code answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from pathlib import Path

from watchfiles import Change, awatch

from ..config import Project
from ..errors import ConfigError
from ..provider import Stage
from .records import Notice
from .server import LocalServer
from .state import base_folder

DEBOUNCE_MS = 40
STEP_MS = 15
_FOLDERS = {"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"}
_SUFFIXES = (".pyc", ".pyo", "~", ".swp", ".swx", ".tmp")


class Wanted:
    """Which changes matter: not those of tools and editors, nor of the state folder. `.env` is read when it is
    needed."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._state = str(base_folder(root).absolute())

    def __call__(self, change: Change, path: str) -> bool:
        if path == self._state or path.startswith(self._state + os.sep):
            return False
        parts = path[len(self._root) :].split(os.sep)
        return not path.endswith(_SUFFIXES) and not any(part in _FOLDERS or part.startswith(".") for part in parts)


async def watch(server: LocalServer, app: str | None = None) -> None:
    """Reloads the server on every change until it is cancelled or the server stops. What is wrong is told to
    `on_event`."""
    root = server.stage.root
    wanted = Wanted(root)
    batches = awatch(
        root, watch_filter=wanted, debounce=DEBOUNCE_MS, step=STEP_MS, stop_event=server.stopping, rust_timeout=500
    )
    first = asyncio.ensure_future(anext(batches, None))
    try:
        await asyncio.sleep(
            0
        )  # the watch is set up by now; what was saved between the reading of the code and that is found here
        if await asyncio.to_thread(changed_since, root, wanted, server.read_at - 0.05):
            await server.reload()
        changes = await first
        while changes is not None:
            stage = None
            try:
                if any(Path(path).name == "pyproject.toml" for _, path in changes):
                    stage = await asyncio.to_thread(stage_of, server.stage, app)
                await server.reload(stage)
            except ConfigError as error:
                server.tell(Notice("broken", str(error)))
            changes = await anext(batches, None)
    finally:
        first.cancel()


def changed_since(root: Path, wanted: Wanted, when: float) -> bool:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if wanted(Change.modified, os.path.join(folder, name))]
        for name in files:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                if wanted(Change.modified, path) and os.stat(path).st_mtime > when:
                    return True
    return False


def stage_of(stage: Stage, app: str | None = None) -> Stage:
    """The stage as the project's settings say it now. Raises ConfigError."""
    project = Project.load(stage.root, app)
    table = project.stages.get(stage.name, {})
    return replace(
        stage,
        env=table.get("env", {}),
        settings=table.get(stage.provider, {}),
        targets=project.targets,
        app_ref=project.app_ref,
        python=project.python,
    )
