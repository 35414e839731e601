"""Clients of AWS's services: one a service and process, made on first use.

Retries are botocore's standard mode: `TRIES` in all, exponential back-off with jitter, only for throttling, 5xx and
broken connections; what is wrong with a request (4xx) is told at once. botocore's documentation, guide "Retries".
"""

from __future__ import annotations

import os
import threading

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import loopback

if TYPE_CHECKING:
    from typing import Any

TRIES = 6  # with up to 1, 2, 4, 8 and 16 s between them; a shorter function runs out of its own time first
CONNECT_S, READ_S = 3.0, 30.0  # longer than any answer but large objects', which are read in pieces
_CONNECTIONS = 32

# botocore's session variables without their places in the environment: nothing of a user's profiles is looked at.
_NO_PROFILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Clients:
    """`get("sqs")` gives botocore's client. What is not given comes from where the SDK takes it: variables, profiles,
    single sign-on, the role of the machine. `credentials`: (access key id, secret access key, session token or None).

    Raises ConfigError for an endpoint without TLS that is not this machine's.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        credentials: tuple[str, str, str | None] | None = None,
        profile: str | None = None,
    ) -> None:
        self.region = region or os.environ.get("AWS_REGION") or None
        self.endpoint = endpoint
        self._credentials = credentials
        self._profile = profile
        self._session: Any = None
        self._made: dict[str, Any] = {}
        self._lock = threading.RLock()
        if endpoint is not None:
            is_local(endpoint)

    @property
    def session(self) -> Any:
        """botocore's session, which knows the credentials and renews them."""
        with self._lock:
            if self._session is None:
                from botocore.session import Session

                if self._credentials is None:
                    self._session = Session(profile=self._profile)
                else:
                    self._session = Session(_NO_PROFILES)
                    self._session.set_credentials(*self._credentials)
            return self._session

    def get(self, service: str) -> Any:
        found = self._made.get(service)
        if found is None:
            with self._lock:  # a session is not safe for threads, its clients are
                found = self._made.get(service)
                if found is None:
                    found = self._made[service] = self._make(service)
        return found

    def endpoint_of(self, service: str) -> str | None:
        """The endpoint that was set for a service, None for AWS's own."""
        variable = f"AWS_ENDPOINT_URL_{service.upper()}"
        return self.endpoint or os.environ.get(variable) or os.environ.get("AWS_ENDPOINT_URL") or None

    def _make(self, service: str) -> Any:
        from botocore.config import Config

        endpoint = self.endpoint_of(service)
        if endpoint is not None:
            is_local(endpoint)
        config: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": TRIES},
            "connect_timeout": CONNECT_S,
            "read_timeout": READ_S,
            "max_pool_connections": _CONNECTIONS,
            "tcp_keepalive": True,
        }
        if service == "s3":
            config["signature_version"] = "s3v4"  # URLs are signed with the older one otherwise
            config["s3"] = {"addressing_style": "virtual" if endpoint is None else "path"}
        elif service == "lambda":
            config["read_timeout"] = 910  # an invocation may take 900
        return self.session.create_client(
            service, region_name=self.region, endpoint_url=endpoint, config=Config(**config)
        )


def is_local(address: str) -> bool:
    return loopback.is_local(address, "AWS endpoint")


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
