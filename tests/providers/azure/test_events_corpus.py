"""Real messages and events of every trigger, bound by Microsoft's own converters; and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from faasbridge.errors import InvalidEvent
from faasbridge.events import BlobEvent, Change, Event, Message, Tick
from faasbridge_azure import events

CASES = "azure_*Trigger_* eventgrid_*_created* eventgrid_*_deleted*"
LEFT_OUT = {
    "azure_httpTrigger_live_metadata": "a request: test_http_corpus",
    "azure_httpTrigger_multipart_fields": "a request: test_http_corpus",
    "azure_httpTrigger_multipart_file": "a request: test_http_corpus",
    "azure_httpTrigger_request_converter_decode": "a request: test_http_corpus",
    "azure_httpTrigger_urlencoded_plus": "a request: test_http_corpus",
    "azure_kafkaTrigger_convert_multiple_event_collection_bytes": "refused by Microsoft's converter: no metadata",
    "azure_kafkaTrigger_convert_multiple_event_collection_string": "refused by Microsoft's converter: no metadata",
    "azure_queueTrigger_message_invalid_data_type": "refused by Microsoft's converter: an int is no message",
    "azure_timerTrigger_no_implementation_exception": "refused by Microsoft's converter: text is no timer",
}

ACCOUNT = (
    "/subscriptions/{subscription-id}/resourceGroups/Storage/providers/Microsoft.Storage/storageAccounts/"
    "my-storage-account"
)
PARENT = "$AzureWebJobsParentId"
JUNE = datetime(2020, 6, 18, 5, 39, 12, 286041, UTC)
DATA = {
    "fileUrl": "https://test.blob.core.windows.net/debugging/testblob.txt",
    "fileType": "AzureBlockBlob",
    "partitionId": "1",
    "sizeInBytes": 0,
    "eventCount": 0,
    "firstSequenceNumber": -1,
    "lastSequenceNumber": -1,
    "firstEnqueueTime": "0001-01-01T00:00:00",
    "lastEnqueueTime": "0001-01-01T00:00:00",
}


def message(body: str, id: str = "", source: str = "", subject: str = "", **more: Any) -> dict[str, Any]:
    """Without an id, any will do that is the same each time: the sample brings none."""
    found = {"body": body.encode(), "source": source, "subject": subject, "attributes": {}, "attempt": 1, **more}
    return {**found, "id": id} if id else found


def blob(container: str, key: str, size: int, etag: str, id: str, kind: str = "create") -> dict[str, Any]:
    return {"bucket": container, "key": key, "size": size, "etag": etag, "kind": kind, "id": id}


def change(**row: Any) -> dict[str, Any]:
    return {"table": "", "key": row["id"], "kind": "update", "old": None, "new": row, "id": row["id"]}


def device(name: str, status: str) -> dict[str, Any]:
    body = json.dumps({"device-status": status})
    return message(body, attributes={"iothub-connection-device-id": name}, enqueued_at=JUNE)


CREATED = blob("test-container", "new-file.txt", 524288, "0x8D4BCC2E4835CD0", "831e1650-001e-001b-66ab-eeb76e069631")
DELETED = blob("testcontainer", "file-to-delete.txt", 0, "", "4c2359fe-001e-00ba-0e04-58586806d298", "delete")
AWESOME = [change(id="1", name="awesome_name")]
DEVICES = [device("MyTestDevice1", "good1"), device("MyTestDevice2", "good2")]
DEVICE = [device("MyTestDevice", "good")]
KAFKA = (
    '{"Offset":1,"Partition":0,"Topic":"users","Timestamp":"2020-06-20T04:43:28.998Z","Value":"hello", '
    '"Headers":[{"Key":"test","Value":"1"}]}'
)
USERS = [message(KAFKA, "users/0/1", "users", enqueued_at=datetime(2020, 6, 20, 4, 43, 28, 998000, UTC))]
LUCKY: Any = {"attributes": {"application": "value"}, "subject": "mocked_subject", "enqueued_at": JUNE}

EVENTS: dict[str, list[dict[str, Any]]] = {
    "azure_blobTrigger_live_metadata": [
        blob(
            "helloworldcontainer",
            "hello-at-2022-08-25T05-06-38Z",
            16,
            "0x8DA8657981E929A",
            "helloworldcontainer/hello-at-2022-08-25T05-06-38Z#0x8DA8657981E929A",
        )
    ],
    "azure_cosmosDBTrigger_convert_bytes": AWESOME,
    "azure_cosmosDBTrigger_convert_json_multiple_entries": [*AWESOME, change(id="2", name="bossy_name")],
    "azure_cosmosDBTrigger_convert_json_name_is_null": [change(id="1", name=None)],
    "azure_cosmosDBTrigger_convert_string": AWESOME,
    "azure_eventGridTrigger_decode": [
        message(
            json.dumps(DATA, separators=(",", ":")),
            "00010001-0001-0001-0001-000100010001",
            "/TestTopic/namespaces/test",
            "eventhubs/test",
            type="captureFileCreated",
            time=datetime(2017, 7, 14, 23, 10, 27, 768966, UTC),
        )
    ],
    "azure_eventHubTrigger_decode_call_multiple_events": DEVICES,
    "azure_eventHubTrigger_decode_call_single_event": DEVICE,
    "azure_eventHubTrigger_decode_multiple_events": DEVICES,
    "azure_eventHubTrigger_single_event_bytes": DEVICE,
    "azure_eventHubTrigger_worker_iot_one": [
        message(
            '{"id": "foo"}',
            attributes={
                "iothub-device-id": "mock-iothub-device-id",
                "iothub-auth-data": "mock-iothub-auth-data",
            },
            enqueued_at=datetime(2020, 2, 18, 21, 28, 42, 588853, UTC),
        )
    ],
    "azure_kafkaTrigger_convert_single_event_bytes": [message("dummy_body")],
    "azure_kafkaTrigger_decode_single_event": USERS,
    "azure_kafkaTrigger_trigger_single_event_bytes": USERS,
    "azure_kafkaTrigger_trigger_single_event_json": USERS,
    "azure_queueTrigger_live_metadata": [
        message(
            '{\n  "name": "world"\n}',
            "814b3b66-0200-4121-8ef3-405846a124bf",
            enqueued_at=datetime(2022, 8, 25, 5, 6, 39, tzinfo=UTC),
        )
    ],
    "azure_queueTrigger_message_in_converter_decode": [
        message("test_body", "1", attempt=10, enqueued_at=datetime(2022, 1, 12, 3, 16, 34, tzinfo=UTC))
    ],
    "azure_serviceBusTrigger_live_topic_metadata": [
        message(
            '{"name":"world"}',
            "a11f788b439b4c5daa6a9f173bf78d68",
            "sb://testservicebus.servicebus.windows.net/helloWorldTopic/Subscriptions/helloWorldSub",
            attributes={PARENT: "4cad516d-0081-4fa8-8ddb-2f898c664d2b"},
            enqueued_at=datetime(2022, 8, 25, 5, 6, 39, 775000, UTC),
        )
    ],
    "azure_serviceBusTrigger_multiple_trigger": [
        message('{"lucky_number": 23}', "aaaaa18397398d93891830a0aac89eed", **LUCKY),
        message('{"lucky_number": 34}', "bbbbb18397398d93891830a0aac89eed", **LUCKY),
        message('{"lucky_number": 45}', "ccccc18397398d93891830a0aac89eed", **LUCKY),
    ],
    "azure_serviceBusTrigger_properties": [
        message(
            "body_bytes",
            "abcee18397398d93891830a0aac89eed",
            "sb://python-worker-36-sbns.servicebus.win.net/testqueue",
            attempt=571,
            **LUCKY,
        )
    ],
    "eventgrid_cloudevents_blob_created_array": [CREATED],
    "eventgrid_cloudevents_blob_deleted_array": [DELETED],
    "eventgrid_cloudevents_datalake_created": [{**CREATED, "bucket": "my-file-system", "size": 0}],
    "eventgrid_schema_blob_created_array": [CREATED],
    "eventgrid_schema_blob_deleted_array": [DELETED],
}
NO_CONTAINER = "names no container and blob"
REFUSED = {
    "azure_blobTrigger_input_bytes_no_metadata": NO_CONTAINER,
    "azure_blobTrigger_input_string_no_metadata": NO_CONTAINER,
    "azure_blobTrigger_input_with_metadata_no_properties": NO_CONTAINER,
    "azure_blobTrigger_input_with_metadata_no_trigger_metadata": NO_CONTAINER,
    "azure_blobTrigger_input_with_metadata_with_both_length": NO_CONTAINER,
    "azure_blobTrigger_input_with_metadata_with_length": NO_CONTAINER,
    "azure_blobTrigger_input_with_metadata_with_trigger_metadata": NO_CONTAINER,
}


def native(name: str, case: Any, bound: Any) -> Any:
    """What the function is handed: the object that is bound, or Event Grid's JSON as it is."""
    if name.startswith("eventgrid_"):
        return case
    invocation = case["invocationRequest"]
    return bound(name.split("_")[1], invocation["inputData"][0]["data"], invocation["triggerMetadata"])


