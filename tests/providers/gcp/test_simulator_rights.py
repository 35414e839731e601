"""What a function may do on the simulator of Google Cloud: what its account's roles say, resource by resource."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx2 as httpx
import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.pubsub_v1 import PublisherClient

from faasbridge_gcp.drivers.clients import Clients
from faasbridge_gcp.drivers.signing import Remote

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import PROJECT, SimulatedCloud, running, topic

OF_PROJECT = f"projects/{PROJECT}"
TELL = """
import json, os

def handle(request):
    return json.dumps(dict(os.environ))
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCloud]:
    with running(tmp_path_factory.mktemp("cloud")) as found:
        for name in ("news", "jobs"):
            found.publisher.create_topic(name=topic(name))
            secret = {"replication": {"automatic": {}}}
            found.secrets.create_secret(request={"parent": OF_PROJECT, "secret_id": name, "secret": secret})
            found.secrets.add_secret_version(parent=f"{OF_PROJECT}/secrets/{name}", payload={"data": name.encode()})
            found.storage.create_bucket(f"{name}-files").blob("old").upload_from_string(name)
            database = {"type_": "FIRESTORE_NATIVE", "location_id": "nam5"}
            request = {"parent": OF_PROJECT, "database_id": f"{name}-rows", "database": database}
            found.databases.create_database(request=request).result()
            found.firestore(f"{name}-rows").collection("rows").document("1").set({"from": name})
        found.storage.create_bucket("signed-files").blob("old").upload_from_string("signed")
        yield found


