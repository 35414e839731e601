"""What comes through an inbox, and the forms of Google's events that the corpus has no case of."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from faasbridge import codec, event_json
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.events import BlobEvent, Change, Message, Tick
from faasbridge_gcp import events, wire

SUBSCRIPTION = "projects/p/subscriptions/shop-dev-work"
PUBLISHED = "2026-05-04T01:00:07.123Z"


def push(data: bytes | None = None, attributes: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A push as Pub/Sub sends it, each field in both spellings."""
    message: dict[str, Any] = {
        "messageId": "77",
        "message_id": "77",
        "publishTime": PUBLISHED,
        "publish_time": PUBLISHED,
    }
    if data is not None:
        message["data"] = b64encode(data).decode()
    if attributes:
        message["attributes"] = attributes
    return {"message": {**message, **more.pop("message", {})}, "subscription": SUBSCRIPTION, **more}


def one(native: Any, **options: Any) -> Any:
    (event,) = events.decode(native, **options)
    return event


def notification(kind: str, key: str = "a/b.jpg", **attributes: str) -> dict[str, Any]:
    thing = {"kind": "storage#object", "bucket": "shop-dev-uploads", "name": key, "size": "12", "etag": "CJ=="}
    of_storage = {
        "bucketId": "shop-dev-uploads",
        "objectId": key,
        "objectGeneration": "1587627537231057",
        "eventType": kind,
        "eventTime": "2026-05-04T01:00:06Z",
        "payloadFormat": "JSON_API_V1",
        **attributes,
    }
    return push(json.dumps(thing).encode(), of_storage)


def test_a_push_tells_its_attempt_and_ordering_key(flask_request: Any) -> None:
    native = push(b"\xff\x00", {"colour": "red"}, deliveryAttempt=3, message={"orderingKey": "ada"})
    event = one(flask_request(body=native))
    assert isinstance(event, Message)
    assert (event.body, event.attributes, event.attempt, event.id) == (b"\xff\x00", {"colour": "red"}, 3, "77")
    assert event.subject == "ada"
    assert event.enqueued_at == event.time == datetime(2026, 5, 4, 1, 0, 7, 123000, tzinfo=UTC)
    assert event.source == f"//pubsub.googleapis.com/{SUBSCRIPTION}"
    assert event.native == native


@pytest.mark.parametrize("fields", [("messageId", "publishTime"), ("message_id", "publish_time")])
def test_either_spelling_is_enough(fields: tuple[str, str]) -> None:
    id, time = fields
    event = one(
        {"message": {id: "1", time: PUBLISHED, "data": "eA=="}, "subscription": SUBSCRIPTION, "delivery_attempt": 2}
    )
    assert (event.id, event.body, event.attempt) == ("1", b"x", 2)
    assert event.enqueued_at is not None


def test_a_message_may_have_no_data() -> None:
    event = one(push(None, {"colour": "red"}))
    assert (event.body, event.attributes, event.attempt) == (b"", {"colour": "red"}, 1)


def test_the_topic_stands_in_the_push_s_url(flask_request: Any) -> None:
    event = one(flask_request("/some/prefix/projects/p/topics/orders", body=push(b"x")))
    assert event.source == "//pubsub.googleapis.com/projects/p/topics/orders"


def test_our_own_message_keeps_its_id_and_is_never_looked_into() -> None:
    look_alike = b'{"faasbridge": "tick", "schedule": "x", "timezone": "UTC"}'
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "o", "x" * 300: "long"}
    data, packed = wire.pack(look_alike, attributes, "ours")
    event = one(push(data, packed))
    assert isinstance(event, Message)
    assert (event.body, event.attributes, event.id) == (look_alike, attributes, "ours")