def test_what_the_vendor_sends_is_the_event_it_means(case_name: str, case: Any, bound: Any) -> None:
    given = native(case_name, case, bound)
    if case_name in REFUSED:
        with pytest.raises(InvalidEvent, match=REFUSED[case_name]):
            events.decode(given)
        return
    found = events.decode(given)
    assert all(event.provider == "azure" for event in found)
    if case_name == "azure_timerTrigger_past_due_false":
        (tick,) = found
        assert isinstance(tick, Tick)
        assert tick.scheduled_for.second == tick.scheduled_for.microsecond == 0
        return
    if case_name == "azure_kafkaTrigger_decode_multiple_events":
        (whole,) = found  # Microsoft's converter takes it for one event
        assert isinstance(whole, Message)
        assert [one["Offset"] for one in whole.json()] == [62, 63]
        return
    wanted = EVENTS[case_name]
    assert [{name: getattr(event, name) for name in want} for event, want in zip(found, wanted, strict=True)] == wanted
    assert {type(event) for event in found} == {kind_of(case_name)}


def kind_of(name: str) -> type[Event]:
    if name.startswith(("eventgrid_", "azure_blobTrigger")):
        return BlobEvent
    return Change if name.startswith("azure_cosmosDB") else Message


def test_a_redelivery_has_the_same_id(case_name: str, case: Any, bound: Any) -> None:
    if case_name in REFUSED or "timer" in case_name:
        return
    first, second = (events.decode(native(case_name, case, bound)) for _ in range(2))
    ids = [event.id for event in first]
    assert ids == [event.id for event in second]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_event_grid_s_json_and_objects_are_the_same(case_name: str, case: Any, bound: Any) -> None:
    if not case_name.startswith("eventgrid_"):
        return
    (event,) = events.decode(case)
    (of_object,) = events.decode(bound("eventGridTrigger", {"json": json.dumps(case[0])}, {}))
    assert isinstance(event, BlobEvent)
    assert isinstance(of_object, BlobEvent)
    assert event.source == of_object.source == ACCOUNT
    for name in ("bucket", "key", "size", "etag", "kind", "id", "type", "subject", "time"):
        assert getattr(event, name) == getattr(of_object, name)


def test_event_grid_s_events_come_through_an_inbox(case_name: str, case: Any, queued: Any) -> None:
    if not case_name.startswith("eventgrid_"):
        return
    for body in (case, case[0]):
        (event,) = events.decode(queued(body))
        wanted = EVENTS[case_name][0]
        assert {name: getattr(event, name) for name in wanted} == wanted
