"""A background event of the first generation -> the CloudEvent that stands for the same.

It comes as `(data, context)`, or as a request's JSON with `data` and either `context` or its members beside it.
Sources: functions-framework-conformance, events/generate/data; Cloud Functions documentation, "Background functions".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

from .events_common import found_in, object_in
from .events_firestore import PREFIX as FIRESTORE
from .events_pubsub import TYPE as PUBSUB
from .events_storage import PREFIX as STORAGE

if TYPE_CHECKING:
    from typing import Any

_TYPES = {
    "google.pubsub.topic.publish": PUBSUB,
    "providers/cloud.pubsub/eventTypes/topic.publish": PUBSUB,
    "google.storage.object.finalize": f"{STORAGE}finalized",
    "google.storage.object.delete": f"{STORAGE}deleted",
    "google.storage.object.archive": f"{STORAGE}archived",
    "google.storage.object.metadataUpdate": f"{STORAGE}metadataUpdated",
    "google.firestore.document.create": f"{FIRESTORE}created",
    "google.firestore.document.update": f"{FIRESTORE}updated",
    "google.firestore.document.delete": f"{FIRESTORE}deleted",
    "google.firestore.document.write": f"{FIRESTORE}written",
    "providers/cloud.firestore/eventTypes/document.create": f"{FIRESTORE}created",
    "providers/cloud.firestore/eventTypes/document.update": f"{FIRESTORE}updated",
    "providers/cloud.firestore/eventTypes/document.delete": f"{FIRESTORE}deleted",
    "providers/cloud.firestore/eventTypes/document.write": f"{FIRESTORE}written",
}


def is_background(native: Any) -> bool:
    if not isinstance(native, dict) or "data" not in native:
        return False
    context = native.get("context")
    return "eventType" in (context if isinstance(context, dict) else native)


def from_pair(data: Any, context: Any) -> dict[str, Any]:
    """What functions-framework hands a function of the event signature."""
    if not isinstance(context, dict):
        context = {
            "eventId": context.event_id,
            "eventType": context.event_type,
            "timestamp": context.timestamp,
            "resource": context.resource,
        }
    return from_dict({"context": context, "data": data})


def from_dict(native: dict[str, Any]) -> dict[str, Any]:
    """The CloudEvent, of the type that it has there, or its own where it has none. Raises InvalidEvent."""
    context = object_in(native, "context") or native
    id, old_type, data = context.get("eventId"), context.get("eventType"), native["data"]
    if not id or not isinstance(old_type, str):
        raise InvalidEvent(f"a background event needs eventId and eventType; {found_in(context)}")
    type = _TYPES.get(old_type, old_type)
    resource = context.get("resource") or ""
    service = resource.get("service", "") if isinstance(resource, dict) else ""
    name: str = resource.get("name", "") if isinstance(resource, dict) else resource
    subject = ""
    if type == PUBSUB:
        message = {"messageId": id, "publishTime": context.get("timestamp"), **(data if isinstance(data, dict) else {})}
        data = {"message": message}
    elif type.startswith((STORAGE, FIRESTORE)):
        split = "/objects/" if type.startswith(STORAGE) else "/documents/"
        name, separator, rest = name.partition(split)
        subject = f"{split[1:]}{rest}" if separator else ""
    if not service:
        family = "pubsub" if type == PUBSUB else "storage" if type.startswith(STORAGE) else "firestore"
        service = f"{family}.googleapis.com" if type != old_type else ""
    event = {
        "specversion": "1.0",
        "id": id,
        "type": type,
        "source": f"//{service}/{name}" if service else name,
        "datacontenttype": "application/json",
        "data": data,
    }
    if subject:
        event["subject"] = subject
    if context.get("timestamp"):
        event["time"] = context["timestamp"]
    return event
