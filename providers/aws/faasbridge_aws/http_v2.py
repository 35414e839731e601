"""Payload format 2.0: API Gateway HTTP APIs and Lambda function URLs.

Header names arrive in lower case with repeats joined by commas, cookies apart from them, and `rawQueryString` as the
client sent it. An HTTP API hands over `rawPath` decoded but for `%25`; a function URL leaves it encoded.
Sources: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway"; for the path
the captured events of the GitHub project hotsock/voker, pull request 8.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.http import Headers, MultiDict, parse_cookies, parse_query, unquote

from .http_common import COMMON, LazyRequest, content, context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar

    from faasbridge.http import Request


def _headers(request: Request) -> Headers:
    pairs = list((request.native.get("headers") or {}).items())
    cookies = request.native.get("cookies")
    if cookies:
        pairs.append(("cookie", "; ".join(cookies)))
    return Headers(pairs)


def _cookies(request: Request) -> MultiDict:
    return MultiDict(parse_cookies(request.native.get("cookies") or request.headers.getlist("cookie")))


def claims(request: Request) -> dict[str, Any]:
    """What a JWT or Lambda authorizer found. An IAM caller is no claim: it stays in `native`."""
    authorizer = context_of(request).get("authorizer") or {}
    jwt = authorizer.get("jwt") or {}
    return jwt.get("claims") or authorizer.get("lambda") or {}


class V2Request(LazyRequest):
    __slots__ = ()
    parts: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        **COMMON,
        "headers": _headers,
        "cookies": _cookies,
        "query": lambda request: parse_query(request.native.get("rawQueryString") or ""),
        "client_ip": lambda request: context_of(request)["http"].get("sourceIp") or "",
        "claims": claims,
    }


def decode(native: dict[str, Any]) -> V2Request:
    context = native["requestContext"]
    path = native["rawPath"] or "/"
    stage = context.get("stage", "$default")
    if stage != "$default" and (path == f"/{stage}" or path.startswith(f"/{stage}/")):
        path = path[len(stage) + 1 :] or "/"
    method = context["http"]["method"]
    if "%" not in path:
        request = V2Request(native, method, path, None)
    elif ".lambda-url." in context.get("domainName", ""):
        request = V2Request(native, method, unquote(path), path)
    else:
        request = V2Request(native, method, path.replace("%25", "%"), None)
    body = native.get("body")
    if body and not native.get("isBase64Encoded"):
        request.body = body.encode()
    return request


def encode(status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    if len(headers) == 1 and headers[0][0] != "set-cookie":
        single = dict(headers)
        text, is_base64 = content(single, body)
        return {"statusCode": status, "headers": single, "body": text, "isBase64Encoded": is_base64}
    joined: dict[str, str] = {}
    cookies = []
    for name, value in headers:
        if name == "set-cookie":
            cookies.append(value)
        elif name in joined:
            joined[name] = f"{joined[name]},{value}"
        else:
            joined[name] = value
    text, is_base64 = content(joined, body)
    response = {"statusCode": status, "headers": joined, "body": text, "isBase64Encoded": is_base64}
    if cookies:
        response["cookies"] = cookies
    return response
