"""The HTTP front of a function's service: its URL, who may call it, and what Google adds to a request.

Sources: https://cloud.google.com/run/docs/authenticating/service-to-service, .../docs/trace,
https://cloud.google.com/functions/docs/monitoring/logging.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from secrets import choice, token_hex
from string import ascii_lowercase, digits
from typing import Any

from faasbridge.local.web import Asgi, HttpServer, Receive, Scope, Send, read_body, send_response

from .entries import Entries, Origin
from .http_client import Answer, Headers
from .listening import listen
from .revisions import Revision
from .tokens import Tokens

MAX_BYTES = (
    32 * 1024 * 1024
)  # https://cloud.google.com/functions/quotas, a request or response of the second generation
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection", "content-length")
)
_TEXT = [("content-type", "text/html; charset=UTF-8")]


class Front:
    """`may_invoke(email)`: whether this caller may; with None, whether everybody may."""

    def __init__(
        self,
        origin: Callable[[], Origin],
        entries: Entries,
        tokens: Tokens,
        may_invoke: Callable[[str | None], bool],
    ) -> None:
        self._origin = origin
        self._entries = entries
        self._tokens = tokens
        self._may_invoke = may_invoke
        self._server = HttpServer(self._asgi, listen())
        self.url = self._server.url
        self.revision: Revision | None = None

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def answer(
        self, method: str, target: str, headers: Headers, body: bytes, client: str = "127.0.0.1"
    ) -> Answer:
        """As for a request from outside: checked, handled, logged."""
        began = time.monotonic()
        id = "".join(choice(ascii_lowercase + digits) for _ in range(12))
        trace, span = token_hex(16), token_hex(8)
        answer = self._refused(headers)
        if answer is None:
            answer = await self._handled(method, target, _with_google(headers, self.url, client, id, trace, span), body)
        origin = self._origin()
        request = {
            "request_method": method,
            "request_url": f"{self.url}{target}",
            "request_size": len(body),
            "status": answer.status,
            "response_size": len(answer.body),
            "remote_ip": client,
            "latency_s": time.monotonic() - began,
        }
        self._entries.request(origin, request, {"execution_id": id}, f"projects/{origin.project}/traces/{trace}")
        return answer

    async def _handled(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        if self.revision is None:
            return Answer(404, _TEXT, b"<h1>Error: Page not found</h1>")
        answer = await self.revision.send(method, target, headers, body)
        if len(answer.body) > MAX_BYTES:
            return Answer(500, _TEXT, b"<h1>Error: Server Error</h1> The response was larger than 32 MB.")
        return answer

    def _refused(self, headers: Headers) -> Answer | None:
        if self._may_invoke(None):
            return None
        scheme, _, token = next((value for name, value in headers if name.lower() == "authorization"), "").partition(
            " "
        )
        claims = self._tokens.claims(token.strip()) if scheme.lower() == "bearer" else None
        if claims is None or not str(claims.get("aud", "")).startswith(self.url):
            said = [*_TEXT, ("www-authenticate", 'Bearer error="invalid_token"')]
            return Answer(401, said, b"<h1>Error: Unauthorized</h1> Your client does not have permission to the URL.")
        if not self._may_invoke(str(claims.get("email", ""))):
            return Answer(
                403, _TEXT, b"<h1>Error: Forbidden</h1> Your client does not have permission to get this URL."
            )
        return None

    @property
    def _asgi(self) -> Asgi:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            method: str = scope["method"]
            body = await read_body(scope, receive, MAX_BYTES)
            if body is None:
                await send_response(send, method, 413, _TEXT, b"<h1>Error: Request Entity Too Large</h1>")
                return
            query = scope["query_string"].decode("latin-1")
            target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
            client: Any = scope.get("client") or ("127.0.0.1",)
            answer = await self.answer(method, target, headers, body, client[0])
            given = [(name.lower(), value) for name, value in answer.headers if name.lower() not in ("server", "date")]
            await send_response(send, method, answer.status, given, answer.body)

        return app


def _with_google(headers: Headers, url: str, client: str, id: str, trace: str, span: str) -> Headers:
    """What the instance gets: its own host where none is given, the caller's address, ids for traces and logs."""
    kept: Headers = []
    before = ""
    named = {name.lower() for name, _ in headers}
    for name, value in headers:
        lower = name.lower()
        if lower == "x-forwarded-for":
            before = f"{before}{value},"
        elif lower == "authorization" and value.count(".") == 2:
            kept.append((name, f"{value.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"))
        elif lower not in _HOP_BY_HOP and lower not in ("x-forwarded-proto", "forwarded", "function-execution-id"):
            kept.append((name, value))
    if "host" not in named:
        kept.insert(0, ("host", url.removeprefix("http://")))
    if "traceparent" not in named:
        kept.append(("traceparent", f"00-{trace}-{span}-01"))
        kept.append(("x-cloud-trace-context", f"{trace}/{int(span, 16)};o=1"))
    kept.append(("x-forwarded-for", f"{before}{client}"))
    kept.append(("x-forwarded-proto", "http"))
    kept.append(("forwarded", f'for="{client}";proto=http'))
    kept.append(("function-execution-id", id))
    return kept
