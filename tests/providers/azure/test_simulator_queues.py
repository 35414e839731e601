"""The simulator's host gives messages back where it is stopped, whenever that is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from faasbridge_azure.simulator.host.process import Function
from faasbridge_azure.simulator.host.queues import QueueTrigger
from faasbridge_azure.simulator.storage import Account

MESSAGE = {"MessageId": "1", "PopReceipt": "r", "DequeueCount": "1", "MessageText": "aGk="}


class SlowAccount(Account):
    """Answers only when it is told to, as storage does on a busy machine."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.released: list[tuple[str, str, int]] = []

    async def receive(self, queue: str, number: int, visibility_s: int) -> list[dict[str, str]]:
        self.asked.set()
        await self.answer.wait()
        return [MESSAGE]

    async def release(self, queue: str, message: Any, visibility_s: int) -> None:
        self.released.append((queue, message["MessageId"], visibility_s))


def test_a_message_that_is_received_while_the_host_stops_is_for_whoever_comes_next() -> None:
    async def stopped() -> list[tuple[str, str, int]]:
        account = SlowAccount()
        binding = {"type": "queueTrigger", "name": "native", "queueName": "jobs", "connection": "AT"}
        function = Function("1", "work", (binding,), None)

        async def invoke(*_: Any) -> None:
            raise AssertionError("nobody is there to handle it")

        env = {"AT__accountName": "store"}
        trigger = QueueTrigger(function, env, {}, lambda name: account, invoke, at_once=False)
        running = asyncio.create_task(trigger.run())
        await account.asked.wait()
        running.cancel()
        asyncio.get_running_loop().call_soon(account.answer.set)
        with pytest.raises(asyncio.CancelledError):
            await running
        return account.released

    assert asyncio.run(asyncio.wait_for(stopped(), 30)) == [("jobs", "1", 0)]
