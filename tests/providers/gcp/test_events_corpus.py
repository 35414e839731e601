"""Real events of Pub/Sub, Cloud Storage, Firestore and Cloud Scheduler, in every form; and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent, Change, Event, Message, Tick
from faasbridge_gcp import events

CASES = "*"
LEFT_OUT: dict[str, str] = {}

UUID = "aaaaaa-1111-bbbb-2222-cccccccccccc"
TESTS = "379ad868-5ef9-4c84-a8ba-f75f1b056663"


def summary(event: Event) -> dict[str, Any]:
    """What the table below says of an event: the attributes of its own kind, and its id."""
    names = {
        Message: ("body", "attributes", "attempt", "id", "source", "subject"),
        BlobEvent: ("bucket", "key", "size", "etag", "kind", "id"),
        Change: ("table", "key", "kind", "old", "new", "id"),
        Tick: ("scheduled_for", "id"),
    }
    return {name: getattr(event, name) for name in names[type(event)]}


def message(body: str, id: str, source: str, subject: str = "", **attributes: Any) -> dict[str, Any]:
    where = source if source.startswith(("/", "https:")) else f"//pubsub.googleapis.com/projects/{source}"
    return {
        "body": body.encode(),
        "attributes": attributes,
        "attempt": 1,
        "id": id,
        "source": where,
        "subject": subject,
    }


def blob(bucket: str, key: str, size: int, etag: str, id: str, kind: str = "create") -> dict[str, Any]:
    return {"bucket": bucket, "key": key, "size": size, "etag": etag, "kind": kind, "id": id}


def change(table: str, key: str, kind: str, old: Any, new: Any, id: str) -> dict[str, Any]:
    return {"table": table, "key": key, "kind": kind, "old": old, "new": new, "id": id}


def counted(id: str) -> dict[str, Any]:
    row = {"another test": "asd", "foo": "bar"}
    return change("gcf-test", "2Vm2mI1d0wIaK2Waj5to", "update", {**row, "count": 3}, {**row, "count": 4}, id)


JSON = {"datacontenttype": "application/json"}
TEXT = message("test message 3", UUID, "sample-project/topics/gcf-test", attr1="attr1-value")
ORDERED = message(
    "test message 3", "3103425958877813", "test-project/topics/my-topic", "ordering-key", attr1="attr1-value"
)
FINALIZED = blob("some-bucket", "folder/Test.cs", 352, "1587627537231057", UUID)
TICK = {"scheduled_for": datetime(2023, 1, 1, tzinfo=UTC), "id": "my-job@2023-01-01T00:00:00+00:00"}
HELLO = change("foo", "fGRodw71mHutZ4wGDuT8", "update", {"hello": "old world"}, {"hello": "new world"}, TESTS)
NODEJS = "https://github.com/GoogleCloudPlatform/functions-framework-nodejs"
SOME = message('{"some":"payload"}', "test-1234-1234", NODEJS, "test-subject", **JSON)
MINIMUM = "//github.com/cloudevents/cloudeventsconformance/yaml/v1.yaml"


def minimum(number: int, body: str, content_type: str) -> dict[str, Any]:
    return message(body, f"conformance-000{number}", MINIMUM, datacontenttype=content_type)


EVENTS: dict[str, dict[str, Any]] = {
    "ce_data_firestore_update": counted("an-id"),
    "ce_data_pubsub_ordering_key": message("test message 3", "an-id", "/a/source", "ordering-key", attr1="attr1-value"),
    "ce_data_pubsub_text": message("test message 3", "an-id", "/a/source", attr1="attr1-value"),
    "ce_data_scheduler": {
        "scheduled_for": datetime(2026, 5, 4, 3, tzinfo=UTC),
        "id": "/a/source@2026-05-04T03:00:00+00:00",
    },
    "ce_data_storage_simple": blob("some-bucket", "folder/Test.cs", 352, "1587627537231057", "an-id"),
    "ce_structured_pubsub_ordering_key": ORDERED,
    "ce_structured_storage_workflows": blob("sample-bucket", "MyFile", 0, "96883251", "1234567"),
    "ff_firestore_simple-cloudevent-input": counted(UUID),
    "ff_firestore_simple-cloudevent-output": counted(UUID),
    "ff_firestore_simple-legacy-input": counted(UUID),
    "ff_firestore_simple-legacy-output": counted(UUID),
    "ff_pubsub_text-cloudevent-input": TEXT,
    "ff_pubsub_text-cloudevent-output": TEXT,
    "ff_pubsub_text-legacy-input": TEXT,
    "ff_pubsub_text-legacy-output": TEXT,
    "ff_storage-cloudevent-input": FINALIZED,
    "ff_storage-cloudevent-output": FINALIZED,
    "ff_storage-legacy-input": FINALIZED,
    "ff_storage-legacy-output": FINALIZED,
    "http_ce_binary_firestore_json_update": counted(UUID),
    "http_ce_binary_firestore_protobuf_created": change(
        "foo", "fGRodw71mHutZ4wGDuT8", "insert", None, {"hello": "create world"}, TESTS
    ),
    "http_ce_binary_firestore_protobuf_field_name_with_space": counted(TESTS),
    "http_ce_binary_firestore_protobuf_updated": HELLO,
    "http_ce_binary_firestore_protobuf_written": HELLO,
    "http_ce_binary_pubsub_ordering_key": ORDERED,
    "http_ce_binary_pubsub_text": TEXT,
    "http_ce_binary_scheduler_executed": TICK,
    "http_ce_binary_storage_deleted": blob("sample-bucket", "MyFile", 0, "", "1200401551653202", "delete"),
    "http_ce_binary_storage_finalized": FINALIZED,
    "http_ce_binary_traceparent_http_header": SOME,
    "http_ce_binary_with_ce_datacontenttype_header": SOME,
    "http_ce_conformance_binary_1": message(
        '{\n    "message": "Hello World!"\n}', "1234-1234-1234", "/mycontext/subcontext", **JSON
    ),
    "http_ce_conformance_structured_1": message(
        '{"message":"Hello World!"}', "1234-1234-1234", "/mycontext/subcontext", **JSON
    ),
    "http_ce_minimum_1": minimum(1, "Hello, World!\n", "text/plain; charset=us-ascii"),
    "http_ce_minimum_2": minimum(2, "Hello, 🌎!\n", "text/plain; charset=utf-8"),
    "http_ce_minimum_4": minimum(4, '{"msg":"Hello, 🌎!"}\n', "application/json; charset=utf-8"),
    "http_ce_minimum_5": minimum(5, '["Hello","🌎!"]\n', "application/json; charset=utf-8"),
    "http_ce_structured_cloudevents_json": SOME,
    "http_pubsub_push_topic_in_path": message('{"foo":"bar"}', "1", "FOO/topics/BAR_TOPIC", test="123"),
    "http_scheduler_plain": TICK,
    "pubsub_emulator_push": message(
        "Test message from emulator", "1", "emulator-project/subscriptions/test-subscription", attr1="attr-value1"
    ),
}
TYPES = {
    "firestore": "google.cloud.firestore.document.v1.updated",
    "pubsub": "google.cloud.pubsub.topic.v1.messagePublished",
    "scheduler": "google.cloud.scheduler.job.v1.executed",
    "storage": "google.cloud.storage.object.v1.finalized",
}
REFUSED = {
    "http_ce_invalid_binary_missing_id": "needs id",
    "http_ce_invalid_binary_missing_specversion": "needs specversion",
    "http_ce_invalid_binary_missing_type": "needs type",
    "http_ce_invalid_specversion": "specversion is 1.0, not 'not a spec version'",
    "http_ce_invalid_structured_empty_body": "no JSON",
    "http_ce_invalid_structured_missing_id": "needs id",
    "http_ce_invalid_structured_missing_source": "needs source",
    "http_ce_invalid_structured_missing_specversion": "needs specversion",
    "http_pubsub_lookalike_is_plain_json": "the keys foo",
}
OTHER_SERVICES = ("audit", "cloudbuild", "firebase", "rtdb")


def native(name: str, case: Any, flask_request: Any) -> Any:
    """What the function is handed: the request, the JSON as it is, or what `ce_data_` says within a CloudEvent."""
    if name.startswith("http_"):
        return flask_request(case=case)
    if name.startswith("ce_data_"):
        type = next((type for service, type in TYPES.items() if service in name), f"com.example.{name}")
        event = {"specversion": "1.0", "id": "an-id", "source": "/a/source", "type": type}
        return {**event, "time": "2026-05-04T03:00:00Z", "data": case}
    return case


def test_what_the_vendor_sends_is_the_event_it_means(case_name: str, case: Any, flask_request: Any) -> None:
    if case_name in REFUSED:
        with pytest.raises(InvalidEvent) as refusal:
            events.decode(native(case_name, case, flask_request))
        assert REFUSED[case_name] in str(refusal.value)
        return
    (event,) = events.decode(native(case_name, case, flask_request))
    assert event.provider == "gcp"
    if any(service in case_name for service in OTHER_SERVICES):
        assert isinstance(event, Message)  # of a service that has no event of its own here
        assert event.json()
    else:
        assert summary(event) == EVENTS[case_name]


def test_a_redelivery_has_the_same_id(case_name: str, case: Any, flask_request: Any) -> None:
    if case_name not in REFUSED:
        (first,) = events.decode(native(case_name, case, flask_request))
        (second,) = events.decode(native(case_name, case, flask_request))
        assert first.id == second.id != ""
