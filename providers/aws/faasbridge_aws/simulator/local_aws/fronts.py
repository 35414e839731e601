"""HTTP APIs and function URLs, each at the root of a loopback port of its own.

The front stands for API Gateway: it makes an event of payload format 2.0 out of a request and a response out of what
the function returns, as documented. ministack serves the same APIs, below a path and less exactly.
Sources: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs"; Lambda Developer Guide,
"Invoking Lambda function URLs".
"""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from ministack.services import apigateway, lambda_svc

_MOST_BYTES = 10 * 1024 * 1024  # Source: "Quotas for configuring and running an HTTP API", payload size
_MOST_PAYLOAD_BYTES = 6 * 1024 * 1024  # of an invocation. Source: Lambda Developer Guide, "Lambda quotas"
_TOO_LARGE = [("content-type", "application/json")], b'{"message":"Request Entity Too Large"}'
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade"})
_TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded")


class Fronts:
    """By the first label of the endpoint's host name, which is the id of the API or of the function URL."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[str, ThreadingHTTPServer] = {}

    def url(self, endpoint: str) -> str | None:
        """The root URL that stands for an endpoint of AWS; None where there is no such API."""
        id = (urlsplit(endpoint).hostname or "").partition(".")[0]
        if _target(id) is None:
            return None
        with self._lock:
            if id not in self._servers:
                server = _Server(("127.0.0.1", 0), _handler(id))
                threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
                self._servers[id] = server
            return f"http://127.0.0.1:{self._servers[id].server_port}"

    def close_gone(self) -> None:
        """Those whose API is deleted answer no more."""
        with self._lock:
            gone = [id for id in self._servers if _target(id) is None]
            servers = [self._servers.pop(id) for id in gone]
        for server in servers:
            server.shutdown()
            server.server_close()


def _target(id: str) -> tuple[str, str, str, str, float] | None:
    """Account, region, function, its qualifier and the seconds that an answer may take."""
    for (account, region, api_id), integrations in list(apigateway._integrations._data.items()):
        if api_id == id:
            for integration in integrations.values():
                arn = str(integration.get("integrationUri") or integration.get("IntegrationUri") or "")
                timeout = integration.get("timeoutInMillis") or integration.get("TimeoutInMillis") or 30_000
                name, qualifier = _function_of(arn)
                if name:
                    return account, region, name, qualifier, float(timeout) / 1000
    for (account, region, key), url in list(lambda_svc._function_urls._data.items()):
        if (urlsplit(url.get("FunctionUrl", "")).hostname or "").partition(".")[0] == id:
            name, _, qualifier = str(key).partition(":")
            return account, region, name, qualifier, 900.0
    return None


def _function_of(arn: str) -> tuple[str, str]:
    """Also of the ARN in `.../functions/ARN/invocations`."""
    arn = arn.partition("/functions/")[2].rpartition("/invocations")[0] or arn
    parts = arn.split(":")
    if len(parts) < 7 or parts[5] != "function":
        return "", ""
    return parts[6], parts[7] if len(parts) > 7 else ""


def _invoke(target: tuple[str, str, str, str, float], event: dict[str, Any]) -> dict[str, Any]:
    account, region, name, qualifier, _ = target
    account_token = lambda_svc._request_account_id.set(account)
    region_token = lambda_svc._request_region.set(region)
    try:
        record, _ = lambda_svc._get_func_record_for_qualifier(name, qualifier or None)
        if record is None:
            return {"error": True, "body": {"errorMessage": f"no function {name}"}}
        result: dict[str, Any] = lambda_svc._execute_function(record, event)
        return result
    finally:
        lambda_svc._request_account_id.reset(account_token)
        lambda_svc._request_region.reset(region_token)


def event_of(id: str, method: str, target: str, protocol: str, headers: list[tuple[str, str]], body: bytes) -> Any:
    """The event for a request. The path arrives decoded, repeated headers joined, cookies apart."""
    path, _, query = target.partition("?")
    path = unquote(path) or "/"
    joined: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in headers:
        lower = name.lower()
        if lower == "cookie":
            cookies += [each.strip() for each in value.split(";") if each.strip()]
        elif lower not in ("connection", "transfer-encoding"):
            joined[lower] = f"{joined[lower]},{value}" if lower in joined else value
    joined.setdefault("x-forwarded-for", "127.0.0.1")
    joined["x-forwarded-proto"] = "http"
    if body and "content-length" not in joined:  # a chunked request arrives whole
        joined["content-length"] = str(len(body))
    now = time.time()
    host = joined.get("host", "")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": joined,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": id,
            "domainName": host.partition(":")[0],
            "domainPrefix": id,
            "http": {
                "method": method,
                "path": path,
                "protocol": protocol,
                "sourceIp": "127.0.0.1",
                "userAgent": joined.get("user-agent", ""),
            },
            "requestId": uuid4().hex,
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if body:
        try:
            if not joined.get("content-type", "").lower().startswith(_TEXT) and "json" not in joined.get(
                "content-type", ""
            ):
                raise ValueError
            event["body"] = body.decode()
        except ValueError:
            event["body"] = base64.b64encode(body).decode()
            event["isBase64Encoded"] = True
    return event


def response_of(result: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """What API Gateway makes of an invocation's result."""
    answer = result.get("body")
    if result.get("error"):
        status = 503 if isinstance(answer, dict) and answer.get("errorType") == "Sandbox.Timedout" else 500
        text = "Service Unavailable" if status == 503 else "Internal Server Error"
        return status, [("content-type", "application/json")], json.dumps({"message": text}).encode()
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return 200, [("content-type", "application/json")], json.dumps(answer).encode()
    pairs = [(str(name).lower(), str(value)) for name, value in (answer.get("headers") or {}).items()]
    pairs += [
        (str(name).lower(), str(value))
        for name, values in (answer.get("multiValueHeaders") or {}).items()
        for value in values
    ]
    pairs += [("set-cookie", str(cookie)) for cookie in answer.get("cookies") or ()]
    text = answer.get("body") or ""
    text = text if isinstance(text, str) else json.dumps(text)
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    return int(answer["statusCode"]), pairs, body


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(id: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "local-aws"
        sys_version = ""
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            try:
                body = self._body()
            except ConnectionError:
                self.close_connection = True
                return
            if body is None:
                self._answer(413, *_TOO_LARGE)
                self.close_connection = True
                return
            target = _target(id)
            if target is None:
                self._answer(404, [("content-type", "application/json")], b'{"message":"Not Found"}')
                return
            headers = [(name, _unicode(value)) for name, value in self.headers.items()]
            event = event_of(id, self.command, self.path, self.request_version, headers, body)
            if len(body) > _MOST_PAYLOAD_BYTES // 2 and len(json.dumps(event)) > _MOST_PAYLOAD_BYTES:
                self._answer(413, *_TOO_LARGE)
                return
            self._answer(*response_of(_invoke(target, event)))

        def _body(self) -> bytes | None:
            """None for one that is too large. Raises ConnectionError for one that breaks off."""
            if "chunked" in self.headers.get("transfer-encoding", "").lower():
                content = b""
                while size := int(self._line().partition(b";")[0], 16):
                    content += self._read(size)
                    self._line()
                    if len(content) > _MOST_BYTES:
                        return None
                while self._line().strip():
                    pass
                return content
            length = int(self.headers.get("content-length") or 0)
            if length > _MOST_BYTES:
                return None
            if self.headers.get("expect", "").lower() == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            return self._read(length)

        def _read(self, size: int) -> bytes:
            found = self.rfile.read(size)
            if len(found) < size:
                raise ConnectionError
            return found

        def _line(self) -> bytes:
            found = self.rfile.readline(65537)
            if not found.endswith(b"\n"):
                raise ConnectionError
            return found

        def _answer(self, status: int, pairs: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in pairs:
                if name not in _HOP:
                    self.send_header(name, _latin(value))
            bodyless = status in (204, 304) or 100 <= status < 200
            if not bodyless:
                given = dict(pairs).get("content-length") if self.command == "HEAD" else None
                self.send_header("content-length", given or str(len(body)))
            self.end_headers()
            if not bodyless and self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _unicode(value: str) -> str:
    """The header's bytes as the UTF-8 that they mostly are."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _latin(value: str) -> str:
    return value.encode().decode("latin-1")
