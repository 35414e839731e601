"""The simulator's Event Grid tries again what a queue did not take, and keeps what it gives up."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from typing import Any

import pytest

from faasbridge_azure.simulator.eventgrid import EventGrid
from faasbridge_azure.simulator.storage import Refused

EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "ordered", "data": {"n": 1}}
ACCOUNT = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/shop"
PROPERTIES = {
    "deliveryWithResourceIdentity": {"destination": {"properties": {"resourceId": ACCOUNT, "queueName": "inbox"}}},
    "deadLetterWithResourceIdentity": {
        "deadLetterDestination": {"properties": {"resourceId": ACCOUNT, "blobContainerName": "undelivered"}}
    },
    "eventDeliverySchema": "CloudEventSchemaV1_0",
    "retryPolicy": {"maxDeliveryAttempts": 4, "eventTimeToLiveInMinutes": 1440},
}


class Account:
    """A storage account that refuses as many messages as `refusals` says, each with that status."""

    name = "shop"

    def __init__(self, *refusals: int) -> None:
        self.refusals = list(refusals)
        self.asked = 0
        self.queued: list[Any] = []
        self.blobs: dict[str, Any] = {}

    async def put(self, queue: str, text: str) -> None:
        self.asked += 1
        if self.refusals:
            raise Refused(self.refusals.pop(0), "no")
        self.queued.append(json.loads(b64decode(text)))

    async def put_blob(self, container: str, name: str, content: bytes) -> None:
        self.blobs[f"{container}/{name}"] = json.loads(content)


def deliver(account: Account | None) -> None:
    """Publishes an event to one subscription, and waits for what becomes of it."""

    async def publish() -> None:
        there: Any = account
        subscription = {"id": "/topics/news/eventSubscriptions/shop-read", "properties": PROPERTIES}
        grid = EventGrid(lambda topic: [subscription], lambda name: there, at_once=True)
        grid.publish("/topics/news", dict(EVENT))
        while grid.under_way():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(publish(), 30))


@pytest.mark.parametrize("refusals", [(), (500,), (404, 503, 500)])
def test_an_event_is_delivered_once_the_queue_takes_it(refusals: tuple[int, ...]) -> None:
    account = Account(*refusals)
    deliver(account)
    assert (account.asked, account.queued, account.blobs) == (len(refusals) + 1, [EVENT], {})


@pytest.mark.parametrize(
    ("refusals", "attempts", "reason"),
    [((500,) * 9, 4, "MaxDeliveryAttemptsExceeded"), ((403,), 1, "UndeliverableDueToClientError")],
)
def test_what_is_given_up_is_kept_with_the_reason(refusals: tuple[int, ...], attempts: int, reason: str) -> None:
    account = Account(*refusals)
    deliver(account)
    ((name, ((dead,))),) = account.blobs.items()
    assert name.startswith("undelivered/SHOP-READ/2")
    assert (dead["id"], dead["deadLetterReason"], dead["deliveryAttempts"]) == ("1", reason, attempts)
    assert (account.asked, account.queued) == (attempts, [])


def test_an_account_that_is_gone_is_no_fault_of_the_simulator() -> None:
    deliver(None)