def test_what_pub_sub_adds_to_a_dead_letter_is_not_the_sender_s() -> None:
    first = "2026-05-01T00:00:30Z"
    added = {f"{wire.DEAD_LETTER_PREFIX}TopicPublishTime": first, f"{wire.DEAD_LETTER_PREFIX}DeliveryCount": "5"}
    event = one(push(b"x", {"colour": "red", **added}))
    assert event.attributes == {"colour": "red"}
    assert event.enqueued_at == datetime.fromisoformat(first)
    tick = one(push(b'{"faasbridge": "tick", "schedule": "sweep"}', added))
    assert tick.id == "sweep@2026-05-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("kind", "expected", "type"),
    [
        ("OBJECT_FINALIZE", ("create", 12, "1587627537231057"), "finalized"),
        ("OBJECT_DELETE", ("delete", 0, ""), "deleted"),
        ("OBJECT_ARCHIVE", ("delete", 0, ""), "archived"),
    ],
)
def test_a_storage_notification(kind: str, expected: tuple[str, int, str], type: str) -> None:
    event = one(notification(kind, "a b/ü+c.jpg"))
    assert isinstance(event, BlobEvent)
    assert (event.kind, event.size, event.etag) == expected
    assert (event.bucket, event.key) == ("shop-dev-uploads", "a b/ü+c.jpg")
    assert event.id == f"shop-dev-uploads/a b/ü+c.jpg#1587627537231057#{event.kind}"
    assert event.type == f"google.cloud.storage.object.v1.{type}"
    assert event.time == datetime(2026, 5, 4, 1, 0, 6, tzinfo=UTC)


def test_a_notification_without_payload_is_read_from_its_attributes() -> None:
    native = notification("OBJECT_FINALIZE", payloadFormat="NONE")
    del native["message"]["data"]
    assert (one(native).key, one(native).size) == ("a/b.jpg", 0)


@pytest.mark.parametrize("kind", ["OBJECT_DELETE", "OBJECT_ARCHIVE"])
def test_the_generation_that_was_overwritten_brings_no_event(kind: str) -> None:
    assert events.decode(notification(kind, overwrittenByGeneration="2")) == []
    assert one(notification("OBJECT_FINALIZE", overwroteGeneration="1")).kind == "create"


def test_changed_metadata_is_no_event_of_a_bucket() -> None:
    with pytest.raises(InvalidEvent, match="OBJECT_METADATA_UPDATE tells of no object created or deleted"):
        events.decode(notification("OBJECT_METADATA_UPDATE"))


def test_a_handler_of_messages_gets_the_notification_as_a_message() -> None:
    event = one(notification("OBJECT_FINALIZE"), as_messages=True)
    assert isinstance(event, Message)
    assert event.attributes["eventType"] == "OBJECT_FINALIZE"
    assert event.json()["name"] == "a/b.jpg"


def test_a_forwarded_change() -> None:
    at = datetime(2026, 5, 4, tzinfo=UTC)
    change: Change[Any] = Change("photos", "1", "update", old={"n": 1.0}, new={"n": b"\xff", "at": at}, id="ce-1")
    native = {"faasbridge": "event", "event": codec.dumps(event_json.to_dict(change))}
    event = one(push(json.dumps(native).encode()))
    assert isinstance(event, Change)
    assert (event.table, event.key, event.kind, event.id) == ("photos", "1", "update", "ce-1")
    assert (event.old, event.new) == ({"n": 1.0}, {"n": b"\xff", "at": at})
    assert event.provider == "gcp"


def test_a_tick_has_the_minute_it_was_published_in() -> None:
    event = one(push(b'{"faasbridge": "tick", "schedule": "sweep", "timezone": "Europe/Berlin"}'))
    assert isinstance(event, Tick)
    assert event.scheduled_for.isoformat() == "2026-05-04T03:00:00+02:00"
    assert event.id == "sweep@2026-05-04T01:00:00+00:00"


def test_a_tick_may_say_when_it_was_due() -> None:
    native = {"faasbridge": "tick", "schedule": "sweep", "scheduled_for": "2026-05-04T03:00:00+02:00"}
    assert one(native).id == one(push(json.dumps(native).encode())).id == "sweep@2026-05-04T01:00:00+00:00"


