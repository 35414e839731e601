"""How many workers run: function apps without work give up theirs where there are too many, as Azure scales to none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Protocol

from .process import Function

MOST = 16
"""More run only where all of them are busy."""


class Scalable(Protocol):
    @property
    def busy(self) -> bool: ...

    async def sleep(self) -> None:
        """Ends its worker; it begins again when there is work."""
        ...


class Pool:
    """`starting` lets as many workers start at a time as there are processors. `indexes`: the functions that workers
    found, by interpreter, folder of the package and environment."""

    def __init__(self, most: int = MOST) -> None:
        self.starting = asyncio.Semaphore(os.cpu_count() or 2)
        self.indexes: dict[tuple[str, str, frozenset[tuple[str, str]]], Mapping[str, Function]] = {}
        self._most = most
        self._awake: dict[Scalable, None] = {}

    def used(self, app: Scalable) -> None:
        self._awake.pop(app, None)
        self._awake[app] = None

    def left(self, app: Scalable) -> None:
        self._awake.pop(app, None)

    async def make_room(self) -> None:
        """For one more: those that were used longest ago go first."""
        for app in [each for each in self._awake if not each.busy]:
            if len(self._awake) < self._most:
                return
            if not app.busy:
                self.left(app)
                await app.sleep()
