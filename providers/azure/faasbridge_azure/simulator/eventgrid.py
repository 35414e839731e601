"""Event Grid: topics, subscriptions with their filters, and delivery to Storage Queues.

Source: Azure Event Grid documentation, "Event filtering", "Blob storage as Event Grid source", "Dead letter".
"""

from __future__ import annotations

import asyncio
import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from .storage import Account


class EventGrid:
    """`subscriptions` gives those of a topic (its resource id), `account` finds a storage account by name."""

    def __init__(
        self, subscriptions: Callable[[str], Iterable[Mapping[str, Any]]], account: Callable[[str], Account | None]
    ) -> None:
        self._subscriptions, self._account = subscriptions, account
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
        properties = subscription["properties"]
        destination = properties.get("deliveryWithResourceIdentity", {}).get("destination") or properties["destination"]
        target = destination["properties"]
        content = json.dumps(to_schema(event, properties.get("eventDeliverySchema", "EventGridSchema")))
        account = self._account(target["resourceId"].rpartition("/")[2])
        try:
            if account is None:
                raise RuntimeError("the storage account of the destination is gone")
            await account.put(target["queueName"], b64encode(content.encode()).decode())
            self.delivered(account.name, target["queueName"])
        except RuntimeError as error:
            await self._bury(properties, event, str(error))

    async def _bury(self, properties: Mapping[str, Any], event: dict[str, Any], why: str) -> None:
        where = properties.get("deadLetterWithResourceIdentity", {}).get("deadLetterDestination")
        where = where or properties.get("deadLetterDestination")
        if not where:
            return
        account = self._account(where["properties"]["resourceId"].rpartition("/")[2])
        if account is not None:
            dead = {
                **event,
                "deadLetterReason": "MaxDeliveryAttemptsExceeded",
                "deliveryAttempts": 1,
                "lastDeliveryOutcome": why,
            }
            name = f"{event.get('id')}.json"
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
    account_url: str, path: str, method: str, headers: Mapping[str, str], answer: Mapping[str, str], length: int
) -> dict[str, Any]:
    """Of a write or a deletion that succeeded; `path` is `container/blob`, escaped as it was asked for."""
    container, _, name = path.partition("/")
    created = method == "PUT"
    data: dict[str, Any] = {
        "api": "PutBlob" if created else "DeleteBlob",
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