def test_a_time_zone_that_is_not_there_says_what_to_add() -> None:
    with pytest.raises(ConfigError, match="tzdata"):
        events.decode(push(b'{"faasbridge": "tick", "schedule": "sweep", "timezone": "Mars/Olympus"}'))


@pytest.mark.parametrize("body", [b'{"faasbridge": "nothing of ours"}', b'{"faasbridge": broken', b'{"colour": "red"}'])
def test_any_other_body_is_a_message(body: bytes) -> None:
    assert one(push(body)).body == body


def document(**fields: Any) -> dict[str, Any]:
    name = "projects/p/databases/d/documents/users/ada%2Flovelace/orders/7%+2026"
    return {"name": name, "fields": {name: {"integerValue": value} for name, value in fields.items()}}


@pytest.mark.parametrize(
    ("suffix", "data", "expected"),
    [
        ("created", {"value": document(n=1), "oldValue": {}}, ("insert", None, {"n": 1})),
        ("updated", {"value": document(n=2), "oldValue": document(n=1)}, ("update", {"n": 1}, {"n": 2})),
        ("deleted", {"value": None, "oldValue": document(n=1)}, ("delete", {"n": 1}, None)),
        ("written", {"value": document(n=1), "oldValue": {}}, ("insert", None, {"n": 1})),
        ("written", {"value": document(), "oldValue": document(n=1)}, ("update", {"n": 1}, {})),
        ("written", {"oldValue": document(n=1)}, ("delete", {"n": 1}, None)),
        ("written", None, ("update", None, None)),  # too large: Eventarc left it out
        ("deleted", None, ("delete", None, None)),
        ("created.withAuthContext", {"value": document(n=1)}, ("insert", None, {"n": 1})),
    ],
)
def test_a_change_of_a_document(suffix: str, data: Any, expected: Any, flask_request: Any) -> None:
    headers = {
        "ce-id": "1",
        "ce-specversion": "1.0",
        "ce-source": "//firestore.googleapis.com/projects/p/databases/d",
        "ce-type": f"google.cloud.firestore.document.v1.{suffix}",
        "ce-subject": "documents/users/ada%252Flovelace/orders/7%25+2026",
    }
    event = one(flask_request(body=data, headers=headers.items()))
    assert isinstance(event, Change)
    assert (event.kind, event.old, event.new) == expected
    assert (event.table, event.key) == ("users/ada%2Flovelace/orders", "7")


def cloudevent(data: Any, type: str = "com.example.happened", **attributes: Any) -> Any:
    http = pytest.importorskip("cloudevents.http", reason="install the dependency group test-gcp")
    return http.CloudEvent({"id": "1", "source": "/me", "type": type, **attributes}, data)


def test_an_object_of_the_cloudevents_package() -> None:
    type = "google.cloud.pubsub.topic.v1.messagePublished"
    event = one(cloudevent(push(b"hello", deliveryAttempt=4), type))
    assert (event.body, event.id, event.source, event.attempt) == (b"hello", "1", "/me", 4)
    blob = one(cloudevent({"bucket": "b", "name": "k", "size": "3"}, "google.cloud.storage.object.v1.finalized"))
    assert (blob.bucket, blob.key, blob.size) == ("b", "k", 3)
    name = b"projects/p/databases/(default)/documents/users/countess"
    body = bytes([0x0A, len(name) + 2, 0x0A, len(name)]) + name
    change = one(cloudevent(body, "google.cloud.firestore.document.v1.created", datacontenttype="application/protobuf"))
    assert (change.table, change.key, change.new) == ("users", "countess", {})


def test_any_other_cloudevent_is_a_message() -> None:
    event = one(cloudevent({"a": [1]}, subject="it", partitionkey="7"))
    assert isinstance(event, Message)
    assert (event.json(), event.id, event.source, event.type) == ({"a": [1]}, "1", "/me", "com.example.happened")
    assert (event.subject, event.attributes) == ("it", {"partitionkey": "7"})


