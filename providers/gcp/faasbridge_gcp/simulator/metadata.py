"""Google's metadata server, one a service account: how code in the cloud learns who and where it is.

Source: https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys, and what google-auth asks for.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from faasbridge.local.web import Asgi, HttpServer, Receive, Scope, Send, send_response

from .listening import listen
from .names import PROJECT_NUMBER
from .tokens import LIFETIME_S, Tokens

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_BASE = "/computeMetadata/v1/"


class Metadata:
    """The servers, started as accounts are first used by a function."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._servers: dict[tuple[str, str, str], HttpServer] = {}

    async def address(self, project: str, region: str, email: str) -> str:
        """`127.0.0.1:port`, for GCE_METADATA_HOST."""
        key = (project, region, email)
        if key not in self._servers:
            server = HttpServer(self._app(*key), listen())
            self._servers[key] = server
            await server.start()
        return self._servers[key].url.removeprefix("http://")

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._servers.values()))

    def _app(self, project: str, region: str, email: str) -> Asgi:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            asked = dict(scope["headers"]).get(b"metadata-flavor") == b"Google"
            path: str = scope["path"]
            found: Any = "" if path == "/" else None
            if path.startswith(_BASE):
                query = parse_qs(scope["query_string"].decode("latin-1"))
                found = self._value(path.removeprefix(_BASE).rstrip("/"), query, project, region, email)
            status, content, kind = 200, "", "application/text"
            if path != "/" and not asked:
                status, content = 403, "Missing Metadata-Flavor:Google header."
            elif found is None:
                status, content = 404, "Not Found"
            elif isinstance(found, str):
                content = found
            else:
                content, kind = json.dumps(found), "application/json"
            headers = [("content-type", kind), ("metadata-flavor", "Google"), ("server", "Metadata Server for VM")]
            await send_response(send, scope["method"], status, headers, content.encode())

        return app

    def _value(self, key: str, query: dict[str, list[str]], project: str, region: str, email: str) -> Any:
        simple = {
            "": "instance/\nproject/\n",
            "project/project-id": project,
            "project/numeric-project-id": PROJECT_NUMBER,
            "instance/region": f"projects/{PROJECT_NUMBER}/regions/{region}",
            "instance/zone": f"projects/{PROJECT_NUMBER}/zones/{region}-1",
            "instance/id": "0",
            "universe/universe-domain": "googleapis.com",
            "universe/universe_domain": "googleapis.com",
        }
        if key in simple:
            return simple[key]
        account = {"aliases": ["default"], "email": email, "scopes": _SCOPES}
        if key == "instance/service-accounts":
            return {"default": account, email: account}
        for name in ("default", email):
            prefix = f"instance/service-accounts/{name}"
            if key == prefix:
                return account
            if key == f"{prefix}/email":
                return email
            if key == f"{prefix}/scopes":
                return "\n".join(_SCOPES)
            if key == f"{prefix}/token":
                token = self._tokens.identity(email, "https://www.googleapis.com")
                return {"access_token": token, "expires_in": LIFETIME_S - 1, "token_type": "Bearer"}
            if key == f"{prefix}/identity" and query.get("audience"):
                return self._tokens.identity(email, query["audience"][0])
        return None
