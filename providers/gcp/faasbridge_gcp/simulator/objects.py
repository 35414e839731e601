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
