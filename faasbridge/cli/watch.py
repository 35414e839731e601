"""Which files of a project changed, told as soon as a save is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

QUIET_MS: Final = 10  # without a change, and a save is over
# An app's own output must not reload it, so only what people write counts.
SUFFIXES: Final = frozenset(".py .toml .html .css .js .json .yaml .yml .txt .sql .jinja .j2 .tmpl .svg .csv".split())
IGNORED: Final = frozenset(("__pycache__", "node_modules", "venv", "env", "tests", "test", "dist", "build"))


def counts(path: Path, root: Path) -> bool:
    """Whether a change of that file is one of the app."""
    relative = path.relative_to(root)
    if any(part in IGNORED or part.startswith(".") for part in relative.parts[:-1]):
        return False
    return relative.name == ".env" or (path.suffix in SUFFIXES and not relative.name.startswith("."))


def snapshot(root: Path) -> dict[Path, int]:
    """When each file of the app was changed."""
    found = {}
    for folder in (root, *_folders(root)):
        for path in folder.iterdir() if folder == root else folder.rglob("*"):
            if counts(path, root) and path.is_file():
                found[path] = path.stat().st_mtime_ns
    return found


async def changes(root: Path, before: dict[Path, int]) -> AsyncIterator[set[Path]]:
    """Sets of changed files, until it is cancelled; the first are those that changed since the snapshot `before`."""
    found: asyncio.Queue[set[Path]] = asyncio.Queue()
    watchers: list[asyncio.Task[None]] = []
    try:
        while True:
            # The top folder by itself and the folders of code below it: the state folder, which changes with every
            # event, and virtual environments are not watched at all.
            folders = _folders(root)
            watchers = [asyncio.create_task(_feed(found, root, (root,), recursive=False))]
            if folders:
                watchers.append(asyncio.create_task(_feed(found, root, folders, recursive=True)))
            await asyncio.sleep(0.05)  # each watcher is there from its first step on
            now = snapshot(root)
            missed = {path for path in {*before, *now} if before.get(path) != now.get(path)}
            if missed:
                yield missed
            while _folders(root) == folders:
                paths = await found.get()
                wanted = {path for path in paths if counts(path, root)}
                if wanted:
                    yield wanted
            before = snapshot(root)
            await _end(watchers)
    finally:
        await _end(watchers)


async def _feed(found: asyncio.Queue[set[Path]], root: Path, folders: tuple[Path, ...], *, recursive: bool) -> None:
    from watchfiles import awatch

    async for batch in awatch(
        *folders, watch_filter=None, debounce=200, step=QUIET_MS, recursive=recursive, ignore_permission_denied=True
    ):
        await found.put({Path(path) for _, path in batch})


async def _end(watchers: list[asyncio.Task[None]]) -> None:
    for each in watchers:
        each.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)


def _folders(root: Path) -> tuple[Path, ...]:
    found = (each for each in root.iterdir() if each.is_dir())
    return tuple(sorted(each for each in found if each.name not in IGNORED and not each.name.startswith(".")))
