"""Messages of Service Bus, Event Hubs (IoT Hub as well) and Kafka, each as the object that its trigger binds.

The id is the message's own: of Service Bus the message id; of a hub the partition and the sequence number; of Kafka
topic, partition and offset. Where the trigger brings none of it, which samples and old hosts do, it is made of the
content and the time.
A batch is a list of such objects. What the trigger tells of a batch in metadata only (`PropertiesArray`) is read by the
message's place in it; missing arrays, and ones that are too short, leave things empty.
Source: Azure Functions documentation, "Azure Service Bus trigger", "Azure Event Hubs trigger" and "Apache Kafka
trigger", message metadata.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.times import iso_time
from faasbridge.events import Message

from .events_common import texts

if TYPE_CHECKING:
    from typing import Any


def is_message(native: object) -> bool:
    return hasattr(native, "get_body") and (
        hasattr(native, "lock_token") or hasattr(native, "iothub_metadata") or hasattr(native, "partition")
    )


def decode(native: Any, index: int | None = None) -> Message:
    """`index`: its place in the batch that it came in."""
    if hasattr(native, "lock_token"):
        return _service_bus(native)
    return _event_hub(native, index) if hasattr(native, "iothub_metadata") else _kafka(native)


def _service_bus(native: Any) -> Message:
    metadata = _metadata(native)
    receiver = _object(metadata.get("MessageReceiver"))
    endpoint = _object(receiver.get("ServiceBusConnection")).get("Endpoint") or ""
    path = receiver.get("Path") or ""
    attributes = getattr(native, "application_properties", None) or native.user_properties
    time = iso_time(native.enqueued_time_utc)
    body = native.get_body()
    return Message(
        body,
        attributes=texts(attributes),
        attempt=max(1, native.delivery_count or 1),
        enqueued_at=time,
        id=native.message_id or str(native.sequence_number or "") or _digest(body, time),
        source=f"{endpoint.rstrip('/')}/{path}" if endpoint else path,
        type="azure.servicebus.message",
        subject=getattr(native, "subject", None) or native.label or "",
        time=time,
        provider="azure",
        native=native,
    )


def _event_hub(native: Any, index: int | None) -> Message:
    metadata = _metadata(native)
    system = _object(_of_batch(metadata, "SystemProperties", index))
    context = _object(metadata.get("PartitionContext"))
    time = iso_time(native.enqueued_time) or iso_time(system.get("EnqueuedTimeUtc"))
    attributes = texts(_object(_of_batch(metadata, "Properties", index)))
    for name, value in texts(native.iothub_metadata or {}).items():
        attributes[f"iothub-{name}"] = value
    sequence = native.sequence_number
    if sequence is None:
        sequence = system.get("SequenceNumber")
    partition = context.get("PartitionId")
    if sequence is None:
        id = _digest(native.get_body(), time)
    else:
        id = str(sequence) if partition is None else f"{partition}/{sequence}"
    return Message(
        native.get_body(),
        attributes=attributes,
        enqueued_at=time,
        id=id,
        source="/".join(
            part for part in (context.get("FullyQualifiedNamespace"), _hub(context)) if isinstance(part, str) and part
        ),
        type="azure.eventhub.event",
        subject=native.partition_key or "",
        time=time,
        provider="azure",
        native=native,
    )


def _kafka(native: Any) -> Message:
    topic, partition, offset = native.topic, native.partition, native.offset
    time = iso_time(native.timestamp)
    body = native.get_body()
    headers = (_object(header) for header in getattr(native, "headers", None) or ())
    return Message(
        body,
        attributes=texts({header["Key"]: header.get("Value") for header in headers if header.get("Key")}),
        enqueued_at=time,
        id=_digest(body, time) if offset is None else f"{topic}/{partition}/{offset}",
        source=topic or "",
        type="azure.kafka.event",
        subject=getattr(native, "key", None) or "",
        time=time,
        provider="azure",
        native=native,
    )


def _metadata(native: Any) -> dict[str, Any]:
    metadata = getattr(native, "metadata", None)
    return metadata if isinstance(metadata, dict) else {}


def _of_batch(metadata: dict[str, Any], name: str, index: int | None) -> Any:
    """A member of the metadata; within a batch its member of `nameArray`."""
    if index is None:
        return metadata.get(name)
    array = metadata.get(f"{name}Array")
    return array[index] if isinstance(array, list) and index < len(array) else None


def _object(value: Any) -> dict[str, Any]:
    """It, or the object that it is JSON of; an empty one for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _hub(context: dict[str, Any]) -> str:
    return context.get("EventHubName") or context.get("EventHubPath") or ""


def _digest(body: bytes, time: Any) -> str:
    from hashlib import sha256

    return sha256(body + b"@" + str(time).encode()).hexdigest()[:32]
