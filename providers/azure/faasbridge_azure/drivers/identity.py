"""The managed identity of a function app, as a credential of the SDKs.

`azure-identity` does the same; its import costs about 130 ms of a cold start on top of `azure-core`, most of it for
ways to log in that a function app does not have.
Source: App Service documentation, "How to use managed identities for App Service and Azure Functions", "REST endpoint
reference".
"""

from __future__ import annotations

import json
import os
import threading
import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import FaaSBridgeError, PermissionDenied

if TYPE_CHECKING:
    from typing import Any

_EARLY_S = 300
_TRIES = 5


class ManagedIdentity:
    """Of the function app that this runs in; `client_id` chooses among user-assigned ones. Safe among threads."""

    def __init__(self, client_id: str | None = None) -> None:
        self._endpoint = os.environ["IDENTITY_ENDPOINT"]
        self._secret = os.environ["IDENTITY_HEADER"]
        self._client_id = client_id
        self._known: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """An `azure.core.credentials.AccessToken`. Raises PermissionDenied, FaaSBridgeError."""
        from azure.core.credentials import AccessToken

        return AccessToken(*self.token(scopes[0]))

    def token(self, scope: str) -> tuple[str, int]:
        """The token for `https://vault.azure.net/.default`, say, and when it expires (seconds since 1970)."""
        with self._lock:
            found = self._known.get(scope)
            if found is None or found[1] - _EARLY_S < time.time():
                found = self._known[scope] = self._fetch(scope.removesuffix("/.default"))
            return found

    def _fetch(self, resource: str) -> tuple[str, int]:
        for turn in range(_TRIES):
            status, body = self._ask(resource)
            if status == 200:
                answer = json.loads(body)
                return answer["access_token"], int(answer["expires_on"])
            if status not in (429, 500, 502, 503, 504):
                break
            if turn < _TRIES - 1:
                import random

                time.sleep(random.uniform(0, 0.2 * 2**turn))  # noqa: S311 - jitter
        text = body[:300].decode(errors="replace")
        if status in (400, 401, 403):
            raise PermissionDenied(f"the function app has no identity for {resource} (Azure answered {status}): {text}")
        raise FaaSBridgeError(
            f"the function app's identity cannot be had for {resource}; Azure answered {status}: {text}"
        )

    def _ask(self, resource: str) -> tuple[int, bytes]:
        from http.client import HTTPConnection, HTTPException
        from urllib.parse import urlencode, urlsplit

        place = urlsplit(self._endpoint)
        query = {"resource": resource, "api-version": "2019-08-01"}
        if self._client_id:
            query["client_id"] = self._client_id
        connection = HTTPConnection(place.hostname or "", place.port, timeout=10)
        try:
            connection.request("GET", f"{place.path}?{urlencode(query)}", headers={"X-IDENTITY-HEADER": self._secret})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException) as error:
            return 503, repr(error).encode()
        finally:
            connection.close()
