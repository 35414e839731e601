"""What stands before `@vercel/cosmosdb-server`, a third party's emulator of Cosmos DB, and mends what it does wrong.

- It runs transactional batches one operation after the other and takes nothing back: here one lock holds all requests,
  and a batch is checked as a whole before any of it is done.
- It answers 500 for a document that is not there.
- Its change feed has no memory: here every write goes into a log, which `A-IM: Incremental feed` reads on from
  `If-None-Match`.
- It tells clients to go on by https at its own port: here they are told this address, and `Strong` as the consistency.

Sources: Cosmos DB REST API, "Get a Document", "List Documents" (change feed), "Common Azure Cosmos DB REST request
headers"; the batch's body as azure-cosmos 4.17 sends and reads it.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from .listening import CHECKED

Answer = tuple[int, dict[str, str], bytes]

_HOP = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "content-length", "host", "content-location", "date")
)
_BATCH, _QUERY, _UPSERT = "x-ms-cosmos-is-batch-request", "x-ms-documentdb-isquery", "x-ms-documentdb-is-upsert"
_PARTITION, _FAILED_DEPENDENCY = "x-ms-documentdb-partitionkey", 424


class CosmosFront:
    """Serves on a free port of this machine until `close`; with `tls`, by https.

    `may(authorization, action, container)` says whether a request may do `items/read`, say; `written(container)` hears
    of new entries of a container's log.
    """

    def __init__(
        self,
        upstream_port: int,
        *,
        tls: ssl.SSLContext | None = None,
        may: Callable[[str, str, str], bool] = lambda authorization, action, container: True,
        written: Callable[[str], None] = lambda container: None,
    ) -> None:
        self._upstream = upstream_port
        self._may, self._told = may, written
        self._lock = threading.RLock()
        self._logs: dict[str, list[dict[str, Any]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        port = self._server.server_address[1]
        self.endpoint = f"https://{CHECKED}:{port}/" if tls else f"http://127.0.0.1:{port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def log(self, container: str) -> list[dict[str, Any]]:
        """What was written into `dbs/<database>/colls/<container>`, with `_lsn` from 1 on; deletes are not in it. It
        grows; after a `reset` it is another list."""
        with self._lock:
            return self._logs.setdefault(container, [])

    def reset(self, container: str) -> None:
        """Forgets the container's changes; `_lsn` begins anew."""
        with self._lock:
            self._logs.pop(container, None)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        with self._lock:
            if path == "/" and method == "GET":
                return self._account(headers)
            container, found, id = path.strip("/").partition("/docs")
            refused = self._refused(method, container, id, headers, body) if found else ""
            if refused:
                return 403, {"content-type": "application/json"}, _forbidden(refused)
            if not found or headers.get(_QUERY, "").lower() == "true":
                return self._ask(method, path, headers, body)
            if method == "POST" and headers.get(_BATCH, "").lower() == "true":
                return self._batch(container, headers, json.loads(body))
            if method == "GET" and not id:
                return self._feed(container, path, headers)
            if method == "GET":
                return self._read(path, headers)
            answer = self._ask(method, path, headers, body)
            if method != "DELETE" and answer[0] < 300:
                self._log(container, json.loads(answer[2]))
            return answer

    def _refused(self, method: str, container: str, id: str, headers: Mapping[str, str], body: bytes) -> str:
        """The action that the caller may not do; empty where there is none."""
        authorization = headers.get("authorization", "")
        wanted = _actions(method, id, headers, body)
        return next((each for each in wanted if not self._may(authorization, each, container)), "")

    def _account(self, headers: Mapping[str, str]) -> Answer:
        status, more, body = self._ask("GET", "/", headers)
        account = json.loads(body)
        for location in (*account["writableLocations"], *account["readableLocations"]):
            location["databaseAccountEndpoint"] = self.endpoint
        account["userConsistencyPolicy"]["defaultConsistencyLevel"] = "Strong"
        return status, more, json.dumps(account).encode()

    def _read(self, path: str, headers: Mapping[str, str]) -> Answer:
        status, more, body = self._ask("GET", path, headers)
        if status == 500 or (status == 200 and not json.loads(body).get("id")):
            return 404, more, b'{"code":"NotFound","message":"Resource Not Found"}'
        return status, more, body

    def _feed(self, container: str, path: str, headers: Mapping[str, str]) -> Answer:
        if headers.get("a-im", "").lower() != "incremental feed":
            return self._ask("GET", path, headers)
        after = headers.get("if-none-match", "").strip('"')
        log = self._logs.get(container, [])
        start = len(log) if after == "*" else int(after or 0)
        size = int(headers.get("x-ms-max-item-count") or 0)
        found = log[start:] if size <= 0 else log[start : start + size]
        answer = {"etag": f'"{start + len(found)}"', "content-type": "application/json"}
        if not found:
            return 304, answer, b""
        return 200, answer, json.dumps({"_rid": "", "Documents": found, "_count": len(found)}).encode()

    def _batch(self, container: str, headers: Mapping[str, str], operations: list[dict[str, Any]]) -> Answer:
        common = {
            name: headers[name]
            for name in (_PARTITION, "authorization", "x-ms-date", "x-ms-version")
            if name in headers
        }
        statuses = [self._refusal(container, common, operation) for operation in operations]
        failed = next((i for i, status in enumerate(statuses) if status), None)
        if failed is not None:
            results: list[dict[str, Any]] = [
                {"statusCode": statuses[i] if i == failed else _FAILED_DEPENDENCY, "requestCharge": 0}
                for i in range(len(operations))
            ]
            return 207, {"content-type": "application/json"}, json.dumps(results).encode()
        results = []
        for operation in operations:
            status, more, body = self._ask(*_single(container, common, operation))
            document = json.loads(body) if body else None
            if status >= 400:
                raise RuntimeError(f"the emulator answered {status} to {operation['operationType']}: {body[:300]!r}")
            if operation["operationType"] not in ("Delete", "Read"):
                self._log(container, document)
            result = {"statusCode": status, "requestCharge": 1, "eTag": more.get("etag", "")}
            results.append(result if operation["operationType"] == "Delete" else {**result, "resourceBody": document})
        return 200, {"content-type": "application/json"}, json.dumps(results).encode()

    def _refusal(self, container: str, headers: Mapping[str, str], operation: Mapping[str, Any]) -> int:
        """The status that this operation would fail with; 0 where it would not."""
        kind = operation["operationType"]
        id = operation.get("id") or operation["resourceBody"]["id"]
        status, _, body = self._read(f"/{container}/docs/{quote(id, safe='')}", headers)
        if kind == "Create":
            return 409 if status == 200 else 0
        if kind == "Upsert":
            return 0
        if status != 200:
            return 404
        match = operation.get("ifMatch")
        return 412 if match and match != json.loads(body)["_etag"] else 0

    def _log(self, container: str, document: Any) -> None:
        log = self._logs.setdefault(container, [])
        log.append({**document, "_lsn": len(log) + 1})
        self._told(container)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        with _connected(self._upstream) as upstream:
            upstream.request(method, path, body or None, {k: v for k, v in headers.items() if k not in _HOP})
            response = upstream.getresponse()
            content = response.read()
            more = {name.lower(): value for name, value in response.getheaders() if name.lower() not in _HOP}
        return response.status, more, b"" if response.status == 204 else content


