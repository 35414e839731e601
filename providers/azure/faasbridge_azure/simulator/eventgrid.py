"""Event Grid: topics, subscriptions with their filters, and delivery to Storage Queues.

Sources: Azure Event Grid documentation, "Event filtering", "Blob storage as Event Grid source", "Event Grid message
delivery and retry" (retry schedule; what is not tried again), "Set dead-letter location and retry policy".
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from .storage import Account, Refused

RETRIES_S = (10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200)
_FINAL = (400, 403, 413)
_SOONEST_S = 0.05


class EventGrid:
    """`subscriptions` gives those of a topic (its resource id), `account` finds a storage account by name; `at_once`:
    what failed is tried again without a wait."""

    def __init__(
        self,
        subscriptions: Callable[[str], Iterable[Mapping[str, Any]]],
        account: Callable[[str], Account | None],
        *,
        at_once: bool,
    ) -> None:
        self._subscriptions, self._account, self._at_once = subscriptions, account, at_once
        self._tasks: dict[asyncio.Task[None], str] = {}
        self.delivered: Callable[[str, str], None] = lambda account, queue: None

    def publish(self, topic: str, event: dict[str, Any]) -> None:
        for subscription in self._subscriptions(topic):
            if matches(subscription["properties"], event):
                task = asyncio.create_task(
                    self._deliver(subscription, {**event, **({"topic": topic} if "eventType" in event else {})})
                )
                self._tasks[task] = subscription["id"].rpartition("/")[2]
                task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def under_way(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for name in self._tasks.values():
            found[name] = found.get(name, 0) + 1
        return found

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, subscription: Mapping[str, Any], event: dict[str, Any]) -> None:
        """Until the queue has it, or the subscription's policy gives it up."""
        properties = subscription["properties"]
        destination = properties.get("deliveryWithResourceIdentity", {}).get("destination") or properties["destination"]
        target = destination["properties"]
        content = json.dumps(to_schema(event, properties.get("eventDeliverySchema", "EventGridSchema")))
        policy = properties.get("retryPolicy") or {}
        most = int(policy.get("maxDeliveryAttempts", 30))
        deadline = time.monotonic() + 60 * int(policy.get("eventTimeToLiveInMinutes", 1440))
        for attempt in itertools.count(1):
            account = self._account(target["resourceId"].rpartition("/")[2])
            pause_s = _SOONEST_S if self._at_once else RETRIES_S[min(attempt, len(RETRIES_S)) - 1]
            try:
                if account is None:
                    raise Refused(404, "the storage account of the destination is gone")
                await account.put(target["queueName"], b64encode(content.encode()).decode())
                self.delivered(account.name, target["queueName"])
                return
            except Refused as error:
                final = error.status in _FINAL or attempt >= most or time.monotonic() + pause_s > deadline
                if final:
                    await self._bury(subscription, event, attempt, str(error))
                    return
            await asyncio.sleep(pause_s)

    async def _bury(self, subscription: Mapping[str, Any], event: dict[str, Any], attempts: int, why: str) -> None:
        properties = subscription["properties"]
        where = properties.get("deadLetterWithResourceIdentity", {}).get("deadLetterDestination")
        where = where or properties.get("deadLetterDestination")
        account = self._account(where["properties"]["resourceId"].rpartition("/")[2]) if where else None
        if account is None:
            return
        reason = "MaxDeliveryAttemptsExceeded" if attempts > 1 else "UndeliverableDueToClientError"
        dead = {**event, "deadLetterReason": reason, "deliveryAttempts": attempts, "lastDeliveryOutcome": why}
        now = datetime.now(UTC)
        hour = f"{now.year}/{now.month}/{now.day}/{now.hour}"
        name = f"{subscription['id'].rpartition('/')[2].upper()}/{hour}/{uuid.uuid4()}.json"
        await account.put_blob(where["properties"]["blobContainerName"], name, json.dumps([dead]).encode())


def matches(properties: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    filters = properties.get("filter") or {}
    kinds = filters.get("includedEventTypes")
    if kinds and event.get("eventType", event.get("type")) not in kinds:
        return False
    subject = str(event.get("subject", ""))
    begins, ends = filters.get("subjectBeginsWith") or "", filters.get("subjectEndsWith") or ""
    if not filters.get("isSubjectCaseSensitive"):
        subject, begins, ends = subject.lower(), begins.lower(), ends.lower()
    return subject.startswith(begins) and subject.endswith(ends)


def to_schema(event: dict[str, Any], schema: str) -> dict[str, Any]:
    if schema != "CloudEventSchemaV1_0" or "specversion" in event:
        return event
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["topic"],
        "type": event["eventType"],
        "subject": event["subject"],
        "time": event["eventTime"],
        "data": event["data"],
    }


def blob_event(
    account_url: str, path: str, api: str, headers: Mapping[str, str], answer: Mapping[str, str], length: int
) -> dict[str, Any]:
    """Of a write or a deletion that succeeded; `path` is `container/blob`, escaped as it was asked for."""
    container, _, name = path.partition("/")
    created = api != "DeleteBlob"
    data: dict[str, Any] = {
        "api": api,
        "clientRequestId": headers.get("x-ms-client-request-id", ""),
        "requestId": answer.get("x-ms-request-id", str(uuid.uuid4())),
        "eTag": answer.get("ETag", "").strip('"'),
        "contentType": headers.get("x-ms-blob-content-type")
        or headers.get("content-type")
        or "application/octet-stream",
        "contentLength": length,
        "blobType": "BlockBlob",
        "url": f"{account_url}/{path}",
        "sequencer": f"{datetime.now(UTC).timestamp() * 1e6:032.0f}",
        "storageDiagnostics": {"batchId": str(uuid.uuid4())},
    }
    if not created:
        del data["contentLength"], data["eTag"]
    return {
        "id": str(uuid.uuid4()),
        "subject": f"/blobServices/default/containers/{container}/blobs/{unquote(name)}",
        "eventType": "Microsoft.Storage.BlobCreated" if created else "Microsoft.Storage.BlobDeleted",
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    }
