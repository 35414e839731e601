"""A background event of the first generation -> the CloudEvent that stands for the same.

It comes as `(data, context)`, or as a request's JSON with `data` and either `context` or its members beside it.
Sources: functions-framework-conformance, events/generate/data; Cloud Functions documentation, "Background functions".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

from .events_common import found_in, object_in

if TYPE_CHECKING:
    from typing import Any

_FAMILIES = (  # how the old type begins, how the new one does, the service, how the subject begins in the resource
    ("google.pubsub.topic.", "google.cloud.pubsub.topic.v1.", "pubsub", ""),
    ("providers/cloud.pubsub/eventTypes/topic.", "google.cloud.pubsub.topic.v1.", "pubsub", ""),
    ("google.storage.object.", "google.cloud.storage.object.v1.", "storage", "objects/"),
    ("providers/cloud.storage/eventTypes/object.", "google.cloud.storage.object.v1.", "storage", "objects/"),
    ("google.firestore.document.", "google.cloud.firestore.document.v1.", "firestore", "documents/"),
    (
        "providers/cloud.firestore/eventTypes/document.",
        "google.cloud.firestore.document.v1.",
        "firestore",
        "documents/",
    ),
    ("providers/firebase.auth/eventTypes/user.", "google.firebase.auth.user.v1.", "firebaseauth", ""),
    (
        "providers/google.firebase.database/eventTypes/ref.",
        "google.firebase.database.ref.v1.",
        "firebasedatabase",
        "refs/",
    ),
    (
        "providers/google.firebase.analytics/eventTypes/event.",
        "google.firebase.analytics.log.v1.",
        "firebase",
        "events/",
    ),
)
_VERBS = {
    "publish": "messagePublished",
    "finalize": "finalized",
    "change": "finalized",
    "archive": "archived",
    "metadataUpdate": "metadataUpdated",
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "write": "written",
    "log": "written",
}
_AUTH_TIMES = {"createdAt": "createTime", "lastSignedInAt": "lastSignInTime"}


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
    id, type, data = context.get("eventId"), context.get("eventType"), native["data"]
    if not id or not isinstance(type, str):
        raise InvalidEvent(f"a background event needs eventId and eventType; {found_in(context)}")
    resource = context.get("resource") or ""
    service = resource.get("service", "") if isinstance(resource, dict) else ""
    name: str = resource.get("name", "") if isinstance(resource, dict) else resource
    subject = ""
    of_data: dict[str, Any] = data if isinstance(data, dict) else {}
    for old, new, of_family, begins in _FAMILIES:
        if not type.startswith(old):
            continue
        verb = type[len(old) :]
        type = new + ("deleted" if of_data.get("resourceState") == "not_exists" else _VERBS.get(verb, verb))
        service = service or f"{of_family}.googleapis.com"
        name, separator, rest = name.partition(f"/{begins}") if begins else (name, "", "")
        subject = f"{begins}{rest}" if separator else ""
        if of_family == "pubsub":
            data = {"message": {"messageId": id, "publishTime": context.get("timestamp"), **of_data}}
        elif of_family == "storage":
            subject = subject.removesuffix(f"#{of_data.get('generation')}")
        elif of_family == "firebasedatabase":
            domain = str(native.get("domain") or "firebaseio.com")
            location = "us-central1" if domain == "firebaseio.com" else domain.partition(".")[0]
            name = name.replace("/instances/", f"/locations/{location}/instances/", 1)
        elif of_family == "firebaseauth":
            subject = f"users/{of_data['uid']}" if "uid" in of_data else ""
            times = {_AUTH_TIMES.get(k, k): v for k, v in object_in(of_data, "metadata").items()}
            data = {**of_data, "metadata": times} if times else of_data
        break
    event = {
        "specversion": "1.0",
        "id": id,
        "type": type,
        "source": f"//{service}/{name}" if service else name or type,
        "datacontenttype": "application/json",
        "data": data,
    }
    if subject:
        event["subject"] = subject
    if context.get("timestamp"):
        event["time"] = context["timestamp"]
    return event
