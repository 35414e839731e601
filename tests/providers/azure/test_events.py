"""What comes through an inbox, and the forms of Azure's events that the corpus has no case of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from faasbridge import codec, event_json
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.events import BlobEvent, Change, Message, Tick
from faasbridge_azure import events, wire

QUEUED = datetime(2026, 5, 4, 1, 0, 7, 123000, UTC)


def one(native: Any, **options: Any) -> Any:
    (event,) = events.decode(native, **options)
    return event


def blob_event(key: str, url: str | None = None, kind: str = "BlobCreated", container: str = "uploads") -> Any:
    return {
        "id": "e1",
        "topic": "/subscriptions/s/storageAccounts/shop",
        "subject": f"/blobServices/default/containers/{container}/blobs/{key}",
        "eventType": f"Microsoft.Storage.{kind}",
        "eventTime": "2026-05-04T01:00:06.9584103Z",
        "data": {"url": url, "eTag": "0x8D", "contentLength": 12},
    }


SITE = "https://shop.blob.core.windows.net/uploads"


@pytest.mark.parametrize(
    ("subject", "url", "key"),
    [
        ("a/b.jpg", f"{SITE}/a/b.jpg", "a/b.jpg"),
        ("a b+ü.jpg", f"{SITE}/a%20b+%C3%BC.jpg", "a b+ü.jpg"),
        ("a b+ü.jpg", f"{SITE}/a b+ü.jpg", "a b+ü.jpg"),
        ("100%.txt", f"{SITE}/100%25.txt", "100%.txt"),
        ("100%25.txt", f"{SITE}/100%2525.txt", "100%25.txt"),
        ("a%20b.jpg", f"{SITE}/a%20b.jpg", "a b.jpg"),
        ("task\ufffd\ufffd.log", f"{SITE}/task%F0%9F%92%8E.log", "task💎.log"),
        ("a?b#c.jpg", f"{SITE}/a%3Fb%23c.jpg", "a?b#c.jpg"),
        ("a?b.jpg", f"{SITE}/a?b.jpg", "a?b.jpg"),
        ("a/b.jpg", "http://127.0.0.1:10000/devstoreaccount1/uploads/a/b.jpg", "a/b.jpg"),
        ("blobs/blobs/x", f"{SITE}/blobs/blobs/x", "blobs/blobs/x"),
        ("only-in-the-subject", None, "only-in-the-subject"),
        ("x", "https://shop.blob.core.windows.net/other/x", "x"),
    ],
)
def test_a_blob_s_key_is_read_right(subject: str, url: str | None, key: str, queued: Any) -> None:
    event = one(queued(blob_event(subject, url)))
    assert isinstance(event, BlobEvent)
    assert (event.bucket, event.key, event.size, event.etag, event.kind) == ("uploads", key, 12, "0x8D", "create")
    assert event.time == datetime(2026, 5, 4, 1, 0, 6, 958410, UTC)


def test_without_a_subject_the_url_says_which_blob() -> None:
    event = one({**blob_event("x", f"{SITE}/a%20b.jpg"), "subject": ""})
    assert (event.bucket, event.key) == ("uploads", "a b.jpg")


def test_a_deleted_blob_has_no_size() -> None:
    event = one(blob_event("a", f"{SITE}/a", "BlobDeleted"))
    assert (event.kind, event.size, event.etag, event.id) == ("delete", 0, "", "e1")


def test_an_inbox_may_bring_many_events(queued: Any) -> None:
    many = events.decode(queued([blob_event("a"), {**blob_event("b"), "id": "e2"}]))
    assert [(event.key, event.id) for event in many if isinstance(event, BlobEvent)] == [("a", "e1"), ("b", "e2")]


def test_any_other_event_of_event_grid_is_a_message(queued: Any) -> None:
    native = {
        "specversion": "1.0",
        "id": "c1",
        "source": "/shop/orders",
        "type": "com.example.ordered",
        "subject": "orders/7",
        "time": "2026-05-04T01:00:06Z",
        "datacontenttype": "application/json",
        "tenant": "ada",
        "data": {"order": 7},
    }
    event = one(queued(native, 4))
    assert isinstance(event, Message)
    assert (event.json(), event.id, event.source, event.subject) == ({"order": 7}, "c1", "/shop/orders", "orders/7")
    assert (event.attributes, event.attempt) == ({"datacontenttype": "application/json", "tenant": "ada"}, 4)
    assert event.time == event.enqueued_at == datetime(2026, 5, 4, 1, 0, 6, tzinfo=UTC)
    binary = {**{name: value for name, value in native.items() if name != "data"}, "data_base64": "/wA="}
    assert one(binary).body == b"\xff\x00"
    assert one({"id": "1", "eventType": "x", "dataVersion": "2", "data": "text"}).attributes == {"dataVersion": "2"}


def test_a_bound_cloudevent_keeps_its_extensions(azure: Any) -> None:
    native = azure.CloudEvent(
        id="c1", source="/s", type="t", specversion="1.0", data={"a": 1}, time=QUEUED, tenant="ada"
    )
    event = one(native)
    assert (event.json(), event.attributes, event.time, event.native) == ({"a": 1}, {"tenant": "ada"}, QUEUED, native)


@pytest.mark.parametrize("body", [b"plain", b"\xff\x00", b"", b"{}", b"[]", b"[1]", b'{"id": 1}', b'{"faasbridge": 1}'])
def test_whatever_else_is_in_a_queue_is_the_message(body: bytes, queued: Any) -> None:
    event = one(queued(body, 2, insertion_time=QUEUED))
    assert (event.body, event.id, event.attempt, event.enqueued_at) == (body, "77", 2, QUEUED)
    assert event.attributes == {}


def test_our_own_message_is_the_sender_s_word(queued: Any) -> None:
    body = json.dumps(blob_event("a")).encode()
    event = one(queued(wire.pack(body, {"colour": "red"}, "m1")))
    assert isinstance(event, Message)
    assert (event.body, event.attributes, event.id) == (body, {"colour": "red"}, "m1")


def test_a_handler_of_messages_gets_what_somebody_sent(queued: Any) -> None:
    for native in (blob_event("a"), {**blob_event("a"), "eventType": "Microsoft.Storage.BlobRenamed"}):
        event = one(queued(native), as_messages=True)
        assert isinstance(event, Message)
        assert event.json() == native
    topic = {"specversion": "1.0", "id": "1", "source": "/s", "type": wire.MESSAGE_TYPE}
    packed = one(queued({**topic, "data": wire.pack_data(b"x", {}, "m1")}), as_messages=True)
    assert (packed.body, packed.id) == (b"x", "m1")


@pytest.mark.parametrize(
    "event",
    [
        Change("photos", "ada", "update", old={"n": 1, "b": b"\xff"}, new={"n": 2.0}, id="c1", provider="azure"),
        Tick(datetime(2026, 5, 4, 3, tzinfo=UTC), id="sweep@1", provider="azure"),
        BlobEvent("uploads", "ü", size=3, id="b1", provider="azure"),
        Message(b"\xff", attributes={"a": "b"}, id="m1", provider="azure"),
    ],
)
def test_a_forwarded_event_comes_back(event: Any, queued: Any) -> None:
    native = {"faasbridge": "event", "event": codec.dumps(event_json.to_dict(event))}
    assert event_json.to_dict(one(queued(native))) == event_json.to_dict(event)


def test_a_schedule_says_when_it_was_due(queued: Any) -> None:
    native = {"faasbridge": "tick", "schedule": "sweep", "scheduled_for": "2026-05-04T01:00:00Z"}
    event = one(queued({**native, "timezone": "Europe/Berlin"}))
    assert (event.id, event.source) == ("sweep@2026-05-04T01:00:00+00:00", "sweep")
    assert event.scheduled_for.isoformat() == "2026-05-04T03:00:00+02:00"
    del native["scheduled_for"]
    assert one(queued(native, insertion_time=QUEUED)).id == event.id
    with pytest.raises(InvalidEvent, match="does not say when it was due"):
        events.decode(native)
    with pytest.raises(ConfigError, match="add tzdata"):
        events.decode(queued({**native, "timezone": "No/Where"}, insertion_time=QUEUED))


def test_a_timer_tells_the_time_it_was_due() -> None:
    status = {"Last": "2026-05-03T03:00:00+00:00", "Next": "2026-05-04T03:00:00+00:00", "LastUpdated": None}
    bound = SimpleNamespace(past_due=True, schedule_status=status, schedule={})
    for native in (bound, {"IsPastDue": True, "ScheduleStatus": status, "Schedule": {"AdjustForDST": True}}):
        event = one(native)
        assert isinstance(event, Tick)
        assert event.scheduled_for == datetime(2026, 5, 4, 3, tzinfo=UTC)
        assert event.id == "@2026-05-04T03:00:00+00:00"  # the entry puts the function's name before it


def test_a_change_feed_of_latest_versions(azure: Any) -> None:
    document = {"id": "7", "n": 1, "_rid": "r", "_self": "s", "_etag": '"e1"', "_ts": 1777852800, "_lsn": 12}
    for native in ([document], document, azure.DocumentList([azure.Document.from_dict(document)])):
        event = one(native)
        assert isinstance(event, Change)
        assert (event.kind, event.old, event.new, event.key, event.id) == (
            "update",
            None,
            {"id": "7", "n": 1},
            "7",
            "7#12",
        )
        assert event.time == datetime(2026, 5, 4, tzinfo=UTC)
    del document["_lsn"]
    assert one(azure.Document.from_dict(document)).id == "7#e1"
    assert events.decode(azure.DocumentList()) == []


@pytest.mark.parametrize(
    ("operation", "kind", "previous", "current"),
    [
        ("create", "insert", None, {"id": "7", "n": 1}),
        ("replace", "update", {"id": "7", "n": 1}, {"id": "7", "n": 2}),
        ("replace", "update", None, {"id": "7", "n": 2}),
        ("delete", "delete", {"id": "7", "n": 2}, None),
    ],
)
def test_a_change_feed_of_all_versions(operation: str, kind: str, previous: Any, current: Any) -> None:
    metadata = {"operationType": operation, "lsn": 3, "crts": 1777852800}
    event = one([{"current": current or {}, "previous": previous, "metadata": metadata}])
    assert (event.kind, event.old, event.new, event.id) == (kind, previous, current, "7#3")
    assert event.time == datetime(2026, 5, 4, tzinfo=UTC)


def test_rows_of_our_own_tables_are_no_changes() -> None:
    row = {"id": "row", "faasbridge": "row", "_ts": 1}
    change = {"id": "c", "faasbridge": "change", "table": "t", "key": "k", "kind": "delete", "old": {"k": "k"}}
    event = one([row, change])
    assert (event.kind, event.table, event.key, event.old, event.new, event.id) == (
        "delete",
        "t",
        "k",
        {"k": "k"},
        None,
        "c",
    )


def hub_event(body: bytes = b"x", **more: Any) -> Any:
    given: dict[str, Any] = {"sequence_number": None, "enqueued_time": None, "partition_key": None, "metadata": {}}
    return SimpleNamespace(get_body=lambda: body, iothub_metadata={}, **{**given, **more})


def test_a_batch_of_a_hub_reads_its_arrays() -> None:
    context = {"FullyQualifiedNamespace": "ns", "EventHubName": "hub", "PartitionId": "3"}
    metadata = {
        "PartitionContext": json.dumps(context),
        "PropertiesArray": [{"a": "1", "n": 2}],
        "SystemPropertiesArray": [{"SequenceNumber": 8}, {"SequenceNumber": 9}, {}],
    }
    native = [
        hub_event(metadata=metadata),
        hub_event(metadata=metadata, partition_key="k"),
        hub_event(metadata=metadata),
    ]
    first, second, third = (event for event in events.decode(native) if isinstance(event, Message))
    assert (first.id, first.attributes, first.source) == ("3/8", {"a": "1", "n": "2"}, "ns/hub")
    assert (second.id, second.attributes, second.subject) == ("3/9", {}, "k")
    assert third.id  # of its content


def test_the_same_content_at_another_time_is_another_event() -> None:
    ids = [one(hub_event(b, enqueued_time=t)).id for b, t in ((b"x", QUEUED), (b"y", QUEUED), (b"x", None))]
    assert len(set(ids)) == 3


def test_a_webhook_of_event_grid_is_read(http_request: Any) -> None:
    request = http_request(method="POST", body=json.dumps([blob_event("a")]).encode())
    assert one(request).key == "a"
    with pytest.raises(InvalidEvent, match="no JSON"):
        events.decode(http_request(method="POST", body=b"<xml>"))


@pytest.mark.parametrize(
    ("native", "found"),
    [
        (None, "found NoneType"),
        (object(), "found object"),
        ([], "found list"),
        ({}, "found the keys nothing in it"),
        ("text", "found str 'text'"),
        ({"kind": "x", "id": "1"}, "found the keys id, kind"),
        ([{"id": "1"}, 7], "found the keys id"),
        ({"id": "1", "eventType": "Microsoft.Storage.BlobRenamed"}, "no blob created or deleted"),
        ({"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "subject": "x"}, "names no blob"),
        ({**blob_event("a"), "data": {"contentLength": "many"}}, "event e1 is broken"),
        ({"id": "", "eventType": "x"}, "has id"),
        ({"id": "1", "specversion": "0.1", "type": "x"}, "specversion is 1.0, not '0.1'"),
        ({"id": "1", "specversion": "1.0", "type": "x", "data_base64": 7}, "should be base64"),
        ({"faasbridge": "event", "event": "{"}, "was not written by FaaSBridge"),
        ({"faasbridge": "event", "event": '{"kind": "tick"}'}, "incomplete"),
        ({"faasbridge": "tick"}, "was not written by FaaSBridge"),
        ({"faasbridge": "change", "kind": "moved"}, "was not written by FaaSBridge"),
        ({"metadata": {"operationType": "move"}}, "operationType is create, replace, delete, not 'move'"),
        ({"metadata": {"operationType": "delete"}}, "names no document"),
        ([{"id": 1, "_ts": 1}], "has an id"),
    ],
)
def test_what_is_no_event_is_refused_by_name(native: Any, found: str) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        events.decode(native)
    assert found in str(refusal.value)
