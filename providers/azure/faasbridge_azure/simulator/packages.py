"""Unpacked packages: one folder a content, whichever and however many function apps run it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import zipfile
from pathlib import Path


class Packages:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._users: dict[Path, int] = {}
        self._lock = asyncio.Lock()

    async def take(self, content: bytes) -> Path:
        """Where it is unpacked, until it is given back as often as it was taken. Raises ValueError, BadZipFile."""
        folder = self._folder / hashlib.sha256(content).hexdigest()[:16]
        async with self._lock:
            if folder not in self._users:
                await asyncio.to_thread(_unpack, content, folder)
            self._users[folder] = self._users.get(folder, 0) + 1
        return folder

    async def give_back(self, folder: Path) -> None:
        async with self._lock:
            self._users[folder] -= 1
            if not self._users[folder]:
                del self._users[folder]
                await asyncio.to_thread(shutil.rmtree, folder, True)


def _unpack(content: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for each in archive.namelist():
            if each.startswith("/") or ".." in each.split("/"):
                raise ValueError(f"the package has a file outside of itself: {each}")
        try:
            archive.extractall(folder)
            if not (folder / "host.json").is_file():
                raise ValueError("the package has no host.json at its root")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
