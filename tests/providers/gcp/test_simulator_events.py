"""What reaches functions on the simulator of Google Cloud: pushes, notifications, documents' changes, jobs."""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from google.cloud import functions_v2
from google.pubsub_v1 import types as pubsub

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import (
    AGENT,
    PARENT,
    PROJECT,
    STORAGE_AGENT,
    SimulatedCloud,
    subscription,
    topic,
    wait_until,
)

# Fails for a body of "fail", also where it is a dead letter's; writes each delivery into its log as JSON.
RECEIVER = """
import base64, json, sys

def handle(request):
    if request.path == "/direct":
        return "", 204
    print(json.dumps({"message": "got", "path": request.path, "headers": dict(request.headers), "body": request.json}))
    if base64.b64decode(request.json["message"].get("data", "")) == b"fail":
        return "no", 500
    return "", 204
"""
CHANGES = """
import json, sys, functions_framework

@functions_framework.cloud_event
def handle(event):
    print(json.dumps({"message": "got", "event": dict(event.get_attributes()), "data": event.data.hex()}))
"""


@pytest.fixture(scope="module")
def receiver(cloud: SimulatedCloud) -> functions_v2.Function:
    function = cloud.deploy("receiver", RECEIVER)
    cloud.account("pusher")
    cloud.grant(cloud.run, function.service_config.service, "roles/run.invoker", f"serviceAccount:{PUSHER}")
    return function


@pytest.fixture(autouse=True)
def empty(cloud: SimulatedCloud) -> None:
    cloud.server.call("POST", "/reset")


PUSHER = f"pusher@{PROJECT}.iam.gserviceaccount.com"


def received(cloud: SimulatedCloud, service: str = "receiver") -> list[dict[str, Any]]:
    request = {
        "resource_names": [f"projects/{PROJECT}"],
        "filter": f'resource.labels.service_name="{service}" AND jsonPayload.message="got"',
    }
    return [dict(entry.json_payload) for entry in cloud.logging.list_log_entries(request=request)]


def inbox(cloud: SimulatedCloud, function: functions_v2.Function, name: str, **more: Any) -> None:
    """A topic, its push subscription to the function, and dead letters with a subscription."""
    cloud.publisher.create_topic(name=topic(name))
    cloud.publisher.create_topic(name=topic(f"{name}-dead"))
    cloud.subscriber.create_subscription(name=subscription(f"{name}-dead"), topic=topic(f"{name}-dead"))
    request = {
        "name": subscription(name),
        "topic": topic(name),
        "push_config": {
            "push_endpoint": f"{function.url}/inbox",
            "oidc_token": {"service_account_email": PUSHER, "audience": function.url},
        },
        "dead_letter_policy": {"dead_letter_topic": topic(f"{name}-dead"), "max_delivery_attempts": 5},
        "retry_policy": {"minimum_backoff": "10s", "maximum_backoff": "600s"},
        "ack_deadline_seconds": 60,
        **more,
    }
    cloud.subscriber.create_subscription(request=request)
    cloud.grant(cloud.publisher, topic(f"{name}-dead"), "roles/pubsub.publisher", AGENT)
    cloud.grant(cloud.subscriber, subscription(name), "roles/pubsub.subscriber", AGENT)


def dead(cloud: SimulatedCloud, name: str) -> list[pubsub.PubsubMessage]:
    request = {"subscription": subscription(f"{name}-dead"), "max_messages": 100}
    return [each.message for each in cloud.subscriber.pull(request=request).received_messages]


def publish(cloud: SimulatedCloud, name: str, *messages: dict[str, Any]) -> list[str]:
    return list(cloud.publisher.publish(topic=topic(name), messages=messages).message_ids)