class Function:
    """A function in the name of an account that has no right yet, and Google's clients as its code would make them."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        self._cloud = cloud
        name = f"f{uuid4().hex[:8]}"
        self.account = cloud.account(name)
        function = cloud.publicly(cloud.deploy(name, TELL, service_account_email=self.account))
        env = httpx.get(function.url).json()
        self.google = env["PUBSUB_EMULATOR_HOST"]
        endpoints = {
            "google": self.google,
            "firestore": env["FIRESTORE_EMULATOR_HOST"],
            "storage": env["STORAGE_EMULATOR_HOST"],
        }
        self.clients = Clients(PROJECT, endpoints)

    def may(self, client: Any, resource: str, role: str, condition: str = "") -> None:
        policy = client.get_iam_policy(request={"resource": resource})
        binding = policy.bindings.add(role=role, members=[f"serviceAccount:{self.account}"])
        if condition:
            binding.condition.title, binding.condition.expression = "only", condition
        policy.version = 3
        client.set_iam_policy(request={"resource": resource, "policy": policy})

    def may_in_bucket(self, name: str, role: str) -> None:
        bucket = self._cloud.storage.bucket(name)
        policy = bucket.get_iam_policy(requested_policy_version=3)
        policy.bindings.append({"role": role, "members": {f"serviceAccount:{self.account}"}})
        bucket.set_iam_policy(policy)

    def rows(self, database: str) -> Any:
        return self.clients.firestore(PROJECT, database).collection("rows")


@pytest.fixture(scope="module")
def function(cloud: SimulatedCloud) -> Function:
    """Each test gives it what the others do not."""
    return Function(cloud)


def refused(call: Callable[[], Any], permission: str) -> None:
    with pytest.raises(exceptions.Forbidden, match=f"{permission}.* denied"):
        call()


def test_it_publishes_to_a_topic_that_it_may_publish_to_and_to_no_other(
    cloud: SimulatedCloud, function: Function
) -> None:
    def publish(name: str) -> None:
        function.clients.get("publisher").publish(topic=topic(name), messages=[{"data": b"x"}])

    refused(lambda: publish("news"), r"pubsub\.topics\.publish")
    function.may(cloud.publisher, topic("news"), "roles/pubsub.publisher")
    publish("news")
    refused(lambda: publish("jobs"), r"pubsub\.topics\.publish")


def test_it_reads_the_secrets_that_it_may_read(cloud: SimulatedCloud, function: Function) -> None:
    def value(name: str) -> bytes:
        client: SecretManagerServiceClient = function.clients.get("secretmanager")
        return client.access_secret_version(name=f"{OF_PROJECT}/secrets/{name}/versions/latest").payload.data

    refused(lambda: value("news"), r"secretmanager\.versions\.access")
    function.may(cloud.secrets, f"{OF_PROJECT}/secrets/news", "roles/secretmanager.secretAccessor")
    assert value("news") == b"news"
    refused(lambda: value("jobs"), r"secretmanager\.versions\.access")


def test_it_reads_objects_only_with_a_role_that_reads(function: Function) -> None:
    bucket = function.clients.get("storage").bucket("news-files")
    refused(bucket.blob("old").download_as_bytes, r"storage\.objects\.get")
    refused(lambda: list(bucket.list_blobs()), r"storage\.objects\.list")
    function.may_in_bucket("news-files", "roles/storage.objectViewer")
    assert bucket.blob("old").download_as_bytes() == b"news"
    assert [each.name for each in bucket.list_blobs()] == ["old"]
    refused(lambda: bucket.blob("new").upload_from_string("x"), r"storage\.objects\.create")
    refused(bucket.blob("old").delete, r"storage\.objects\.delete")
    refused(
        function.clients.get("storage").bucket("jobs-files").blob("old").download_as_bytes, r"storage\.objects\.get"
    )


def test_it_writes_objects_only_with_a_role_that_writes(function: Function) -> None:
    bucket = function.clients.get("storage").bucket("jobs-files")
    name = f"{function.account}.txt"
    function.may_in_bucket("jobs-files", "roles/storage.objectCreator")
    bucket.blob(name).upload_from_string("1")
    refused(lambda: bucket.blob(name).upload_from_string("2"), r"storage\.objects\.delete")
    function.may_in_bucket("jobs-files", "roles/storage.legacyBucketWriter")
    bucket.blob(name).upload_from_string("2")
    refused(bucket.blob(name).download_as_bytes, r"storage\.objects\.get")
    refused(lambda: bucket.copy_blob(bucket.blob(name), bucket, "copy"), r"storage\.objects\.get")
    bucket.blob(name).delete()


def test_a_condition_gives_it_one_database_to_read_or_to_write(cloud: SimulatedCloud, function: Function) -> None:
    news, jobs = function.rows("news-rows"), function.rows("jobs-rows")
    refused(news.document("1").get, r"datastore\.entities\.get")
    condition = f'resource.name == "{OF_PROJECT}/databases/news-rows"'
    function.may(cloud.projects, OF_PROJECT, "roles/datastore.viewer", condition)
    assert news.document("1").get().to_dict() == {"from": "news"}
    assert [each.id for each in news.limit(1).get()] == ["1"]
    assert list(news.stream())
    refused(lambda: news.document("2").set({}), r"datastore\.entities\.write")
    for ask in (jobs.document("1").get, lambda: list(jobs.stream()), lambda: jobs.document("1").set({})):
        refused(ask, r"datastore\.entities")
    function.may(cloud.projects, OF_PROJECT, "roles/datastore.user", condition)
    news.document(function.account).set({"a": 1})
    with pytest.raises(exceptions.AlreadyExists):
        news.document(function.account).create({"a": 1})
    news.document(function.account).delete()
    refused(lambda: jobs.document("1").set({}), r"datastore\.entities\.write")


def test_it_signs_in_its_own_name_only_and_a_url_is_good_for_what_the_signer_may(
    cloud: SimulatedCloud, function: Function
) -> None:
    def url(method: str, account: str = function.account) -> str:
        found: str = (
            function.clients.get("storage")
            .bucket("signed-files")
            .blob("old")
            .generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=60),
                method=method,
                credentials=Remote(function.clients, account),
                api_access_endpoint=function.clients.endpoints["storage"],
            )
        )
        return found

    refused(lambda: url("GET"), r"iam\.serviceAccounts\.signBlob")
    itself = f"{OF_PROJECT}/serviceAccounts/{function.account}"
    function.may(cloud.accounts, itself, "roles/iam.serviceAccountTokenCreator")
    assert httpx.get(url("GET")).status_code == 403
    function.may_in_bucket("signed-files", "roles/storage.objectViewer")
    assert httpx.get(url("GET")).content == b"signed"
    assert httpx.put(url("PUT"), content=b"x").status_code == 403
    other = cloud.account(f"other-{uuid4().hex[:8]}")
    refused(lambda: url("GET", other), r"iam\.serviceAccounts\.signBlob")


def test_it_changes_nothing_of_the_project(cloud: SimulatedCloud, function: Function) -> None:
    publisher = function.clients.get("publisher")
    cloud.publisher.create_topic(name=topic("own"))
    for ask in (
        lambda: publisher.create_topic(name=topic("mine")),
        lambda: publisher.delete_topic(topic=topic("news")),
        lambda: list(publisher.list_topics(project=OF_PROJECT)),
        lambda: function.may(publisher, topic("own"), "roles/pubsub.publisher"),
        lambda: function.clients.get("functions").delete_function(name="projects/p/locations/l/functions/f"),
        lambda: function.clients.get("storage").create_bucket("mine"),
        lambda: function.clients.get("storage").bucket("signed-files").delete(),
        lambda: function.clients.get("storage").bucket("signed-files").get_iam_policy(),
    ):
        with pytest.raises(exceptions.Forbidden):
            ask()
    function.may(cloud.publisher, topic("own"), "roles/pubsub.admin")
    function.may(publisher, topic("own"), "roles/pubsub.publisher")


def test_a_custom_role_counts_and_that_of_a_deleted_account_does_not(cloud: SimulatedCloud) -> None:
    function = Function(cloud)
    role = {"title": "t", "included_permissions": ["pubsub.topics.publish"], "stage": "GA"}
    name = f"sender_{uuid4().hex[:8]}"
    made = cloud.accounts.create_role(request={"parent": OF_PROJECT, "role_id": name, "role": role})
    function.may(cloud.projects, OF_PROJECT, made.name)
    publisher = PublisherClient(
        transport=PublisherClient.get_transport_class("grpc")(channel=grpc.insecure_channel(function.google))
    )
    publisher.publish(topic=topic("news"), messages=[{"data": b"x"}])
    cloud.accounts.delete_service_account(name=f"{OF_PROJECT}/serviceAccounts/{function.account}")
    refused(lambda: publisher.publish(topic=topic("news"), messages=[{"data": b"x"}]), r"pubsub\.topics\.publish")


def test_google_s_default_account_is_an_editor(cloud: SimulatedCloud) -> None:
    found = httpx.get(cloud.publicly(cloud.deploy("editor", TELL)).url).json()
    clients = Clients(PROJECT, {"google": found["PUBSUB_EMULATOR_HOST"]})
    assert topic("news") in [each.name for each in clients.get("publisher").list_topics(project=OF_PROJECT)]
