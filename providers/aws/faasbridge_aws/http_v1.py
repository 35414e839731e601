"""Payload format 1.0: API Gateway REST APIs, HTTP APIs that ask for it, and load balancers.

`multiValueHeaders` and `multiValueQueryStringParameters` have every value; their single-value twins only the last, and
either may be null. A load balancer sends one of the two, as its target group is set, with the query still encoded, and
wants the answer in the same form. The path is encoded as the client sent it, but for an HTTP API (`version` is `1.0`),
which decodes all of it except `%25`.
Sources: API Gateway Developer Guide, "Lambda proxy integrations in API Gateway"; Elastic Load Balancing, "Use Lambda
functions as targets of an Application Load Balancer".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.http import Headers, MultiDict, parse_cookies, unquote

from .http_common import COMMON, LazyRequest, content, context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar

    from faasbridge.http import Request


def pairs(many: Mapping[str, Any] | None, single: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """All values; a name that only the single-value form has (the console's tests send such) counts as well."""
    if not many:
        return [(name, str(value)) for name, value in (single or {}).items() if value is not None]
    found = []
    for name, values in many.items():
        found += [(name, value) for value in ([values] if isinstance(values, str) else values or ())]
    if single and len(single) > len(many):
        found += [(name, str(value)) for name, value in single.items() if name not in many and value is not None]
    return found


def _headers(request: Request) -> Headers:
    return Headers(pairs(request.native.get("multiValueHeaders"), request.native.get("headers")))


def _query(request: Request) -> list[tuple[str, str]]:
    native = request.native
    return pairs(native.get("multiValueQueryStringParameters"), native.get("queryStringParameters"))


def _encoded_query(request: Request) -> MultiDict:
    from urllib.parse import unquote_plus

    return MultiDict([(unquote_plus(name), unquote_plus(value)) for name, value in _query(request)])


def _claims(request: Request) -> dict[str, Any]:
    """A Cognito or JWT authorizer's claims, or all that a Lambda authorizer answered."""
    authorizer = context_of(request).get("authorizer") or {}
    claims = authorizer.get("claims") or (authorizer.get("jwt") or {}).get("claims")
    return claims or {name: value for name, value in authorizer.items() if name not in ("claims", "scopes", "jwt")}


def client_ip(request: Request) -> str:
    """The balancer appends the address that it saw; what stands before it is the client's own word."""
    return str(request.headers.get("x-forwarded-for") or "").rpartition(",")[2].strip()


def _source_ip(request: Request) -> str:
    context = context_of(request)
    return (context.get("identity") or context.get("http") or {}).get("sourceIp") or ""


def cookies(request: Request) -> MultiDict:
    return MultiDict(parse_cookies(request.headers.getlist("cookie") or request.native.get("cookies") or ()))


class V1Request(LazyRequest):
    __slots__ = ()
    parts: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        **COMMON,
        "headers": _headers,
        "cookies": cookies,
        "query": lambda request: MultiDict(_query(request)),
        "client_ip": _source_ip,
        "claims": _claims,
    }


class BalancerRequest(LazyRequest):
    __slots__ = ()
    parts: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        **COMMON,
        "headers": _headers,
        "cookies": cookies,
        "query": _encoded_query,
        "client_ip": client_ip,
        "id": lambda request: request.headers.get("x-amzn-trace-id", ""),
    }


def decode(native: dict[str, Any]) -> LazyRequest:
    form = BalancerRequest if "elb" in native["requestContext"] else V1Request
    path = native["path"] or "/"
    if "%" in path:
        if native.get("version") == "1.0":
            return form(native, native["httpMethod"], path.replace("%25", "%"), None)
        return form(native, native["httpMethod"], unquote(path), path)
    return form(native, native["httpMethod"], path, None)


def encode(status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    many = grouped(headers)
    single = {name: values[0] for name, values in many.items() if len(values) == 1}
    text, is_base64 = content(single, body)
    repeated = {name: values for name, values in many.items() if len(values) > 1}
    return {
        "statusCode": status,
        "headers": single,
        "multiValueHeaders": repeated,
        "body": text,
        "isBase64Encoded": is_base64,
    }


def encode_balancer(native: dict[str, Any], status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    many = grouped(headers)
    text, is_base64 = content({name: values[-1] for name, values in many.items()}, body)
    response: dict[str, Any] = {"statusCode": status, "body": text, "isBase64Encoded": is_base64}
    if "multiValueHeaders" in native:
        response["multiValueHeaders"] = many
    else:
        response["headers"] = one_value_each(many)
    return response


def grouped(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    many: dict[str, list[str]] = {}
    for name, value in headers:
        many.setdefault(name, []).append(value)
    return many


def one_value_each(many: Mapping[str, list[str]]) -> dict[str, str]:
    """Repeats joined; cookies cannot be, so each gets another spelling of the case-insensitive name."""
    single = {name: ", ".join(values) for name, values in many.items() if name != "set-cookie"}
    single.update((_spelling(i), value) for i, value in enumerate(many.get("set-cookie", ())))
    return single


def _spelling(number: int) -> str:
    """`set-cookie` with its letters upper case where `number` has a bit: 512 spellings."""
    letters = []
    for letter in "set-cookie":
        if letter != "-":
            number, bit = divmod(number, 2)
            letter = letter.upper() if bit else letter  # noqa: PLW2901
        letters.append(letter)
    return "".join(letters)
