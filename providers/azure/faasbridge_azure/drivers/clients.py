"""Clients of Azure's services: one a place and process, made on first use.

Who asks is the function app's managed identity, and elsewhere whoever is logged in (see `login`). Retries are the SDKs'
own, for 429, 5xx and broken connections, with exponential back-off and jitter; what is wrong with a request is told at
once.
"""

from __future__ import annotations

import os
import threading

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import loopback

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .objects import Objects

TRIES = 6
CONNECT_S, READ_S = 5.0, 60.0
STORAGE_SCOPE = "https://storage.azure.com/.default"
CLAIMS = "FAASBRIDGE_CLAIMS"


class Clients:
    """What is not given comes from the environment.

    `credential` is one of azure-core's kind, `tenant` that of whoever is logged in; `storage_key` and `cosmos_key` are
    keys instead, which only emulators need; `ca` is a file of certificates to trust, `claims` the URL of the container
    for messages too large for a queue (FAASBRIDGE_CLAIMS). Raises ConfigError for an address without TLS that is not
    this machine's.
    """

    def __init__(
        self,
        *,
        credential: Any = None,
        tenant: str | None = None,
        storage_key: str | None = None,
        cosmos_key: str | None = None,
        ca: str | None = None,
        claims: str | None = None,
    ) -> None:
        self._credential, self._tenant = credential, tenant
        self.storage_key = storage_key
        self._cosmos_key = cosmos_key
        self.ca = ca
        self.claims = claims or os.environ.get(CLAIMS) or None
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()

    @property
    def credential(self) -> Any:
        with self._lock:
            if self._credential is None:
                if "IDENTITY_ENDPOINT" in os.environ and "IDENTITY_HEADER" in os.environ:
                    from .identity import ManagedIdentity

                    self._credential = ManagedIdentity(os.environ.get("AZURE_CLIENT_ID"))
                else:
                    from .login import LoggedIn

                    self._credential = LoggedIn(self._tenant)
            return self._credential

    def token(self, scope: str) -> tuple[str, int]:
        """A token and when it expires, in seconds since 1970."""
        credential = self.credential
        if hasattr(credential, "token"):
            return credential.token(scope)  # type: ignore[no-any-return]
        found = credential.get_token(scope)
        return found.token, found.expires_on

    def objects(self, url: str, what: str) -> Objects:
        """obstore's of the container at `url`."""

        def make() -> Objects:
            from .objects import Objects

            return Objects(url, what, self)

        return self._get("objects", url, make)  # type: ignore[no-any-return]

    def container(self, url: str) -> Any:
        """`azure.storage.blob.ContainerClient`"""

        def make() -> Any:
            from azure.storage.blob import ContainerClient, ExponentialRetry

            return ContainerClient.from_container_url(url, **self._blobs(url, ExponentialRetry))

        return self._get("container", url, make)

    def blob_account(self, container_url: str) -> Any:
        """`azure.storage.blob.BlobServiceClient` of a container's account."""

        def make() -> Any:
            from azure.storage.blob import BlobServiceClient, ExponentialRetry

            return BlobServiceClient(account_url, **self._blobs(account_url, ExponentialRetry))

        account_url = container_url.rpartition("/")[0]
        return self._get("blob account", account_url, make)

    def queue(self, url: str) -> Any:
        """`azure.storage.queue.QueueClient`; texts go and come as they are."""

        def make() -> Any:
            from azure.storage.queue import ExponentialRetry, QueueClient

            return QueueClient.from_queue_url(url, **self._storage(ExponentialRetry))

        return self._get("queue", url, make)

    def cosmos(self, endpoint: str) -> Any:
        """`azure.cosmos.CosmosClient`"""

        def make() -> Any:
            from azure.cosmos import CosmosClient

            credential = self._cosmos_key or self.credential
            options: dict[str, Any] = {}
            if self.ca:  # it takes `connection_verify` for yes or no
                from azure.cosmos import SSLConfiguration

                options["ssl_config"] = SSLConfiguration()
                options["ssl_config"].SSLCaCerts = self.ca
            return CosmosClient(endpoint, credential, retry_total=TRIES + 3, **options)

        return self._get("cosmos", endpoint, make)

    def publisher(self, endpoint: str) -> Any:
        """`azure.eventgrid.EventGridPublisherClient` of a custom topic. It keeps no options: each `send` needs them."""

        def make() -> Any:
            import logging

            from azure.eventgrid import EventGridPublisherClient

            # It also gives those options to the model of each event, which warns that it does not know them.
            logging.getLogger("azure.eventgrid").setLevel(logging.ERROR)
            return EventGridPublisherClient(endpoint, self.credential)

        return self._get("publisher", endpoint, make)

    def vault(self, url: str) -> Any:
        """`azure.keyvault.secrets.SecretClient`"""

        def make() -> Any:
            from azure.keyvault.secrets import SecretClient

            return SecretClient(url, self.credential, **self.core_options())

        return self._get("vault", url, make)

    def _get(self, service: str, place: str, make: Callable[[], Any]) -> Any:
        found = self._made.get((service, place))
        if found is None:
            is_local(place)
            with self._lock:
                found = self._made.get((service, place))
                if found is None:
                    found = self._made[service, place] = make()
        return found

    def _storage(self, retry: Callable[..., Any]) -> dict[str, Any]:
        """Options of a client of Azure Storage."""
        # Its defaults wait 15 s before the second try, which is longer than many functions run.
        policy = retry(initial_backoff=1, increment_base=2, retry_total=TRIES - 1, random_jitter_range=1)
        times = {"connection_timeout": CONNECT_S, "read_timeout": READ_S}
        return {"credential": self.storage_key or self.credential, "retry_policy": policy, **times, **self._verify()}

    def _blobs(self, url: str, retry: Callable[..., Any]) -> dict[str, Any]:
        """The same for blobs, which a page may want from this machine by plain HTTP: there the SDK takes no credential,
        so each request gets its token here."""
        options = self._storage(retry)
        if is_local(url) and not self.storage_key:

            def authorize(request: Any) -> None:
                request.http_request.headers["Authorization"] = f"Bearer {self.token(STORAGE_SCOPE)[0]}"

            options.update(credential=None, raw_request_hook=authorize)
        return options

    def core_options(self) -> dict[str, Any]:
        """For a client or request of azure-core's, whose waits have no random part: callers differ in the factor."""
        import random

        factor = random.uniform(0.2, 0.6)  # noqa: S311 - jitter
        times = {"connection_timeout": CONNECT_S, "read_timeout": READ_S}
        return {"retry_total": TRIES - 1, "retry_backoff_factor": factor, **times, **self._verify()}

    def _verify(self) -> dict[str, Any]:
        return {"connection_verify": self.ca} if self.ca else {}


def is_local(address: str) -> bool:
    return loopback.is_local(address, "Azure address")


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
