"""Pub/Sub notifications of Cloud Storage, as Google formats them.

Source: https://cloud.google.com/storage/docs/pubsub-notifications.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from google.pubsub_v1.types import PubsubMessage

from .buckets import Bucket

FINALIZE, METADATA = "OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE"

Publish = Callable[[str, list[PubsubMessage]], Awaitable[list[str]]]


def gone(bucket: Bucket) -> str:
    """What is told of an object that is deleted or overwritten. A bucket with versions keeps it as an old one."""
    return "OBJECT_ARCHIVE" if bucket.resource.get("versioning", {}).get("enabled") else "OBJECT_DELETE"


async def notify(bucket: Bucket, event: str, resource: dict[str, Any], more: dict[str, str], publish: Publish) -> None:
    """Tells every configuration whose events and prefix fit. `more`: the attributes of this event alone."""
    for id, config in list(bucket.notifications.items()):
        if config.get("event_types") and event not in config["event_types"]:
            continue
        if not resource["name"].startswith(config.get("object_name_prefix") or ""):
            continue
        with_payload = config["payload_format"] == "JSON_API_V1"
        attributes = {
            **(config.get("custom_attributes") or {}),
            "notificationConfig": f"projects/_/buckets/{bucket.name}/notificationConfigs/{id}",
            "eventType": event,
            "payloadFormat": config["payload_format"],
            "bucketId": bucket.name,
            "objectId": resource["name"],
            "objectGeneration": str(resource.get("generation", "")),
            "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            **more,
        }
        data = json.dumps(resource, indent=2).encode() if with_payload else b""
        topic = str(config["topic"]).removeprefix("//pubsub.googleapis.com/")
        await publish(topic, [PubsubMessage(data=data, attributes=attributes)])
