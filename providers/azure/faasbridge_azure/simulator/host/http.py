"""HTTP of a function app: requests to RpcHttp as the host's GrpcMessageConversionExtensions does, and answers back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from .process import Function, WorkerFailure

METHODS = ("get", "post", "put", "delete", "patch", "head", "options", "trace")
DEFAULT_PREFIX = "api"
RESERVED = ("admin", "runtime")
"""Source: azure-functions-host, ScriptHost.cs, ValidateFunction."""
_SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


def pattern(route: str) -> re.Pattern[str]:
    """Of an ASP.NET route: `a/{b}`, `{c:int}`, `{d?}`, `{*rest}`."""
    text = ""
    for part in re.split(r"(/?\{[^}]*\})", route.strip("/")):
        found = re.fullmatch(r"(/?)\{(\*{0,2})([A-Za-z0-9_]+)(?::[^}?]*)?(\??)\}", part)
        if found is None:
            text += re.escape(part)
            continue
        slash, star, name, optional = found.groups()
        inner = f"(?P<{name}>{'.*' if star else '[^/]+'})"
        text += f"(?:{slash}{inner})?" if star or optional else slash + inner
    return re.compile(text + "/?", re.IGNORECASE | re.DOTALL)


class Routes:
    """The HTTP triggers of an app, literal routes before those with parameters, catch-alls last.

    Raises WorkerFailure for a route that is the host's own.
    """

    def __init__(self, functions: Mapping[str, Function], prefix: str) -> None:
        found = []
        for function in functions.values():
            trigger = function.trigger
            if str(trigger.get("type", "")).lower() != "httptrigger":
                continue
            route = str(trigger.get("route") or (function.name if trigger.get("route") is None else ""))
            whole = "/".join(part for part in (prefix.strip("/"), route.strip("/")) if part)
            if whole.lower().startswith(RESERVED):
                raise WorkerFailure(
                    f"The '{function.name}' function is in error: The specified route conflicts with one or more built "
                    "in routes."
                )
            methods = {str(each).lower() for each in trigger.get("methods") or METHODS}
            found.append((route.count("{*"), route.count("{"), -len(whole), pattern(whole), methods, function))
        self._routes = sorted(found, key=lambda each: each[:3])

    def find(self, method: str, path: str) -> tuple[Function, dict[str, str]] | int:
        """The function and the route's parameters, or the status that the host answers."""
        status = 404
        for *_, route, methods, function in self._routes:
            match = route.fullmatch(path.lstrip("/"))
            if match is None:
                continue
            if method.lower() in methods:
                return function, {name: unquote(value) for name, value in match.groupdict().items() if value}
            status = 405
        return status


def to_rpc(protos: Any, request: Any, body: bytes, params: Mapping[str, str], url: str) -> Any:
    """`request` is an aiohttp one. Header names in lower case, repeated ones joined, empty query values left out."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        low = name.lower()
        headers[low] = f"{headers[low]},{value}" if low in headers else value
    # As the front end before the host does.
    address, port = request.transport.get_extra_info("peername")[:2]
    known = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{known}, {address}:{port}" if known else f"{address}:{port}"
    query: dict[str, str] = {}
    for name, value in request.query.items():
        if value:
            query[name] = f"{query[name]},{value}" if name in query else value
    # What is no text goes as bytes; the worker reads either. An empty body has no data at all.
    data = protos.TypedData(bytes=body) if body else protos.TypedData()
    return protos.TypedData(
        http=protos.RpcHttp(
            method=request.method, url=url, headers=headers, query=query, params=params, body=data, rawBody=data
        )
    )


def from_rpc(value: Any, method: str = "GET") -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers, body of a function's answer. That to HEAD says the length of what it leaves out."""
    kind = value.WhichOneof("data")
    if kind != "http":
        content = getattr(value, kind) if kind else b""
        return (200 if kind else 204), [], content if isinstance(content, bytes) else str(content).encode()
    answer = value.http
    headers = [(n, text) for n, text in answer.headers.items() if method == "HEAD" or n.lower() != "content-length"]
    headers += [("set-cookie", _cookie(cookie)) for cookie in answer.cookies]
    inner = answer.body.WhichOneof("data")
    content = getattr(answer.body, inner) if inner else b""
    return int(answer.status_code or 200), headers, content if isinstance(content, bytes) else str(content).encode()


def _cookie(cookie: Any) -> str:
    """As ASP.NET's SetCookieHeaderValue writes it, whose value the host escapes as data of a URL."""
    from urllib.parse import quote

    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.HasField("expires") and cookie.expires.WhichOneof("timestamp"):
        parts.append(f"expires={format_datetime(cookie.expires.value.ToDatetime(_utc()), usegmt=True)}")
    if cookie.HasField("max_age") and cookie.max_age.WhichOneof("double"):
        parts.append(f"max-age={int(cookie.max_age.value)}")
    for name in ("domain", "path"):
        if getattr(cookie, name).value:
            parts.append(f"{name}={getattr(cookie, name).value}")
    if cookie.secure.value:
        parts.append("secure")
    if cookie.same_site in _SAME_SITE:
        parts.append(f"samesite={_SAME_SITE[cookie.same_site]}")
    if cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)


def _utc() -> Any:
    from datetime import UTC

    return UTC
