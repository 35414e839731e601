"""Asynchronous operations of Resource Manager, and the two ways in which clients ask for their end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any, Literal

from .errors import ArmError

Answer = tuple[int, Any, dict[str, str]]
"""Status, body, headers."""


class Operations:
    def __init__(self) -> None:
        self._known: dict[str, tuple[asyncio.Task[Any], str]] = {}

    def begin(self, work: Coroutine[Any, Any, Any], how: Literal["async", "location"], base: str) -> dict[str, str]:
        """The headers that say where to ask."""
        id = str(uuid.uuid4())
        self._known[id] = asyncio.ensure_future(work), how
        address = f"{base}/operations/{id}?api-version=2024-11-01"
        return {"Location" if how == "location" else "Azure-AsyncOperation": address}

    def answer(self, id: str) -> Answer:
        if id not in self._known:
            raise ArmError("OperationNotFound", f"there is no operation {id}", 404)
        task, how = self._known[id]
        if not task.done():
            return (202, None, {}) if how == "location" else (200, {"status": "Running"}, {})
        error = task.exception() if not task.cancelled() else None
        if isinstance(error, ArmError):
            return 200, {"status": "Failed", "error": error.body()}, {}
        if error is not None or task.cancelled():
            return 200, {"status": "Failed", "error": {"code": "InternalServerError", "message": repr(error)}}, {}
        result = task.result()
        return (200, result, {}) if how == "location" else (200, {"status": "Succeeded", **(result or {})}, {})

    async def stop(self) -> None:
        tasks = [task for task, _ in self._known.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
