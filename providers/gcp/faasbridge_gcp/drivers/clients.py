"""Clients of Google Cloud's services: one a service and process, made on first use."""

from __future__ import annotations

import os
import threading

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_GRPC = {
    "accounts": ("google.cloud.iam_admin_v1", "IAMClient"),
    "apis": ("google.cloud.service_usage_v1", "ServiceUsageClient"),
    "databases": ("google.cloud.firestore_admin_v1.services.firestore_admin", "FirestoreAdminClient"),
    "functions": ("google.cloud.functions_v2", "FunctionServiceClient"),
    "logging": ("google.cloud.logging_v2.services.logging_service_v2", "LoggingServiceV2Client"),
    "projects": ("google.cloud.resourcemanager_v3", "ProjectsClient"),
    "run": ("google.cloud.run_v2", "ServicesClient"),
    "scheduler": ("google.cloud.scheduler_v1", "CloudSchedulerClient"),
    "subscriber": ("google.pubsub_v1", "SubscriberClient"),
    "secretmanager": ("google.cloud.secretmanager_v1", "SecretManagerServiceClient"),
    "publisher": ("google.pubsub_v1", "PublisherClient"),
    "credentials": ("google.cloud.iam_credentials_v1", "IAMCredentialsClient"),
}


class Clients:
    """`get("publisher")` gives Google's client. What is not given comes from where the SDK takes it.

    `endpoints`: `google` is host and port of every gRPC service without TLS, `firestore` of Firestore, `storage` a URL,
    for simulators. Then no credentials are sent there. `signers`: bucket and method -> in whose name, a service
    account's, URLs are signed; `FAASBRIDGE_ACCOUNT` for those that are not there.
    """

    def __init__(
        self,
        project: str | None = None,
        endpoints: Mapping[str, str] | None = None,
        credentials: Any = None,
        signers: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self.project = project or os.environ.get("GOOGLE_CLOUD_PROJECT") or None
        self.endpoints = dict(endpoints or {})
        self.credentials = credentials
        self.signers = dict(signers or {})
        self._made: dict[str, Any] = {}
        self._lock = threading.RLock()

    def get(self, service: str) -> Any:
        """Raises KeyError for a service that is not known here."""
        if service == "storage":
            return self.once(service, self._storage)
        module, name = _GRPC[service]
        return self.once(service, lambda: self._grpc(module, name))

    def firestore(self, project: str, database: str) -> Any:
        return self.once(f"firestore {project} {database}", lambda: self._firestore(project, database))

    def signer(self, bucket: str, method: str) -> str:
        """The service account that signs the bucket's URLs for that method; empty where there is none."""
        return self.signers.get((bucket, method)) or os.environ.get("FAASBRIDGE_ACCOUNT") or ""

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        found = self._made.get(name)
        if found is None:
            with self._lock:
                found = self._made.get(name)
                if found is None:
                    found = self._made[name] = make()
        return found

    def _grpc(self, module: str, name: str) -> Any:
        from importlib import import_module

        kind = getattr(import_module(module), name)
        address = self.endpoints.get("google")
        if address is None and name == "PublisherClient":
            address = os.environ.get("PUBSUB_EMULATOR_HOST") or None
        if address is None:
            return kind(credentials=self.credentials)
        return kind(transport=kind.get_transport_class("grpc")(channel=self._channel(address)))

    def _storage(self) -> Any:
        from importlib import import_module

        storage: Any = import_module("google.cloud.storage")

        address = self.endpoints.get("storage")
        if address is None:
            return storage.Client(self.project, self.credentials)
        from google.auth.credentials import AnonymousCredentials

        nobody: Any = AnonymousCredentials
        options = {"api_endpoint": address}
        return storage.Client(self.project, nobody(), client_options=options)

    def _firestore(self, project: str, database: str) -> Any:
        from google.cloud.firestore import Client

        address = self.endpoints.get("firestore")
        if address is None:
            return Client(project, self.credentials, database)
        from google.auth.credentials import AnonymousCredentials

        nobody: Any = AnonymousCredentials
        client = Client(project, nobody(), database)
        # The client takes an emulator's address from the environment alone, and that is the whole process's.
        client._emulator_host = address
        return client

    def _channel(self, address: str) -> Any:
        import grpc  # type: ignore[import-untyped, unused-ignore]

        return self.once(f"channel {address}", lambda: grpc.insecure_channel(address))


_default: Clients | None = None
_lock = threading.Lock()


def default() -> Clients:
    """The process's own, from its environment."""
    global _default
    with _lock:
        if _default is None:
            _default = Clients()
        return _default


def of(options: Any) -> Clients:
    """Those that a binding's options bring, else the process's own."""
    return options.get("clients") or default()
