"""Cosmos DB triggers: a container's change feed, read on from where the lease says.

An error skips the batch unless the function has a retry policy.
Source: Azure Functions documentation, "Azure Cosmos DB trigger", "Azure Functions error handling and retries".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ..documents import CosmosAccount
from .process import Function, WorkerFailure
from .queues import Invoke
from .settings import resolved

_BATCH = 100
_IDLE_S = 30.0
_SOONEST_S = 0.05


class Lease:
    """How far a container's log was read. Another log, of a container that was made anew, is read from its start."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.at = 0


class FeedTrigger:
    """`accounts` finds a Cosmos DB account by its endpoint; `lease` outlives restarts of the app."""

    def __init__(
        self,
        function: Function,
        env: Mapping[str, str],
        accounts: Callable[[str], CosmosAccount | None],
        invoke: Invoke,
        lease: Lease,
        *,
        at_once: bool,
    ) -> None:
        trigger = function.trigger
        connection = str(trigger.get("connection") or "")
        self.function, self.lease = function, lease
        self.endpoint = env.get(f"{connection}__accountEndpoint", "")
        database = resolved(trigger.get("databaseName"), env)
        self.container = f"dbs/{database}/colls/{resolved(trigger.get('containerName'), env)}"
        self.wake = asyncio.Event()
        self._accounts, self._invoke, self._at_once = accounts, invoke, at_once

    @property
    def place(self) -> str:
        return f"{self.endpoint} {self.container}"

    @property
    def waiting(self) -> int:
        """Documents that are not handled yet."""
        account = self._accounts(self.endpoint)
        if account is None:
            return 0
        log = account.log(self.container)
        return len(log) - (self.lease.at if log is self.lease.log else 0)

    async def run(self) -> None:
        while True:
            self.wake.clear()
            account = self._accounts(self.endpoint)
            if account is not None:
                log = account.log(self.container)
                if log is not self.lease.log:
                    self.lease.log, self.lease.at = log, 0
                while documents := log[self.lease.at : self.lease.at + _BATCH]:
                    await self._deliver(documents)
                    self.lease.at += len(documents)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):  # wait_for may forget on 3.11 that it was cancelled
                    await self.wake.wait()

    async def _deliver(self, documents: list[dict[str, Any]]) -> None:
        from protos import TypedData  # type: ignore[import-not-found, import-untyped, unused-ignore]

        retry = self.function.metadata.retry_options
        again = self.function.metadata.HasField("retry_options")
        tries = 0
        while True:
            data = {self.function.trigger["name"]: TypedData(json=json.dumps(documents))}
            try:
                answer = await self._invoke(self.function, data, {}, str(uuid.uuid4()))
                if answer.result.status == 1:
                    return
            except WorkerFailure:
                pass  # the log has it
            tries += 1
            if not again or -1 < retry.max_retry_count < tries:
                return
            delay = 0 if self._at_once else retry.delay_interval.seconds
            await asyncio.sleep(max(_SOONEST_S, delay))
