"""The simulator's control plane of Google Cloud, through Google's own clients: what is kept, what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2 as httpx
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import functions_v2, secretmanager_v1
from google.cloud.functions_v2.services.function_service.transports import FunctionServiceRestTransport

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import (
    PARENT,
    PROJECT,
    STORAGE_AGENT,
    SimulatedCloud,
    running,
    subscription,
    topic,
    wait_until,
)

OF_PROJECT = f"projects/{PROJECT}"
AUTOMATIC = {"replication": {"automatic": {}}}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCloud]:
    with running(tmp_path_factory.mktemp("cloud")) as found:
        yield found


def test_a_secret_has_versions_of_which_the_latest_is_accessed(cloud: SimulatedCloud) -> None:
    name = cloud.secrets.create_secret(parent=OF_PROJECT, secret_id="api-key", secret=AUTOMATIC).name
    latest = f"{name}/versions/latest"
    with pytest.raises(exceptions.NotFound):
        cloud.secrets.access_secret_version(name=latest)

    for value in (b"one", b"two"):
        cloud.secrets.add_secret_version(parent=name, payload={"data": value})

    found = cloud.secrets.access_secret_version(name=latest)
    assert (found.name, found.payload.data) == (f"{name}/versions/2", b"two")
    assert cloud.secrets.access_secret_version(name=f"{name}/versions/1").payload.data == b"one"
    cloud.secrets.disable_secret_version(name=f"{name}/versions/2")
    with pytest.raises(exceptions.FailedPrecondition, match="is in DISABLED state"):
        cloud.secrets.access_secret_version(name=latest)
    cloud.secrets.destroy_secret_version(name=f"{name}/versions/2")
    with pytest.raises(exceptions.FailedPrecondition, match="is in DESTROYED state"):
        cloud.secrets.access_secret_version(name=latest)
    listed = cloud.secrets.list_secret_versions(request={"parent": name, "filter": "state:ENABLED"})
    assert [each.name for each in listed] == [f"{name}/versions/1"]


def test_secrets_are_listed_by_label_updated_and_deleted(cloud: SimulatedCloud) -> None:
    for app in ("shop", "blog"):
        secret = secretmanager_v1.Secret(labels={"faasbridge-app": app, "faasbridge-stage": "dev"}, **AUTOMATIC)
        cloud.secrets.create_secret(parent=OF_PROJECT, secret_id=f"of-{app}", secret=secret)
    request = {"parent": OF_PROJECT, "filter": "labels.faasbridge-app=shop AND labels.faasbridge-stage=dev"}
    [found] = cloud.secrets.list_secrets(request=request)
    assert found.name.endswith("/secrets/of-shop")
    assert {"app": "blog", "stage": "dev"} in cloud.server.call("GET", "/deployments")

    found.labels = {"faasbridge-app": "shop"}
    cloud.secrets.update_secret(secret=found, update_mask={"paths": ["labels"]})
    assert list(cloud.secrets.list_secrets(request=request)) == []

    for app in ("shop", "blog"):
        cloud.secrets.delete_secret(name=f"{OF_PROJECT}/secrets/of-{app}")
    assert cloud.server.call("GET", "/deployments") == []


def test_a_reset_forgets_values_and_keeps_secrets(cloud: SimulatedCloud) -> None:
    name = cloud.secrets.create_secret(parent=OF_PROJECT, secret_id="kept", secret=AUTOMATIC).name
    cloud.secrets.add_secret_version(parent=name, payload={"data": b"value"})

    cloud.server.call("POST", "/reset")

    assert cloud.secrets.get_secret(name=name).name == name
    with pytest.raises(exceptions.NotFound):
        cloud.secrets.access_secret_version(name=f"{name}/versions/latest")


def test_service_accounts_come_and_go_and_policies_name_only_those_that_are_there(cloud: SimulatedCloud) -> None:
    with pytest.raises(exceptions.NotFound):
        cloud.accounts.get_service_account(
            name=f"{OF_PROJECT}/serviceAccounts/nobody@{PROJECT}.iam.gserviceaccount.com"
        )
    email = cloud.account("worker-one")
    assert email == f"worker-one@{PROJECT}.iam.gserviceaccount.com"
    with pytest.raises(exceptions.AlreadyExists):
        cloud.account("worker-one")
    with pytest.raises(exceptions.InvalidArgument):
        cloud.account("Bad")

    cloud.grant(cloud.projects, OF_PROJECT, "roles/datastore.user", f"serviceAccount:{email}")
    with pytest.raises(exceptions.InvalidArgument, match="does not exist"):
        cloud.grant(
            cloud.projects, OF_PROJECT, "roles/datastore.user", f"serviceAccount:gone@{PROJECT}.iam.gserviceaccount.com"
        )

    cloud.accounts.delete_service_account(name=f"{OF_PROJECT}/serviceAccounts/{email}")
    policy = cloud.projects.get_iam_policy(resource=OF_PROJECT)
    assert [list(each.members) for each in policy.bindings] == [[f"deleted:serviceAccount:{email}?uid=1"]]


def test_a_policy_is_written_only_over_the_one_that_was_read(cloud: SimulatedCloud) -> None:
    cloud.publisher.create_topic(name=topic("guarded"))
    resource = {"resource": topic("guarded")}
    read = cloud.publisher.get_iam_policy(request=resource)
    read.bindings.add(role="roles/pubsub.publisher", members=["allUsers"])
    cloud.publisher.set_iam_policy(request={**resource, "policy": read})

    with pytest.raises(exceptions.Aborted):
        cloud.publisher.set_iam_policy(request={**resource, "policy": read})

    with pytest.raises(exceptions.NotFound):
        cloud.publisher.get_iam_policy(request={"resource": topic("never-made")})


def test_custom_roles_are_kept_until_they_are_deleted(cloud: SimulatedCloud) -> None:
    role = {"title": "t", "included_permissions": ["datastore.entities.get"], "stage": "GA"}
    made = cloud.accounts.create_role(request={"parent": OF_PROJECT, "role_id": "reader_one", "role": role})
    assert made.name == f"{OF_PROJECT}/roles/reader_one"
    assert cloud.accounts.delete_role(request={"name": made.name}).deleted


def test_topics_and_subscriptions_keep_what_the_emulator_does_not(cloud: SimulatedCloud) -> None:
    cloud.publisher.create_topic(request={"name": topic("described"), "labels": {"a": "1"}})
    cloud.publisher.update_topic(
        request={"topic": {"name": topic("described"), "labels": {"a": "2"}}, "update_mask": {"paths": ["labels"]}}
    )
    assert dict(cloud.publisher.get_topic(topic=topic("described")).labels) == {"a": "2"}
    cloud.subscriber.create_subscription(
        request={"name": subscription("described"), "topic": topic("described"), "filter": "attributes:a"}
    )
    cloud.subscriber.update_subscription(
        request={
            "subscription": {"name": subscription("described"), "labels": {"b": "1"}, "ack_deadline_seconds": 30},
            "update_mask": {"paths": ["labels", "ack_deadline_seconds"]},
        }
    )
    found = cloud.subscriber.get_subscription(subscription=subscription("described"))
    assert (dict(found.labels), found.ack_deadline_seconds, found.filter) == ({"b": "1"}, 30, "attributes:a")

    with pytest.raises(exceptions.InvalidArgument, match="cannot be changed"):
        cloud.subscriber.update_subscription(
            request={"subscription": {"name": subscription("described")}, "update_mask": {"paths": ["filter"]}}
        )
    cloud.publisher.delete_topic(topic=topic("described"))
    assert cloud.subscriber.get_subscription(subscription=subscription("described")).topic == "_deleted-topic_"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"topic": topic("never-made")}, exceptions.NotFound),
        ({"name": subscription("x")}, exceptions.InvalidArgument),
        ({"name": subscription("googly")}, exceptions.InvalidArgument),
        ({"ack_deadline_seconds": 5}, exceptions.InvalidArgument),
        ({"filter": "attributes.a = "}, exceptions.InvalidArgument),
        ({"dead_letter_policy": {"dead_letter_topic": topic("never-made")}}, exceptions.NotFound),
        (
            {"dead_letter_policy": {"dead_letter_topic": topic("of-refusals"), "max_delivery_attempts": 3}},
            exceptions.InvalidArgument,
        ),
        ({"push_config": {"push_endpoint": "nowhere"}}, exceptions.InvalidArgument),
        (
            {
                "push_config": {
                    "push_endpoint": "http://127.0.0.1:1",
                    "oidc_token": {"service_account_email": f"gone@{PROJECT}.iam.gserviceaccount.com"},
                }
            },
            exceptions.PermissionDenied,
        ),
    ],
)
def test_subscriptions_that_pubsub_refuses_are_refused(
    cloud: SimulatedCloud, change: dict[str, Any], error: type[Exception]
) -> None:
    with suppress(exceptions.AlreadyExists):
        cloud.publisher.create_topic(name=topic("of-refusals"))
    request = {"name": subscription("of-refusals"), "topic": topic("of-refusals"), **change}
    with pytest.raises(error):
        cloud.subscriber.create_subscription(request=request)


def test_a_publisher_needs_a_topic_and_a_message_something_in_it(cloud: SimulatedCloud) -> None:
    with pytest.raises(exceptions.NotFound):
        cloud.publisher.publish(topic=topic("never-made"), messages=[{"data": b"x"}])
    cloud.publisher.create_topic(name=topic("strict"))
    with pytest.raises(exceptions.InvalidArgument):
        cloud.publisher.publish(topic=topic("strict"), messages=[{}])


def test_buckets_keep_labels_policies_and_notifications(cloud: SimulatedCloud) -> None:
    bucket = cloud.storage.bucket("described-bucket")
    bucket.labels = {"faasbridge-app": "shop"}
    bucket.create(location="europe-west1")
    bucket.cors = [{"origin": ["*"], "method": ["GET"]}]
    bucket.labels = {"faasbridge-app": "shop", "other": "1"}
    bucket.patch()
    found = cloud.storage.get_bucket("described-bucket")
    assert (found.labels, found.cors[0]["method"], found.location) == (
        {"faasbridge-app": "shop", "other": "1"},
        ["GET"],
        "EUROPE-WEST1",
    )

    policy = found.get_iam_policy(requested_policy_version=3)
    email = cloud.account("bucket-user")
    policy.bindings.append({"role": "roles/storage.objectUser", "members": {f"serviceAccount:{email}"}})
    found.set_iam_policy(policy)
    assert f"serviceAccount:{email}" in found.get_iam_policy(requested_policy_version=3).bindings[0]["members"]

    cloud.publisher.create_topic(name=topic("of-bucket"))
    notification = found.notification("of-bucket", topic_project=PROJECT, payload_format="JSON_API_V1")
    with pytest.raises(exceptions.Forbidden, match="does not have permission to publish"):
        notification.create()
    assert STORAGE_AGENT.endswith(cloud.storage.get_service_account_email())
    cloud.grant(cloud.publisher, topic("of-bucket"), "roles/pubsub.publisher", STORAGE_AGENT)
    notification.create()
    [kept] = found.list_notifications()
    assert (kept.topic_name, kept.payload_format) == ("of-bucket", "JSON_API_V1")
    kept.delete()
    assert list(found.list_notifications()) == []

    with pytest.raises(exceptions.Conflict):
        cloud.storage.create_bucket("described-bucket")
    found.blob("x").upload_from_string("x")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        found.delete()
    cloud.server.call("POST", "/reset")
    assert list(cloud.storage.list_blobs("described-bucket")) == []
    found.delete()
    with pytest.raises(exceptions.NotFound):
        cloud.storage.get_bucket("described-bucket")


@pytest.mark.parametrize("how", ["multipart", "resumable", "copied", "xml"])
def test_an_object_is_written_on_condition_by_every_kind_of_upload(cloud: SimulatedCloud, how: str) -> None:
    bucket = cloud.storage.bucket(f"conditions-{how}")
    bucket.create()
    url = cloud.server.details["storage"]

    def write() -> None:
        blob = bucket.blob("a/b c")
        if how == "multipart":
            blob.upload_from_string(b"one", if_generation_match=0)
        elif how == "resumable":
            blob.chunk_size = 256 * 1024
            blob.upload_from_file(BytesIO(b"x" * 300_000), if_generation_match=0)
        elif how == "copied":
            bucket.blob("source").upload_from_string(b"one")
            blob.rewrite(bucket.blob("source"), if_generation_match=0)
        else:
            headers = {"x-goog-if-generation-match": "0", "authorization": "Bearer mine"}
            answer = httpx.put(f"{url}/conditions-xml/a%2Fb%20c", content=b"one", headers=headers)
            if answer.status_code == 412:
                raise exceptions.PreconditionFailed("412")

    write()
    with pytest.raises(exceptions.PreconditionFailed):
        write()
    blob = bucket.get_blob("a/b c")
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=blob.generation + 1)
    blob.delete(if_generation_match=blob.generation)
    assert bucket.get_blob("a/b c") is None


def test_databases_indexes_and_ttl_fields(cloud: SimulatedCloud) -> None:
    database = {"type_": "FIRESTORE_NATIVE", "location_id": "eur3"}

    def create() -> Any:
        request = {"parent": OF_PROJECT, "database_id": "shop-prod", "database": database}
        return cloud.databases.create_database(request=request).result(timeout=20)

    name = create().name
    assert name == f"{OF_PROJECT}/databases/shop-prod"
    with pytest.raises(exceptions.AlreadyExists):
        create()
    group = f"{name}/collectionGroups/photos"
    ttl = {"name": f"{group}/fields/expires", "ttl_config": {}}
    request = {"field": ttl, "update_mask": {"paths": ["ttl_config"]}}
    assert cloud.databases.update_field(request=request).result(timeout=20).ttl_config.state.name == "ACTIVE"
    request = {"parent": f"{name}/collectionGroups/-", "filter": "ttlConfig:*"}
    assert [each.name for each in cloud.databases.list_fields(request=request)] == [ttl["name"]]
    fields = [{"field_path": "a", "order": "ASCENDING"}, {"field_path": "b", "order": "ASCENDING"}]
    index = {"query_scope": "COLLECTION", "fields": fields}
    made = cloud.databases.create_index(request={"parent": group, "index": index}).result(timeout=20)
    assert [each.name for each in cloud.databases.list_indexes(parent=group)] == [made.name]
    with pytest.raises(exceptions.AlreadyExists):
        cloud.databases.create_index(request={"parent": group, "index": index})

    cloud.firestore("shop-prod").document("photos/a").set({"n": 1})
    cloud.databases.delete_database(name=name).result(timeout=20)
    with pytest.raises(exceptions.NotFound):
        cloud.databases.get_database(name=name)
    create()
    assert not cloud.firestore("shop-prod").document("photos/a").get().exists


def test_jobs_are_checked_updated_and_listed(cloud: SimulatedCloud) -> None:
    def job(**more: Any) -> dict[str, Any]:
        target = {"topic_name": topic("of-jobs"), "data": b"x"}
        return {"name": f"{PARENT}/jobs/sweep", "schedule": "0 3 * * *", "pubsub_target": target, **more}

    often = {"retry_config": {"retry_count": 6}}
    for wrong in ({"schedule": "0 3 * *"}, {"schedule": "99 3 * * *"}, {"time_zone": "Mars/One"}, often):
        with pytest.raises(exceptions.InvalidArgument):
            cloud.scheduler.create_job(parent=PARENT, job=job(**wrong))
    cloud.scheduler.create_job(parent=PARENT, job=job())
    with pytest.raises(exceptions.AlreadyExists):
        cloud.scheduler.create_job(parent=PARENT, job=job())

    new = job(schedule="5 4 * * *", time_zone="Europe/Berlin")
    updated = cloud.scheduler.update_job(job=new, update_mask={"paths": ["schedule", "time_zone"]})

    assert (updated.schedule, updated.time_zone, updated.pubsub_target.data) == ("5 4 * * *", "Europe/Berlin", b"x")
    assert [each.name for each in cloud.scheduler.list_jobs(parent=PARENT)] == [updated.name]
    cloud.scheduler.delete_job(name=updated.name)
    with pytest.raises(exceptions.NotFound):
        cloud.scheduler.get_job(name=updated.name)


def test_a_job_whose_topic_is_gone_says_so(cloud: SimulatedCloud) -> None:
    target = {"topic_name": topic("never-made"), "data": b"x"}
    job = {"name": f"{PARENT}/jobs/lost", "schedule": "0 3 * * *", "pubsub_target": target}
    cloud.scheduler.create_job(parent=PARENT, job=job)
    cloud.scheduler.run_job(name=job["name"])

    assert wait_until(lambda: cloud.scheduler.get_job(name=job["name"]).status.code) == 5


def test_a_disabled_api_refuses_and_says_how_to_enable_it(cloud: SimulatedCloud) -> None:
    name = f"{OF_PROJECT}/services/cloudscheduler.googleapis.com"
    cloud.apis.disable_service(request={"name": name}).result(timeout=20)
    try:
        with pytest.raises(exceptions.PermissionDenied, match="Enable it by visiting") as refused:
            cloud.scheduler.list_jobs(parent=PARENT)
        assert refused.value.reason == "SERVICE_DISABLED"
        enabled = cloud.apis.list_services(request={"parent": OF_PROJECT, "filter": "state:ENABLED"})
        assert "cloudscheduler.googleapis.com" not in [each.config.name for each in enabled]
    finally:
        cloud.apis.enable_service(request={"name": name}).result(timeout=20)
    assert list(cloud.scheduler.list_jobs(parent=PARENT)) is not None


def test_the_project_has_an_id_and_a_number(cloud: SimulatedCloud) -> None:
    found = cloud.projects.get_project(name=OF_PROJECT)
    assert (found.project_id, found.name) == (PROJECT, "projects/123456789012")


def test_functions_are_there_over_rest_as_well(cloud: SimulatedCloud) -> None:
    host = cloud.server.details["address"].removeprefix("http://")
    transport = FunctionServiceRestTransport(host=host, url_scheme="http", credentials=AnonymousCredentials())
    client = functions_v2.FunctionServiceClient(transport=transport)
    function = cloud.function({"main.py": "def handle(request):\n    return 'x'\n"})

    made = client.create_function(parent=PARENT, function_id="over-rest", function=function).result(timeout=60)

    assert [each.name for each in client.list_functions(parent=PARENT)] == [made.name]
    assert client.get_function(name=made.name).state.name == "ACTIVE"
    client.delete_function(name=made.name).result(timeout=20)
    with pytest.raises(exceptions.NotFound):
        client.get_function(name=made.name)


def test_logs_are_found_by_filter_in_either_order(cloud: SimulatedCloud) -> None:
    resource = {"type": "cloud_run_revision", "labels": {"service_name": "made-up"}}
    entries = [
        {
            "log_name": f"{OF_PROJECT}/logs/run.googleapis.com%2Fstdout",
            "resource": resource,
            "severity": severity,
            "text_payload": text,
            "timestamp": f"2026-01-0{day}T00:00:00Z",
        }
        for day, (severity, text) in enumerate((("INFO", "first"), ("ERROR", "second line"), ("WARNING", "third")), 1)
    ]
    cloud.logging.write_log_entries(entries=entries)

    def texts(filter: str, order_by: str = "timestamp asc") -> list[str]:
        request = {"resource_names": [OF_PROJECT], "filter": filter, "order_by": order_by}
        return [each.text_payload for each in cloud.logging.list_log_entries(request=request)]

    service = 'resource.type="cloud_run_revision" AND resource.labels.service_name="made-up"'
    assert texts(service) == ["first", "second line", "third"]
    assert texts(service, "timestamp desc") == ["third", "second line", "first"]
    assert texts(f"{service} AND severity>=WARNING") == ["second line", "third"]
    assert texts(f'{service} AND timestamp>"2026-01-02T00:00:00Z"') == ["third"]
    assert texts(f'{service}\ntextPayload:"line"') == ["second line"]
    assert texts(f'{service} AND NOT (severity=INFO OR textPayload="third")') == ["second line"]
    with pytest.raises(exceptions.InvalidArgument):
        texts("severity >= (")


def test_logs_are_followed_until_the_caller_hangs_up(cloud: SimulatedCloud) -> None:
    def write(text: str) -> None:
        entry = {"log_name": f"{OF_PROJECT}/logs/run.googleapis.com%2Fstdout", "text_payload": text}
        cloud.logging.write_log_entries(entries=[{**entry, "resource": {"type": "cloud_run_revision"}}])

    request = {"resource_names": [OF_PROJECT], "filter": 'textPayload:"wanted"'}
    found: list[str] = []

    def listen() -> None:
        following = cloud.logging.tail_log_entries(iter([request]), timeout=30)
        for response in following:
            found.extend(entry.text_payload for entry in response.entries)
            if len(found) >= 2:
                break
        following.cancel()

    listening = Thread(target=listen)
    listening.start()
    wait_until(lambda: (write("wanted"), write("other"), not listening.is_alive())[-1])

    assert set(found) == {"wanted"}


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.functions.get_function(name=f"{PARENT}/functions/none"),
        lambda c: c.functions.delete_function(name=f"{PARENT}/functions/none"),
        lambda c: c.run.get_service(name=f"{PARENT}/services/none"),
        lambda c: c.run.get_iam_policy(request={"resource": f"{PARENT}/services/none"}),
        lambda c: c.secrets.add_secret_version(parent=f"{OF_PROJECT}/secrets/none", payload={"data": b"x"}),
        lambda c: c.secrets.delete_secret(name=f"{OF_PROJECT}/secrets/none"),
        lambda c: c.publisher.get_topic(topic=topic("none")),
        lambda c: c.subscriber.delete_subscription(subscription=subscription("none")),
        lambda c: c.scheduler.delete_job(name=f"{PARENT}/jobs/none"),
        lambda c: c.databases.get_database(name=f"{OF_PROJECT}/databases/none"),
        lambda c: c.storage.bucket("never-made-bucket").get_iam_policy(),
    ],
)
def test_what_is_not_there_is_not_found(cloud: SimulatedCloud, call: Callable[[SimulatedCloud], Any]) -> None:
    with pytest.raises(exceptions.NotFound):
        call(cloud)
