"""Cloud Storage's front: buckets are described here, objects are fake-gcs-server's.

What the server behind does not do is done here: conditions on every kind of upload (one writer an object at a time, so
that they are exact), notifications, which are published before the writer is answered, and the end of signed URLs.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from faasbridge.local.web import Asgi, HttpServer, Receive, Scope, Send, read_body, send_response

from . import cors, http_client
from .buckets import AGENT, Bucket, Buckets, StorageError
from .http_client import Answer, Headers
from .notifications import FINALIZE, METADATA, Publish, gone, notify
from .objects import Change, Request, change_of, permissions_of
from .signatures import is_json_api

UPLOADS = "gcf-v2-uploads-"  # Google's own buckets for functions' sources
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)(/.*)?")
_DROPPED = ("host", "connection", "transfer-encoding", "content-length", "date", "server", "keep-alive")
_JSON = [("content-type", "application/json; charset=UTF-8")]
_UNMET = "At least one of the pre-conditions you specified did not hold."


class Storage:
    """`server` is the address of fake-gcs-server, which must name this front's `url` as its own. `signer` gives the
    account that signed a request, and raises StorageError for who may not ask at all. `may(account, permission,
    bucket)`: whether it has that right, on the project where no bucket is meant.
    """

    def __init__(
        self,
        listening: socket.socket,
        buckets: Buckets,
        publish: Publish,
        signer: Callable[[Request], str | None],
        may: Callable[[str, str, Bucket | None], bool],
    ) -> None:
        self._signer = signer
        self._may = may
        self._buckets = buckets
        self._publish = publish
        self._http = HttpServer(self.asgi(None), listening)
        self.url = buckets.url = self._http.url
        self.server = ""
        self._sources: dict[tuple[str, str], bytes] = {}
        self._uploads: dict[str, Change] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        await self._http.start()

    async def stop(self) -> None:
        await self._http.stop()

    def upload_url(self, bucket: str, name: str) -> str:
        return f"{self.url}/{bucket}/{name}?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Expires=1800"

    async def has(self, bucket: str, name: str) -> bool:
        return (bucket, name) in self._sources or await self._metadata(bucket, name) is not None

    async def fetch(self, bucket: str, name: str) -> bytes:
        if (bucket, name) in self._sources:
            return self._sources[bucket, name]
        answer = await self._ask("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")
        return answer.body if answer.status == 200 else b""

    async def reset(self) -> None:
        await asyncio.gather(*(self._empty(name) for name in self._buckets.buckets))
        self._uploads.clear()

    async def _empty(self, bucket: str) -> None:
        while True:
            answer = await self._ask("GET", f"/storage/v1/b/{bucket}/o?versions=true")
            items = json.loads(answer.body or b"{}").get("items") or []
            if not items:
                return
            targets = [f"/storage/v1/b/{bucket}/o/{quote(each['name'], safe='')}" for each in items]
            await asyncio.gather(*(self._ask("DELETE", target) for target in targets))

    async def answer(self, request: Request, caller: str | None) -> Answer:
        """`caller`: the service account that asks; None for the project's owner."""
        if is_json_api(request):
            return await self._answer(request, caller)
        bucket = self._buckets.buckets.get(unquote(request.path.lstrip("/").partition("/")[0]))
        rules = bucket.resource.get("cors", ()) if bucket is not None else ()
        if request.method == "OPTIONS":  # a browser asks this without what it is signed with
            return cors.preflight(rules, request.headers)
        return cors.shared(rules, request.method, request.headers, await self._answer(request, caller))

    async def _answer(self, request: Request, caller: str | None) -> Answer:
        try:
            if (request.path.startswith(f"/{UPLOADS}")) and request.method == "PUT":
                bucket, _, name = request.path.lstrip("/").partition("/")
                self._sources[bucket, unquote(name)] = request.body
                return Answer(200)
            caller = self._signer(request) or caller
            for permission, name in permissions_of(request):
                self._permit(caller, permission, name)
            described = await self._described(request)
            return described if described is not None else await self._relayed(request, caller)
        except StorageError as error:
            return _json(error.body, error.status)

    def _permit(self, caller: str | None, permission: str, name: str) -> None:
        if caller is None or self._may(caller, permission, self._buckets.find(name) if name else None):
            return
        where = f"bucket {name}" if name else "project"
        text = f"{caller} does not have {permission} access to the Google Cloud Storage {where}."
        text += f" Permission '{permission}' denied on resource (or it may not exist)."
        raise StorageError(403, text, "forbidden")

    async def _described(self, request: Request) -> Answer | None:
        """What concerns buckets themselves; None for objects."""
        path, method, query = request.path.rstrip("/"), request.method, request.query
        if found := re.fullmatch(r"/storage/v1/projects/([^/]+)/serviceAccount", path):
            return _json({"kind": "storage#serviceAccount", "email_address": AGENT})
        if path == "/storage/v1/b":
            if method == "POST":
                bucket = self._buckets.create(query.get("project", ""), _body(request))
                await self._ask("POST", "/storage/v1/b?project=p", {"name": bucket.name})
                return _json(bucket.resource)
            return _json(self._buckets.listed(query.get("project", ""), query.get("prefix", "")))
        found = _BUCKET.fullmatch(path)
        if found is None:
            return None
        name, rest = unquote(found[1]), found[2] or ""
        if rest.startswith("/o"):
            return None
        bucket = self._buckets.find(name)
        if rest == "/iam":
            return _json(
                self._buckets.set_policy(bucket, _body(request)) if method == "PUT" else self._buckets.policy(bucket)
            )
        if rest == "/iam/testPermissions":
            asked = parse_qs(urlsplit(request.target).query).get("permissions", [])
            return _json({"kind": "storage#testIamPermissionsResponse", "permissions": asked})
        if rest.startswith("/notificationConfigs"):
            return self._notifications(request, bucket.name, rest.removeprefix("/notificationConfigs").lstrip("/"))
        if rest:
            return None
        if method == "DELETE":
            answer = await self._ask("GET", f"/storage/v1/b/{name}/o?versions=true&maxResults=1")
            if json.loads(answer.body or b"{}").get("items"):
                raise StorageError(409, "The bucket you tried to delete is not empty.", "conflict")
            await self._ask("DELETE", f"/storage/v1/b/{name}")
            self._buckets.drop(name)
            return Answer(204)
        if method in ("PATCH", "PUT"):
            return _json(self._buckets.change(bucket, _body(request), query, whole=method == "PUT"))
        return _json(bucket.resource)

    def _notifications(self, request: Request, name: str, id: str) -> Answer:
        bucket = self._buckets.find(name)
        if not id:
            if request.method == "POST":
                return _json(self._buckets.notify(bucket, _body(request)))
            return _json({"kind": "storage#notifications", "items": list(bucket.notifications.values())})
        if id not in bucket.notifications:
            raise StorageError(404, f"The specified notification configuration {id} does not exist.", "notFound")
        if request.method == "DELETE":
            del bucket.notifications[id]
            return Answer(204)
        return _json(bucket.notifications[id])

    async def _relayed(self, request: Request, caller: str | None) -> Answer:
        """An object's request, with its conditions before and its notifications behind."""
        if request.path.startswith("/batch/"):
            raise StorageError(501, "the simulator takes no batch requests: send them one by one", "notImplemented")
        change = change_of(request, self._uploads)
        if change is None:
            return await self._forward(request)
        async with self._locks[change.bucket, change.name]:
            before = await self._metadata(change.bucket, change.name)
            if change.kind == "write" and before is not None:
                self._permit(caller, "storage.objects.delete", change.bucket)
            _check_condition(change, before)
            answer = await self._forward(request)
            if change.starts:
                self._began(change, answer)
            elif answer.status in (200, 201, 204):
                await self._changed(change, before, answer)
            if answer.status == 200 and change.kind == "delete":
                return Answer(204)
            return answer

    def _began(self, change: Change, answer: Answer) -> None:
        id = parse_qs(urlsplit(answer.header("location")).query).get(
            "upload_id", [answer.header("x-guploader-uploadid")]
        )
        if answer.status == 200 and id[0]:
            self._uploads[id[0]] = replace(change, starts=False)

    async def _changed(self, change: Change, before: dict[str, Any] | None, answer: Answer) -> None:
        bucket = self._buckets.buckets.get(change.bucket)
        if bucket is None or not bucket.notifications:
            return
        if change.kind == "delete":
            if before is not None:
                await notify(bucket, gone(bucket), before, {}, self._publish)
            return
        after = await self._metadata(change.bucket, change.name)
        if after is None:
            return
        if change.kind == "metadata":
            await notify(bucket, METADATA, after, {}, self._publish)
            return
        if before is not None:
            by = {"overwrittenByGeneration": str(after.get("generation", ""))}
            await notify(bucket, gone(bucket), before, by, self._publish)
        more = {"overwroteGeneration": str(before.get("generation", ""))} if before is not None else {}
        await notify(bucket, FINALIZE, after, more, self._publish)

    async def _metadata(self, bucket: str, name: str) -> dict[str, Any] | None:
        answer = await self._ask("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}")
        if answer.status != 200:
            return None
        found: dict[str, Any] = json.loads(answer.body)
        return found

    async def _ask(self, method: str, target: str, body: object = None) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        headers = [("host", urlsplit(self.url).netloc), ("content-type", "application/json")]
        return await http_client.send(self.server, method, target, headers, content)

    async def _forward(self, request: Request) -> Answer:
        headers: Headers = [(name, value) for name, value in request.headers.items() if name not in _DROPPED]
        headers.append(("host", urlsplit(self.url).netloc))  # by which it knows that an XML API's request is meant
        target = request.target
        if not is_json_api(request) and request.method in ("PUT", "POST") and "X-Goog-Algorithm" not in target:
            # The server behind takes uploads of the XML API only where they look signed.
            target += ("&" if "?" in target else "?") + "X-Goog-Algorithm=GOOG4-RSA-SHA256"
        return await http_client.send(self.server, request.method, target, headers, request.body)

    def asgi(self, caller: str | None) -> Asgi:
        """The server for one service account, or with None for the project's owner."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            body = await read_body(scope, receive, None) or b""
            query = scope["query_string"].decode("latin-1")
            target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            answer = await self.answer(Request(scope["method"], target, headers, body), caller)
            given = [(name.lower(), value) for name, value in answer.headers if name.lower() not in ("server", "date")]
            await send_response(send, scope["method"], answer.status, given, answer.body)

        return app


def _check_condition(change: Change, before: dict[str, Any] | None) -> None:
    if change.generation is not None:
        now = str(before.get("generation", "")) if before is not None else "0"
        if change.generation != now:
            raise StorageError(412, _UNMET, "conditionNotMet")
    has = str(before.get("metageneration", "1")) if before is not None else None
    if change.metageneration is not None and change.metageneration != has:
        raise StorageError(412, _UNMET, "conditionNotMet")


def _body(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StorageError(400, "Parse Error", "parseError")
    return found


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, list(_JSON), json.dumps(value).encode())
