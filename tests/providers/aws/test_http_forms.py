"""What a client sends reaches the handler, and what a handler answers reaches the client, through every form.

The functions below stand for AWS: they write the native event for a client's request and read the native response, as
the documentation of each form says.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge.http import Request, Response
from faasbridge_aws import http

Pairs = list[tuple[str, str]]


class Sent(NamedTuple):
    method: str
    path: str  # decoded
    query: Pairs
    headers: Pairs
    cookies: Pairs
    body: bytes


def _body(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return b64encode(body).decode(), True


def _many(pairs: Pairs) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _raw_query(sent: Sent) -> str:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in sent.query)


def _cookie(sent: Sent) -> Pairs:
    return [("cookie", "; ".join(f"{name}={value}" for name, value in sent.cookies))] if sent.cookies else []


def http_api(sent: Sent, *, url: bool = False) -> dict[str, Any]:
    body, is_base64 = _body(sent.body)
    return {
        "version": "2.0",
        "rawPath": quote(sent.path) if url else sent.path.replace("%", "%25"),
        "rawQueryString": _raw_query(sent),
        "cookies": [f"{name}={value}" for name, value in sent.cookies],
        "headers": {name: ",".join(values) for name, values in _many(sent.headers).items()},
        "requestContext": {
            "domainName": "abc.lambda-url.eu-west-1.on.aws" if url else "abc.execute-api.eu-west-1.amazonaws.com",
            "http": {"method": sent.method, "sourceIp": "192.0.2.1"},
            "stage": "$default",
        },
        "body": body or None,
        "isBase64Encoded": is_base64,
    }


def function_url(sent: Sent) -> dict[str, Any]:
    return http_api(sent, url=True)


def rest_api(sent: Sent) -> dict[str, Any]:
    body, is_base64 = _body(sent.body)
    headers = sent.headers + _cookie(sent)
    return {
        "httpMethod": sent.method,
        "path": quote(sent.path),
        "headers": dict(headers) or None,
        "multiValueHeaders": _many(headers) or None,
        "queryStringParameters": dict(sent.query) or None,
        "multiValueQueryStringParameters": _many(sent.query) or None,
        "requestContext": {"identity": {"sourceIp": "192.0.2.1"}},
        "body": body or None,
        "isBase64Encoded": is_base64,
    }


def http_api_1(sent: Sent) -> dict[str, Any]:
    """An HTTP API that is set to payload 1.0."""
    return {**rest_api(sent), "version": "1.0", "path": sent.path.replace("%", "%25")}


def balancer(sent: Sent) -> dict[str, Any]:
    """Multi-value headers on."""
    body, is_base64 = _body(sent.body)
    encoded = [(quote_plus(name), quote_plus(value)) for name, value in sent.query]
    return {
        "httpMethod": sent.method,
        "path": quote(sent.path),
        "multiValueHeaders": _many([*sent.headers, *_cookie(sent), ("x-forwarded-for", "203.0.113.9, 192.0.2.1")]),
        "multiValueQueryStringParameters": _many(encoded),
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "body": body,
        "isBase64Encoded": is_base64,
    }


def single_balancer(sent: Sent) -> dict[str, Any]:
    native = balancer(sent)
    for name in ("Headers", "QueryStringParameters"):
        many = native.pop(f"multiValue{name}")
        native[name[0].lower() + name[1:]] = {key: values[-1] for key, values in many.items()}
    return native


def lattice(sent: Sent) -> dict[str, Any]:
    """Version 2 of the event."""
    body, is_base64 = _body(sent.body)
    return {
        "version": "2.0",
        "method": sent.method,
        "path": quote(sent.path) + (f"?{_raw_query(sent)}" if sent.query else ""),
        "headers": _many([*sent.headers, *_cookie(sent), ("x-forwarded-for", "192.0.2.1")]),
        "queryStringParameters": _many(sent.query),
        "requestContext": {"serviceArn": "arn"},
        "body": body,
        "isBase64Encoded": is_base64,
    }


FORMS: list[Callable[[Sent], dict[str, Any]]] = [
    http_api,
    http_api_1,
    function_url,
    rest_api,
    balancer,
    single_balancer,
    lattice,
]

tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=',;"= '), max_size=12)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
paths = st.lists(texts, max_size=4).map(lambda segments: "/" + "/".join(segments))
bodies = st.one_of(st.binary(max_size=40), texts.map(str.encode))
header_names = tokens.filter(lambda name: name not in ("cookie", "set-cookie", "content-type", "content-encoding"))
requests = st.builds(
    Sent,
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    paths,
    st.lists(st.tuples(texts, texts), max_size=4),
    st.lists(st.tuples(header_names.filter(lambda name: name != "x-forwarded-for"), values), max_size=4),
    st.lists(st.tuples(tokens, values), max_size=3),
    bodies,
)


def _joined(pairs: Pairs) -> dict[str, str]:
    return {name: ",".join(found) for name, found in _many(pairs).items()}


@pytest.mark.parametrize("form", FORMS)
@given(sent=requests)
def test_request_arrives(form: Callable[[Sent], dict[str, Any]], sent: Sent) -> None:
    native = form(sent)
    request = http.decode(native)
    assert (request.method, request.path, request.body) == (sent.method, sent.path, sent.body)
    assert request.client_ip == "192.0.2.1"
    assert request.cookies.pairs == sent.cookies
    if form is single_balancer:  # only the last value is sent
        assert request.query == dict(sent.query)
        assert {name: request.headers[name] for name, _ in sent.headers} == dict(sent.headers)
        return
    assert _many(request.query.pairs) == _many(sent.query)
    got = _joined(request.headers.pairs)
    assert {name: got[name] for name, _ in sent.headers} == _joined(sent.headers)


responses = st.tuples(
    st.integers(200, 599),
    st.lists(st.tuples(header_names, values), max_size=4),
    st.lists(st.tuples(tokens, values), max_size=3),
    st.sampled_from(["", "application/json", "text/html; charset=utf-8", "image/png", "application/problem+json"]),
    bodies,
)


@pytest.mark.parametrize("form", FORMS)
@given(response=responses)
def test_response_arrives(
    form: Callable[[Sent], dict[str, Any]], response: tuple[int, Pairs, Pairs, str, bytes]
) -> None:
    status, headers, cookies, content_type, body = response
    set_cookies = [f"{name}={value}; Path=/" for name, value in cookies]
    pairs = headers + [("set-cookie", cookie) for cookie in set_cookies]
    if content_type:
        pairs.append(("content-type", content_type))
    native = http.encode((status, pairs, body), form(Sent("GET", "/", [], [], [], b"")))
    assert native["statusCode"] == status
    assert (b64decode(native["body"]) if native["isBase64Encoded"] else native["body"].encode()) == body
    if form is single_balancer:
        assert "multiValueHeaders" not in native
    single = [(name.lower(), value) for name, value in native.get("headers", {}).items()]
    many = [(name, value) for name, each in native.get("multiValueHeaders", {}).items() for value in each]
    got = single + many + [("set-cookie", cookie) for cookie in native.get("cookies", ())]
    assert [value for name, value in got if name == "set-cookie"] == set_cookies
    plain = {name: value.replace(", ", ",") for name, value in _joined(got).items() if name != "set-cookie"}
    assert plain == _joined([pair for pair in pairs if pair[0] != "set-cookie"])


def test_encoded_slash_stays_in_its_segment_where_the_path_arrives_encoded() -> None:
    native = function_url(Sent("GET", "/", [], [], [], b""))
    native["rawPath"] = "/files/a%2Fb"
    request = http.decode(native)
    assert (request.path, request.raw_path) == ("/files/a/b", "/files/a%2Fb")


@pytest.mark.parametrize("form", FORMS)
def test_path_is_not_decoded_twice(form: Callable[[Sent], dict[str, Any]]) -> None:
    assert http.decode(form(Sent("GET", "/100%25 %2F", [], [], [], b""))).path == "/100%25 %2F"


def test_stage_of_an_http_api_is_above_the_root() -> None:
    native = http_api(Sent("GET", "/prod/items", [], [], [], b""))
    native["requestContext"]["stage"] = "prod"
    assert http.decode(native).path == "/items"
    native["rawPath"] = "/products"
    assert http.decode(native).path == "/products"


def test_text_in_another_charset_and_compressed_text_travel_as_base64() -> None:
    native = http_api(Sent("GET", "/", [], [], [], b""))
    latin = http.encode(
        Response("é".encode("latin-1"), headers={"content-type": "text/plain; charset=latin-1"}), native
    )
    zipped = http.encode(Response(b"abc", headers={"content-type": "text/plain", "content-encoding": "br"}), native)
    plain = http.encode(Response("é"), native)
    assert [r["isBase64Encoded"] for r in (latin, zipped, plain)] == [True, True, False]


def test_request_is_a_plain_request_to_handlers_and_middleware() -> None:
    request = http.decode(http_api(Sent("GET", "/", [("a", "1")], [], [], b"{}")))
    assert isinstance(request, Request)
    request.state["seen"] = True
    request.body = b'{"x": 1}'
    assert (request.json(), request.state, request.claims, request.path_params) == ({"x": 1}, {"seen": True}, {}, {})
    with pytest.raises(AttributeError, match="no attribute 'boddy'"):
        request.boddy  # type: ignore[attr-defined]  # noqa: B018