def test_structured_data_may_be_base64() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/me", "type": "x", "datacontenttype": "image/png"}
    assert one({**event, "data_base64": "iVBO"}).body == b"\x89PN"
    with pytest.raises(InvalidEvent, match="data_base64 should be base64"):
        events.decode({**event, "data_base64": "iVB"})


def test_a_batch_of_cloudevents(flask_request: Any) -> None:
    batch = [{"specversion": "1.0", "id": str(i), "source": "/me", "type": "x", "data": i} for i in range(3)]
    headers = [("content-type", "application/cloudevents-batch+json; charset=utf-8")]
    found = events.decode(flask_request(body=json.dumps(batch).encode(), headers=headers))
    assert [(event.id, event.native["data"]) for event in found] == [("0", 0), ("1", 1), ("2", 2)]


def test_attributes_in_headers_are_percent_decoded(flask_request: Any) -> None:
    headers = {
        "ce-id": "1",
        "ce-source": "/me",
        "ce-type": "x",
        "ce-specversion": "1.0",
        "ce-subject": "Gr%C3%BC%C3%9Fe",
    }
    assert one(flask_request(headers=headers.items())).subject == "Grüße"


def test_data_and_context_of_the_event_signature() -> None:
    resource = {"service": "storage.googleapis.com", "name": "projects/_/buckets/b/objects/k/1.txt"}
    context = SimpleNamespace(
        event_id="9", event_type="google.storage.object.delete", timestamp=PUBLISHED, resource=resource
    )
    event = one(({"bucket": "b", "name": "k/1.txt"}, context))
    assert (event.kind, event.bucket, event.key, event.id) == ("delete", "b", "k/1.txt", "9")
    assert event.subject == "objects/k/1.txt"


@pytest.mark.parametrize(
    ("native", "message"),
    [
        ({}, "nothing in it"),
        ([], "found list"),
        ({"a": 1, "type": "x"}, "found type 'x' and the keys a, type"),
        (push(b"x", deliveryAttempt="often"), "deliveryAttempt should be a number"),
        ({"message": {"data": "eHh4e", "messageId": "1"}, "subscription": "s"}, "should be base64"),
        ({"message": {"attributes": [], "messageId": "1"}, "subscription": "s"}, "attributes should be an object"),
        (push(b"{}", {"faasbridge": "{"}), "was not packed by FaaSBridge"),
        (push(b'{"faasbridge": "event", "event": "{}"}'), "an event is an object whose kind"),
        ({"data": {}, "eventType": "x"}, "needs eventId and eventType"),
    ],
)
def test_what_is_broken_is_named(native: Any, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message):
        events.decode(native)


@pytest.mark.parametrize(
    ("type", "data", "message"),
    [
        ("google.cloud.storage.object.v1.finalized", {}, "names no"),
        (
            "google.cloud.storage.object.v1.metadataUpdated",
            {"bucket": "b", "name": "k"},
            "no object created or deleted",
        ),
        ("google.cloud.firestore.document.v1.created", {"value": {"fields": {}}}, "names no document"),
        ("google.cloud.firestore.document.v1.moved", {"value": {}}, "there is no Firestore event"),
        ("google.cloud.firestore.document.v1.created", "text", "protobuf or an object"),
        ("google.cloud.scheduler.job.v1.executed", {}, "has no time"),
    ],
)
def test_a_broken_cloudevent_is_named(type: str, data: Any, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message):
        events.decode({"specversion": "1.0", "id": "1", "source": "/me", "type": type, "data": data})


@pytest.mark.parametrize(("state", "kind"), [("exists", "create"), ("not_exists", "delete")])
def test_the_oldest_form_of_a_storage_event(state: str, kind: str) -> None:
    resource = "projects/_/buckets/b/objects/k/1.txt#15"
    data = {"bucket": "b", "name": "k/1.txt", "generation": "15", "resourceState": state}
    type = "providers/cloud.storage/eventTypes/object.change"
    event = one({"data": data, "eventId": "9", "eventType": type, "resource": resource})
    assert (event.kind, event.key, event.native["subject"]) == (kind, "k/1.txt", "objects/k/1.txt")