def _actions(method: str, id: str, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Those of a request to documents, by the names of data actions."""
    if headers.get(_QUERY, "").lower() == "true":
        return ["executeQuery"]
    if method == "POST" and headers.get(_BATCH, "").lower() == "true":
        return [f"items/{each['operationType'].lower()}" for each in json.loads(body)]
    if method == "POST":
        return ["items/upsert" if headers.get(_UPSERT, "").lower() == "true" else "items/create"]
    if method == "GET" and not id:
        return ["readChangeFeed"]
    kinds = {"GET": "read", "PUT": "replace", "PATCH": "replace", "DELETE": "delete"}
    return [f"items/{kinds[method]}"] if method in kinds else []


def _forbidden(action: str) -> bytes:
    message = (
        "Request blocked by Auth: the principal does not have the required "
        f"RBAC permissions to perform action [Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/{action}]."
    )
    return json.dumps({"code": "Forbidden", "message": message}).encode()


def _single(
    container: str, headers: Mapping[str, str], operation: Mapping[str, Any]
) -> tuple[str, str, dict[str, str], bytes]:
    kind = operation["operationType"]
    body = json.dumps(operation["resourceBody"]).encode() if "resourceBody" in operation else b""
    place = f"/{container}/docs"
    sent = {**headers, "content-type": "application/json"}
    if kind in ("Create", "Upsert"):
        return "POST", place, {**sent, _UPSERT: "true"} if kind == "Upsert" else sent, body
    methods = {"Replace": "PUT", "Delete": "DELETE", "Read": "GET", "Patch": "PATCH"}
    return methods[kind], f"{place}/{quote(operation['id'], safe='')}", sent, body


@contextmanager
def _connected(port: int) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def _handler(front: CosmosFront) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, more, content = front.answer(self.command, self.path, headers, body)
            except Exception as error:  # noqa: BLE001 - a client has to see it, whatever it is
                status, more, content = 500, {}, json.dumps({"message": f"the front broke: {error!r}"}).encode()
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            if status not in (204, 304):
                self.wfile.write(content)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
