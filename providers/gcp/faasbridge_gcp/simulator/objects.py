"""Which object a request writes or deletes, on what condition: read from the JSON and XML APIs' paths.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects, .../docs/xml-api/overview.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

_OBJECT = re.compile(r"/(?:upload/|download/)?storage/v1/b/([^/]+)/o/([^/]+)")
_INSERT = re.compile(r"/upload/(?:resumable/|storage/v1/)?(?:storage/v1/)?b/([^/]+)/o")
_COPY = re.compile(r"/storage/v1/b/[^/]+/o/[^/]+/(?:rewriteTo|copyTo)/b/([^/]+)/o/([^/]+)")
_COMPOSE = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/compose")
_VERBS = {"DELETE": "delete", "PATCH": "update", "PUT": "update"}
_RESERVED = ("storage", "upload", "download", "batch", "b", "_internal", "resumable")


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True)
class Change:
    """What a request does to one object once it succeeds. `generation` is what the caller says it must be now, 0 for
    none; `starts`: it only begins a resumable upload."""

    kind: Literal["write", "delete", "metadata"]
    bucket: str
    name: str
    generation: str | None = None
    metageneration: str | None = None
    starts: bool = False


def change_of(request: Request, uploads: dict[str, Change]) -> Change | None:
    """None where nothing changes. `uploads`: the resumable ones that began, by their id."""
    path, query, method = request.path, request.query, request.method
    generation, metageneration = query.get("ifGenerationMatch"), query.get("ifMetagenerationMatch")
    if method in ("GET", "HEAD", "OPTIONS"):
        return None
    if query.get("upload_id"):
        return uploads.get(query["upload_id"]) if method in ("PUT", "POST") else None
    if (found := _COPY.fullmatch(path)) or (found := _COMPOSE.fullmatch(path)):
        return Change("write", unquote(found[1]), unquote(found[2]), generation, metageneration)
    if (found := _INSERT.fullmatch(path)) and method in ("POST", "PUT"):
        name = query.get("name") or _name_in(request)
        starts = query.get("uploadType") == "resumable"
        return Change("write", unquote(found[1]), name, generation, metageneration, starts) if name else None
    if found := _OBJECT.fullmatch(path):
        kind: Literal["delete", "metadata"] = "delete" if method == "DELETE" else "metadata"
        return Change(kind, unquote(found[1]), unquote(found[2]), generation, metageneration)
    bucket, _, name = path.lstrip("/").partition("/")
    if bucket in _RESERVED or not name or method not in ("PUT", "DELETE"):
        return None
    if method == "PUT" and "partNumber" in query:
        return None
    wanted = request.headers.get("x-goog-if-generation-match")
    return Change("write" if method == "PUT" else "delete", unquote(bucket), unquote(name), wanted)


def permissions_of(request: Request) -> list[tuple[str, str]]:
    """What who asks must be allowed: permission and bucket, which is empty for what concerns none. The permission to
    overwrite comes on top.

    Source: https://cloud.google.com/storage/docs/access-control/iam-json, .../iam-xml. A resumable upload's own URL is
    enough to go on with it.
    """
    path, method = request.path, request.method
    if "upload_id" in request.query:
        return []
    if found := _COPY.fullmatch(path):
        source = _OBJECT.match(path)
        assert source is not None
        return [("storage.objects.get", unquote(source[1])), ("storage.objects.create", unquote(found[1]))]
    if found := _COMPOSE.fullmatch(path):
        return [("storage.objects.get", unquote(found[1])), ("storage.objects.create", unquote(found[1]))]
    if found := _INSERT.fullmatch(path):
        return [("storage.objects.list" if method == "GET" else "storage.objects.create", unquote(found[1]))]
    if found := _OBJECT.fullmatch(path):
        return [(f"storage.objects.{_VERBS.get(method, 'get')}", unquote(found[1]))]
    if found := re.fullmatch(r"/storage/v1/b/([^/]+)(/o)?/?", path):
        verb = "list" if found[2] else _VERBS.get(method, "get")
        return [(f"storage.{'objects' if found[2] else 'buckets'}.{verb}", unquote(found[1]))]
    bucket, _, name = path.lstrip("/").partition("/")
    if bucket in _RESERVED:
        return [("storage.buckets.admin", "")]  # buckets' policies and notifications, other buckets: an administrator's
    if not name:
        return [("storage.objects.list" if method == "GET" else "storage.buckets.admin", unquote(bucket))]
    verb = "create" if method in ("PUT", "POST") else _VERBS.get(method, "get")
    return [(f"storage.objects.{verb}", unquote(bucket))]


def _name_in(request: Request) -> str:
    """The name in an upload's metadata, where it is not in the query."""
    text = request.body
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        found = re.search(rb"\r?\n\r?\n(\{.*?\})\s*\r?\n--", text, re.DOTALL)
        text = found[1] if found else b""
    try:
        metadata: Any = json.loads(text or b"{}")
    except ValueError:
        return ""
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
