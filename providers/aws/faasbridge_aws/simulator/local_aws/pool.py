"""All sandboxes: which one an invocation gets, and when one is replaced.

ministack would import a handler into a worker of its own. A sandbox takes one invocation at a time and is used again;
one that ran out of time, ended, or has other code or settings than its function now is replaced.
Source: Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle".
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services import lambda_svc

from .environment import Start, starter
from .sandboxes import Sandbox
from .unpacking import unpacked

MOST_PER_FUNCTION = 2  # sandboxes of a function; more callers wait


class Pool:
    """All sandboxes. `pythons`: runtime -> interpreter that has the runtime client."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.pythons: dict[str, str] = {}
        self._folder = folder
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle: dict[str, list[Sandbox]] = {}
        self._busy: dict[str, list[Sandbox]] = {}
        self._keys: dict[str, str] = {}  # function -> the key of its newest code and settings
        self._closed = False

    def execute(self, function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        """What ministack wants of an executor: `body`, `error` where there was one, and the `log`."""
        config = function.get("config") or function
        try:
            sandbox = self._lease(function, config)
        except Exception as error:  # noqa: BLE001 - the invocation fails, as AWS would tell it
            return {"error": True, "body": {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": str(error)}}
        try:
            kind, payload, log = sandbox.invoke(event, request_id, float(config.get("Timeout", 3)))
        finally:
            self._release(sandbox)
        return {"body": payload, "log": log} if kind == "response" else {"error": True, "body": payload, "log": log}

    def busy(self) -> dict[str, int]:
        with self._lock:
            return {name: len(sandboxes) for name, sandboxes in self._busy.items() if sandboxes}

    def end_busy(self) -> None:
        """Ends what runs just now; its callers are told that it ended."""
        with self._lock:
            running = [sandbox for sandboxes in self._busy.values() for sandbox in sandboxes]
        for sandbox in running:
            sandbox.end()

    def renew(self, wanted: Callable[[dict[str, str]], bool]) -> None:
        """The next invocation of a function whose environment variables are `wanted` starts a new sandbox."""
        stale = []
        with self._lock:
            for name in [name for name, sandboxes in self._idle.items() if sandboxes]:
                if wanted(self._idle[name][0].variables):
                    stale += self._idle.pop(name)
        for sandbox in stale:
            sandbox.end()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            every = [s for group in (self._idle, self._busy) for sandboxes in group.values() for s in sandboxes]
            self._idle.clear()
        for sandbox in every:
            sandbox.end()

    def _lease(self, function: dict[str, Any], config: dict[str, Any]) -> Sandbox:
        name = str(config.get("FunctionName", ""))
        code: bytes = function["code_zip"]
        settings = json.dumps(
            [config.get(k) for k in ("Environment", "Handler", "Runtime", "MemorySize", "LoggingConfig", "Timeout")],
            sort_keys=True,
            default=str,
        )
        digest = hashlib.sha256(code).hexdigest()
        key = f"{digest} {settings}"
        while True:
            with self._changed:
                if self._closed:
                    raise RuntimeError("the simulator is stopping")
                stale = self._idle.pop(name, []) if self._keys.get(name) != key else []
                self._keys[name] = key
                idle, busy = self._idle.setdefault(name, []), self._busy.setdefault(name, [])
                found = idle.pop() if idle else None
                if found is None and len(busy) < MOST_PER_FUNCTION:
                    found = Sandbox(name, key, config, self._starter(config, code, digest))
                if found is not None:
                    busy.append(found)
                elif not stale:
                    self._changed.wait(1.0)
            for sandbox in stale:
                sandbox.end()
            if found is not None:
                return found

    def _release(self, sandbox: Sandbox) -> None:
        with self._changed:
            self._busy[sandbox.name].remove(sandbox)
            keep = sandbox.usable and self._keys.get(sandbox.name) == sandbox.key and not self._closed
            if keep:
                self._idle.setdefault(sandbox.name, []).append(sandbox)
            self._changed.notify_all()
        if not keep:
            sandbox.end()

    def _starter(self, config: dict[str, Any], code: bytes, digest: str) -> Start:
        runtime = str(config.get("Runtime", ""))
        if runtime not in self.pythons:
            raise RuntimeError(f"there is no runtime client for {runtime!r} here")
        return starter(config, self.pythons[runtime], unpacked(self._folder / "code", code, digest), self._endpoint)


def install(pool: Pool) -> None:
    """Lets ministack execute every Python function here."""

    def execute(function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        return pool.execute(function, event, request_id)

    lambda_svc._execute_function_warm = execute