def test_a_message_is_pushed_as_pubsub_pushes_it(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    inbox(cloud, receiver, "plain")
    [id] = publish(cloud, "plain", {"data": b"hello", "attributes": {"a": "1"}, "ordering_key": "k"})
    cloud.settle()

    [found] = received(cloud)

    assert found["path"] == "/inbox"
    assert found["headers"]["Authorization"].endswith(".SIGNATURE_REMOVED_BY_GOOGLE")
    envelope = found["body"]
    assert envelope["subscription"] == subscription("plain")
    assert envelope["deliveryAttempt"] == 1
    message = envelope["message"]
    assert (message["messageId"], message["message_id"]) == (id, id)
    assert b64decode(message["data"]) == b"hello"
    assert message["attributes"] == {"a": "1"}
    assert message["orderingKey"] == "k"
    assert message["publishTime"].endswith("Z")


def test_a_message_without_data_keeps_its_attributes(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    inbox(cloud, receiver, "bare")
    publish(cloud, "bare", {"attributes": {"a": "1"}})
    cloud.settle()

    assert "data" not in received(cloud)[0]["body"]["message"]


def test_what_fails_comes_again_with_its_attempt_counted_and_dies_with_what_pubsub_adds(
    cloud: SimulatedCloud, receiver: functions_v2.Function
) -> None:
    inbox(cloud, receiver, "poison")
    publish(cloud, "poison", {"data": b"fail", "attributes": {"a": "1"}}, {"data": b"fine"})
    cloud.settle()

    attempts = [
        each["body"]["deliveryAttempt"]
        for each in received(cloud)
        if b64decode(each["body"]["message"]["data"]) == b"fail"
    ]
    assert attempts == [1, 2, 3, 4, 5]
    [letter] = dead(cloud, "poison")
    assert letter.data == b"fail"
    assert dict(letter.attributes) | {"CloudPubSubDeadLetterSourceTopicPublishTime": "then"} == {
        "a": "1",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": "poison",
        "CloudPubSubDeadLetterSourceSubscriptionProject": PROJECT,
        "CloudPubSubDeadLetterSourceTopicPublishTime": "then",
    }


def test_dead_letters_are_not_forwarded_without_the_service_agents_rights(
    cloud: SimulatedCloud, receiver: functions_v2.Function
) -> None:
    inbox(cloud, receiver, "unright")
    cloud.subscriber.set_iam_policy(request={"resource": subscription("unright"), "policy": {}})
    publish(cloud, "unright", {"data": b"fail"})

    left = wait_until(lambda: "lacks" in str(cloud.server.call("GET", "/left")) and cloud.server.call("GET", "/left"))

    assert "roles/pubsub.subscriber" in left["unright"]
    assert dead(cloud, "unright") == []


def test_a_push_without_the_right_to_invoke_is_refused(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    other = cloud.account("stranger")
    push = {"push_endpoint": receiver.url, "oidc_token": {"service_account_email": other, "audience": receiver.url}}
    inbox(cloud, receiver, "refused", push_config=push)
    publish(cloud, "refused", {"data": b"x"})
    cloud.settle()

    assert len(dead(cloud, "refused")) == 1
    assert received(cloud) == []


def test_a_filter_lets_through_what_it_names(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    filter = 'attributes.eventType = "OBJECT_FINALIZE" AND hasPrefix(attributes.objectId, "in/")'
    inbox(cloud, receiver, "filtered", filter=filter)
    for kind, name in (("OBJECT_FINALIZE", "in/a"), ("OBJECT_FINALIZE", "out/a"), ("OBJECT_DELETE", "in/a")):
        publish(cloud, "filtered", {"attributes": {"eventType": kind, "objectId": name}})
    cloud.settle()

    assert [each["body"]["message"]["attributes"]["objectId"] for each in received(cloud)] == ["in/a"]


def test_messages_of_one_key_come_in_order_also_where_one_fails(
    cloud: SimulatedCloud, receiver: functions_v2.Function
) -> None:
    inbox(cloud, receiver, "ordered", enable_message_ordering=True)
    publish(cloud, "ordered", *({"data": b"%d" % n if n != 2 else b"fail", "ordering_key": "k"} for n in range(6)))
    cloud.settle()

    bodies = [b64decode(each["body"]["message"]["data"]).decode() for each in received(cloud)]
    assert bodies == ["0", "1", *["fail"] * 5, "3", "4", "5"]


def test_settled_means_that_every_message_was_handled(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    inbox(cloud, receiver, "many")
    for start in range(0, 60, 20):
        publish(cloud, "many", *({"data": b"%d" % (start + n)} for n in range(20)))
    cloud.settle()

    assert len(received(cloud)) == 60


def test_nothing_of_before_a_reset_arrives(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    inbox(cloud, receiver, "forgotten")
    publish(cloud, "forgotten", *({"data": b"fail"} for _ in range(20)))

    cloud.server.call("POST", "/reset")
    publish(cloud, "forgotten", {"data": b"after"})
    cloud.settle()

    assert {b64decode(each["body"]["message"]["data"]) for each in received(cloud)} == {b"after"}
    assert dead(cloud, "forgotten") == []


def test_it_settles_whatever_is_created_deleted_and_reset_while_messages_are_published(
    cloud: SimulatedCloud, receiver: functions_v2.Function
) -> None:
    inbox(cloud, receiver, "stormy")
    push = {"push_endpoint": receiver.url, "oidc_token": {"service_account_email": PUSHER}}

    def storm() -> None:
        for n in range(15):
            name = subscription(f"stormy-{n}")
            cloud.subscriber.create_subscription(request={"name": name, "topic": topic("stormy"), "push_config": push})
            if n % 3 == 0:
                cloud.subscriber.delete_subscription(subscription=name)
            if n % 5 == 0:
                cloud.server.call("POST", "/reset")

    with ThreadPoolExecutor(2) as pool:
        storming = pool.submit(storm)
        for _ in range(200):  # as many as a busy machine can deliver to all of them
            if not storming.done():
                publish(cloud, "stormy", {"data": b"x"}, {"data": b"y"})
        storming.result()

    cloud.settle(60)


def test_seeking_to_now_purges_a_subscription(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    inbox(cloud, receiver, "purged")
    publish(cloud, "purged-dead", {"data": b"x"})
    cloud.subscriber.seek(request={"subscription": subscription("purged-dead"), "time": "2100-01-01T00:00:00Z"})

    assert dead(cloud, "purged") == []


def test_objects_are_notified_in_googles_form(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    inbox(cloud, receiver, "objects")
    cloud.grant(cloud.publisher, topic("objects"), "roles/pubsub.publisher", STORAGE_AGENT)
    bucket = cloud.storage.create_bucket("photos-of-tests", location="EUROPE-WEST1")
    notification = bucket.notification(
        topic_name="objects", topic_project=PROJECT, payload_format="JSON_API_V1", blob_name_prefix="in/"
    )
    notification.create()

    bucket.blob("out/b.txt").upload_from_string("elsewhere")
    blob = bucket.blob("in/a b.txt")
    blob.metadata = {"of": "me"}
    blob.upload_from_string(b"one", content_type="text/plain")
    first = blob.generation
    cloud.settle()
    blob.upload_from_string(b"two", content_type="text/plain")
    blob.delete()
    cloud.settle()

    messages = [each["body"]["message"] for each in received(cloud)]
    events = [(each["attributes"]["eventType"], each["attributes"]["objectId"]) for each in messages]
    assert events[0] == ("OBJECT_FINALIZE", "in/a b.txt")
    assert sorted(events[1:]) == [
        ("OBJECT_DELETE", "in/a b.txt"),
        ("OBJECT_DELETE", "in/a b.txt"),
        ("OBJECT_FINALIZE", "in/a b.txt"),
    ]
    attributes = messages[0]["attributes"]
    assert attributes["bucketId"] == "photos-of-tests"
    assert attributes["payloadFormat"] == "JSON_API_V1"
    assert attributes["objectGeneration"] == str(first)
    assert attributes["notificationConfig"] == "projects/_/buckets/photos-of-tests/notificationConfigs/1"
    payload = json.loads(b64decode(messages[0]["data"]))
    assert (payload["name"], payload["size"], payload["metadata"]) == ("in/a b.txt", "3", {"of": "me"})


def test_an_object_of_a_bucket_with_versions_is_archived(
    cloud: SimulatedCloud, receiver: functions_v2.Function
) -> None:
    inbox(cloud, receiver, "versions")
    cloud.grant(cloud.publisher, topic("versions"), "roles/pubsub.publisher", STORAGE_AGENT)
    bucket = cloud.storage.create_bucket("versions-of-tests", location="EUROPE-WEST1")
    bucket.versioning_enabled = True
    bucket.patch()
    bucket.notification(topic_name="versions", topic_project=PROJECT, payload_format="JSON_API_V1").create()

    blob = bucket.blob("a.txt")
    blob.upload_from_string(b"one")
    blob.upload_from_string(b"two")
    bucket.delete_blob("a.txt")
    cloud.settle()

    found = [each["body"]["message"]["attributes"] for each in received(cloud)]
    assert sorted((each["eventType"], "overwrittenByGeneration" in each) for each in found) == [
        ("OBJECT_ARCHIVE", False),
        ("OBJECT_ARCHIVE", True),
        ("OBJECT_FINALIZE", False),
        ("OBJECT_FINALIZE", False),
    ]


def database(cloud: SimulatedCloud, name: str) -> None:
    kind = {"type_": "FIRESTORE_NATIVE", "location_id": "europe-west1"}
    request = {"parent": f"projects/{PROJECT}", "database_id": name, "database": kind}
    cloud.databases.create_database(request=request).result(timeout=20)


def watched(cloud: SimulatedCloud, name: str, database: str) -> functions_v2.Function:
    function = cloud.function({"main.py": CHANGES})
    function.event_trigger = functions_v2.EventTrigger(
        event_type="google.cloud.firestore.document.v1.written",
        event_filters=[
            {"attribute": "database", "value": database},
            {"attribute": "document", "value": "users/{id}", "operator": "match-path-pattern"},
        ],
        service_account_email=cloud.account(f"{name}-sa"),
        retry_policy="RETRY_POLICY_RETRY",
    )
    function = cloud.functions.create_function(parent=PARENT, function_id=name, function=function).result(timeout=60)
    member = f"serviceAccount:{function.event_trigger.service_account_email}"
    cloud.grant(cloud.run, function.service_config.service, "roles/run.invoker", member)
    return function


def test_changes_of_documents_arrive_as_eventarc_sends_them(cloud: SimulatedCloud) -> None:
    from google.events.cloud.firestore import DocumentEventData

    database(cloud, "shop-dev")
    watched(cloud, "index", "shop-dev")
    client = cloud.firestore("shop-dev")
    document = client.document("users/a")
    document.set({"n": 1})
    document.set({"n": 1})  # changes nothing
    document.update({"n": 2})
    client.document("other/a").set({"n": 1})
    client.document("users/nobody").delete()
    document.delete()
    cloud.settle()

    found = received(cloud, "index")
    changes = []
    for each in found:
        data = DocumentEventData.deserialize(bytes.fromhex(each["data"]))
        changes.append(tuple({k: v.integer_value for k, v in d.fields.items()} for d in (data.old_value, data.value)))
    assert sorted(changes, key=str) == sorted([({}, {"n": 1}), ({"n": 1}, {"n": 2}), ({"n": 2}, {})], key=str)
    attributes = found[0]["event"]
    assert attributes["source"] == f"//firestore.googleapis.com/projects/{PROJECT}/databases/shop-dev"
    assert attributes["subject"] == "documents/users/a"
    assert attributes["type"] == "google.cloud.firestore.document.v1.written"
    assert (attributes["database"], attributes["document"], attributes["project"]) == ("shop-dev", "users/a", PROJECT)


def test_changes_still_arrive_after_a_reset_and_none_of_before(cloud: SimulatedCloud) -> None:
    database(cloud, "reset-dev")
    watched(cloud, "again", "reset-dev")
    client = cloud.firestore("reset-dev")
    client.document("users/before").set({"n": 1})

    cloud.server.call("POST", "/reset")

    assert not client.document("users/before").get().exists
    client.document("users/after").set({"n": 2})
    cloud.settle()
    assert [each["event"]["document"] for each in received(cloud, "again")] == ["users/after"]
    documents = f"http://{cloud.server.details['firestore']}/v1/projects/{PROJECT}/databases/reset-dev/documents"
    answer = httpx.post(f"{documents}:listCollectionIds", json={}, headers={"authorization": "Bearer owner"})
    assert answer.json() == {"collectionIds": ["users"]}  # and nothing of the simulator's own


def test_a_job_publishes_when_it_is_run(cloud: SimulatedCloud, receiver: functions_v2.Function) -> None:
    inbox(cloud, receiver, "sweep")
    job = {
        "name": f"{PARENT}/jobs/sweep",
        "schedule": "0 3 * * *",
        "time_zone": "Europe/Berlin",
        "pubsub_target": {"topic_name": topic("sweep"), "attributes": {"tick": "sweep"}},
    }
    created = cloud.scheduler.create_job(parent=PARENT, job=job)
    assert created.state.name == "ENABLED"
    assert created.schedule_time.minute == 0
    cloud.settle()
    assert received(cloud) == []

    cloud.scheduler.run_job(name=created.name)
    cloud.settle()

    assert received(cloud)[0]["body"]["message"]["attributes"] == {"tick": "sweep"}
    assert cloud.scheduler.pause_job(name=created.name).state.name == "PAUSED"
    cloud.scheduler.delete_job(name=created.name)
