"""Reloading on save: a change of the app's files, and the new code answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Final

from watchfiles import awatch

from ..config import Project
from ..errors import FaaSBridgeError
from ..provider import Stage
from .records import Notice
from .server import LocalServer

QUIET_MS: Final = 10  # without a change, and a save is over
DEBOUNCE_MS: Final = 200
CLOCKS_S: Final = 0.05  # by which a file's date may lag behind the clock that told `since`: files have the last tick's
# An app's own output must not reload it, so only what people write counts. `.env` is read when it is needed.
SUFFIXES: Final = frozenset(".py .toml .html .css .js .json .yaml .yml .txt .sql .jinja .j2 .tmpl .svg .csv".split())
IGNORED: Final = frozenset(("__pycache__", "node_modules", "venv", "env", "tests", "test", "dist", "build"))


async def watch(server: LocalServer, app: str | None = None) -> None:
    """Reloads the server on every change until it is cancelled. What is wrong is told to `on_event`.

    `app` is the reference that was given in place of the settings' own.
    """
    root = server.stage.root
    try:
        async with aclosing(changes(root, server.read_at)) as saved:
            async for paths in saved:
                stage = None
                try:
                    if root / "pyproject.toml" in paths:
                        stage = await asyncio.to_thread(stage_of, server.stage, app)
                    await server.reload(stage)
                except FaaSBridgeError as error:
                    server.tell(Notice("broken", str(error)))
    except FaaSBridgeError as error:
        server.tell(Notice("broken", str(error)))


def counts(path: Path, root: Path) -> bool:
    """Whether a change of that file is one of the app."""
    relative = path.relative_to(root)
    if any(part in IGNORED or part.startswith(".") for part in relative.parts[:-1]):
        return False
    return path.suffix in SUFFIXES and not relative.name.startswith(".")


async def changes(root: Path, since: float) -> AsyncGenerator[set[Path], None]:
    """Sets of changed files, until it is closed; first those saved after `since` (seconds since the epoch).

    Raises FaaSBridgeError where the system does not let them be watched.
    """
    found: asyncio.Queue[set[Path]] = asyncio.Queue()
    watchers: list[asyncio.Task[None]] = []
    before = {path: when for path, when in _snapshot(root).items() if when <= (since - CLOCKS_S) * 1e9}
    try:
        while True:
            # The top folder by itself and the folders of code below it: the state folder, which changes with every
            # event, and virtual environments are not watched at all.
            folders = _folders(root)
            watchers = [asyncio.create_task(_feed(found, root, recursive=False))]
            if folders:
                watchers.append(asyncio.create_task(_feed(found, *folders, recursive=True)))
            for each in watchers:
                each.add_done_callback(lambda _: found.put_nowait(set()))
            await asyncio.sleep(0.05)  # each watcher is there from its first step on
            now = _snapshot(root)
            missed = {path for path in {*before, *now} if before.get(path) != now.get(path)}
            if missed:
                yield missed
            while _folders(root) == folders:
                paths = await found.get()
                wanted = {path for path in paths if counts(path, root)}
                if wanted:
                    yield wanted
                for each in watchers:
                    if each.done() and _folders(root) == folders:  # else a folder has gone, and they begin anew
                        fault = each.exception()
                        raise FaaSBridgeError(
                            f"saved files cannot be noticed: {fault}. Where the system has no watches left, "
                            "WATCHFILES_FORCE_POLLING=1 does without"
                        ) from fault
            before = _snapshot(root)
            await _end(watchers)
    finally:
        await _end(watchers)


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


def _snapshot(root: Path) -> dict[Path, int]:
    """When each file of the app was changed."""
    found = {}
    for folder in (root, *_folders(root)):
        for path in folder.iterdir() if folder == root else folder.rglob("*"):
            if counts(path, root) and path.is_file():
                found[path] = path.stat().st_mtime_ns
    return found


async def _feed(found: asyncio.Queue[set[Path]], *folders: Path, recursive: bool) -> None:
    async for batch in awatch(
        *folders,
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=QUIET_MS,
        recursive=recursive,
        ignore_permission_denied=True,
    ):
        await found.put({Path(path) for _, path in batch})


async def _end(watchers: list[asyncio.Task[None]]) -> None:
    for each in watchers:
        each.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)


def _folders(root: Path) -> tuple[Path, ...]:
    found = (each for each in root.iterdir() if each.is_dir())
    return tuple(sorted(each for each in found if each.name not in IGNORED and not each.name.startswith(".")))
