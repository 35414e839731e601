"""Queue triggers: polling, visibility, dequeue count, poison queue.

Source: Azure Functions documentation, "Azure Queue storage trigger" (host.json).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import uuid
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..storage import Account
from .process import Function, WorkerFailure
from .settings import resolved, seconds

log = logging.getLogger(__name__)
POLL_S = 0.02
LONGEST_POLL_S = 0.5
IDLE_S = 30.0
"""What an empty queue is left alone for: whoever puts a message there wakes its trigger."""
VISIBILITY_S = 600
"""What the host hides a message for while it is handled (it renews; a crash gives the message back here at once)."""

Invoke = Callable[[Function, Any, Any, str], Awaitable[Any]]


class QueueTrigger:
    """`options` are host.json's of `extensions.queues`; `at_once`: what failed comes again without a wait."""

    def __init__(
        self,
        function: Function,
        env: Mapping[str, str],
        options: Mapping[str, Any],
        accounts: Callable[[str], Account | None],
        invoke: Invoke,
        *,
        at_once: bool,
    ) -> None:
        self.function = function
        self.account, self.queue = _place(function, env)
        self.wake = asyncio.Event()
        self._accounts, self._invoke = accounts, invoke
        self._size = max(1, min(32, int(options.get("batchSize", 16))))
        self._again_s = 0 if at_once else int(seconds(options.get("visibilityTimeout")) or 0)
        self._attempts = int(options.get("maxDequeueCount", 5))
        self._plain = options.get("messageEncoding", "base64") == "none"

    @property
    def place(self) -> str:
        return f"{self.account}/{self.queue}"

    async def run(self) -> None:
        pause = POLL_S
        while True:
            account = self._accounts(self.account)
            self.wake.clear()
            messages: list[dict[str, str]] = []
            idle = account is None
            if account is not None:
                try:
                    messages = await self._receive(account)
                    await asyncio.gather(*(self._message(account, one) for one in messages))
                    idle = not messages and await account.is_empty(self.queue)
                except Exception:
                    log.exception("polling %s failed", self.queue)
            pause = POLL_S if messages else min(LONGEST_POLL_S, pause * 2)
            if not messages:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S if idle else pause):  # wait_for may forget a cancellation on 3.11
                        await self.wake.wait()

    async def _receive(self, account: Account) -> list[dict[str, str]]:
        """Waits for the answer also where the app is stopped meanwhile: what is in it would stay hidden, and nobody
        would handle it."""
        receiving = asyncio.ensure_future(account.receive(self.queue, self._size, VISIBILITY_S))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await asyncio.gather(*(account.release(self.queue, one, 0) for one in await receiving))
            raise

    async def _message(self, account: Account, message: dict[str, str]) -> None:
        count = int(message["DequeueCount"])
        try:
            succeeded = count <= self._attempts and await self._deliver(message)
        except WorkerFailure:
            succeeded = False  # the log has it
        except asyncio.CancelledError:
            # The app is stopped or updated: the message is for whoever comes next.
            await asyncio.shield(account.release(self.queue, message, 0))
            raise
        if succeeded:
            await account.delete_message(self.queue, message)
        elif count >= self._attempts:
            await account.make_queue(f"{self.queue}-poison")
            await account.put(f"{self.queue}-poison", message["MessageText"])
            await account.delete_message(self.queue, message)
        else:
            await account.release(self.queue, message, self._again_s)

    async def _deliver(self, message: dict[str, str]) -> bool:
        from protos import TypedData  # type: ignore[import-not-found, import-untyped, unused-ignore]

        text = message["MessageText"]
        try:
            body = text.encode() if self._plain else b64decode(text, validate=True)
        except ValueError:
            body = text.encode()  # the host takes what is no base64 as it is
        metadata = {
            "Id": TypedData(string=message["MessageId"]),
            "DequeueCount": TypedData(json=message["DequeueCount"]),
            "PopReceipt": TypedData(string=message["PopReceipt"]),
            "QueueTrigger": TypedData(string=body.decode("utf-8", "replace")),
        }
        for name, given in (
            ("InsertionTime", "InsertionTime"),
            ("ExpirationTime", "ExpirationTime"),
            ("NextVisibleTime", "TimeNextVisible"),
        ):
            metadata[name] = TypedData(json=json.dumps(_moment(message.get(given, ""))))
        binary = str(self.function.trigger.get("dataType", "")).lower() == "binary"
        data = TypedData(bytes=body) if binary else TypedData(string=body.decode("utf-8", "replace"))
        inputs = {self.function.trigger["name"]: data}
        answer = await self._invoke(self.function, inputs, metadata, str(uuid.uuid4()))
        return bool(answer.result.status == 1)


def _place(function: Function, env: Mapping[str, str]) -> tuple[str, str]:
    """Account and queue."""
    trigger = function.trigger
    connection = str(trigger.get("connection") or "AzureWebJobsStorage")
    account = env.get(f"{connection}__accountName", "")
    if not account:
        found = re.search(r"AccountName=([^;]+)", env.get(connection, ""))
        account = found[1] if found else ""
    return account, resolved(trigger.get("queueName"), env).lower()


def _moment(text: str) -> str:
    try:
        return parsedate_to_datetime(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC, microsecond=0).isoformat()  # Azurite's "never"
