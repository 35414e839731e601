"""A running simulator of Google Cloud for tests, and Google's own clients on it."""

from __future__ import annotations

import io
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import grpc
import httpx2 as httpx
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import (
    firestore,
    functions_v2,
    iam_admin_v1,
    iam_credentials_v1,
    resourcemanager_v3,
    run_v2,
    scheduler_v1,
    secretmanager_v1,
    service_usage_v1,
    storage,
)
from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminClient
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.pubsub_v1 import PublisherClient, SubscriberClient

from faasbridge.errors import ConfigError
from faasbridge.simulation import servers
from faasbridge.simulation.servers import Server

PROJECT = "demo-project"
REGION = "europe-west1"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
AGENT = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
STORAGE_AGENT = "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com"
COMMAND = [sys.executable, "-m", "faasbridge_gcp.simulator.server"]


def topic(name: str) -> str:
    return f"projects/{PROJECT}/topics/{name}"


def subscription(name: str) -> str:
    return f"projects/{PROJECT}/subscriptions/{name}"


def wait_until(condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """What the condition gives once it is true. Fails after the time-out."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


class SimulatedCloud:
    """Google's clients, each with the simulator's address."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.channel = grpc.insecure_channel(server.details["google"])

    def _client(self, kind: Any) -> Any:
        return kind(transport=kind.get_transport_class("grpc")(channel=self.channel))

    @cached_property
    def functions(self) -> Any:
        return self._client(functions_v2.FunctionServiceClient)

    @cached_property
    def run(self) -> Any:
        return self._client(run_v2.ServicesClient)

    @cached_property
    def publisher(self) -> Any:
        return self._client(PublisherClient)

    @cached_property
    def subscriber(self) -> Any:
        return self._client(SubscriberClient)

    @cached_property
    def secrets(self) -> Any:
        return self._client(secretmanager_v1.SecretManagerServiceClient)

    @cached_property
    def accounts(self) -> Any:
        return self._client(iam_admin_v1.IAMClient)

    @cached_property
    def credentials(self) -> Any:
        return self._client(iam_credentials_v1.IAMCredentialsClient)

    @cached_property
    def projects(self) -> Any:
        return self._client(resourcemanager_v3.ProjectsClient)

    @cached_property
    def apis(self) -> Any:
        return self._client(service_usage_v1.ServiceUsageClient)

    @cached_property
    def scheduler(self) -> Any:
        return self._client(scheduler_v1.CloudSchedulerClient)

    @cached_property
    def databases(self) -> Any:
        return self._client(FirestoreAdminClient)

    @cached_property
    def logging(self) -> Any:
        return self._client(LoggingServiceV2Client)

    @cached_property
    def storage(self) -> Any:
        options = ClientOptions(api_endpoint=self.server.details["storage"])
        return storage.Client(PROJECT, credentials=AnonymousCredentials(), client_options=options)

    def firestore(self, database: str) -> Any:
        from google.cloud.firestore_v1.services.firestore import FirestoreClient

        client = firestore.Client(PROJECT, AnonymousCredentials(), database)
        channel = grpc.insecure_channel(self.server.details["firestore"])
        client._firestore_api_internal = FirestoreClient(
            transport=FirestoreClient.get_transport_class("grpc")(channel=channel)
        )
        return client

    def upload(self, files: Mapping[str, str]) -> functions_v2.StorageSource:
        answer = self.functions.generate_upload_url(request={"parent": PARENT})
        put = httpx.put(answer.upload_url, content=zipped(files), headers={"content-type": "application/zip"})
        assert put.status_code == 200
        return answer.storage_source

    def function(self, files: Mapping[str, str], **service_config: Any) -> functions_v2.Function:
        return functions_v2.Function(
            build_config={
                "runtime": f"python{sys.version_info.major}{sys.version_info.minor}",
                "entry_point": "handle",
                "source": {"storage_source": self.upload(files)},
            },
            service_config=service_config,
        )

    def deploy(self, name: str, code: str, **service_config: Any) -> functions_v2.Function:
        function = self.function({"main.py": code}, **service_config)
        operation = self.functions.create_function(parent=PARENT, function_id=name, function=function)
        return operation.result(timeout=60)

    def publicly(self, function: functions_v2.Function) -> functions_v2.Function:
        """Lets everybody invoke it."""
        policy = {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}
        self.run.set_iam_policy(request={"resource": function.service_config.service, "policy": policy})
        return function

    def account(self, name: str) -> str:
        """The email of a new service account."""
        request = {"name": f"projects/{PROJECT}", "account_id": name}
        return self.accounts.create_service_account(request=request).email

    def grant(self, resource_client: Any, resource: str, role: str, *members: str) -> None:
        policy = resource_client.get_iam_policy(request={"resource": resource})
        policy.bindings.add(role=role, members=members)
        resource_client.set_iam_policy(request={"resource": resource, "policy": policy})

    def settle(self, timeout_s: float = 60.0) -> None:
        left: Any = None

        def settled() -> bool:
            nonlocal left
            left = self.server.call("GET", "/left")
            return not left

        try:
            wait_until(settled, timeout_s)
        except AssertionError:
            pytest.fail(f"still in flight: {left}")

    def log_texts(self, service: str) -> list[str]:
        request = {
            "resource_names": [f"projects/{PROJECT}"],
            "filter": f'resource.labels.service_name="{service}" AND logName:"run.googleapis.com%2Fstd"',
        }
        found = self.logging.list_log_entries(request=request)
        return [entry.text_payload or dict(entry.json_payload or {}).get("message", "") for entry in found]


@contextmanager
def running(folder: Path) -> Iterator[SimulatedCloud]:
    """Skips, with the command that gets them, where Google's emulators are missing."""
    try:
        process, server = servers.launch([*COMMAND, "--test"], folder)
    except ConfigError as error:
        if "gcloud components install" not in str(error) or os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    try:
        yield SimulatedCloud(server)
    finally:
        servers.end(process)
