"""Real requests of the worker, and real answers through Microsoft's own converter."""

from __future__ import annotations

from base64 import b64decode
from email.message import Message as Mail
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from faasbridge.http import Response
from faasbridge_azure import http

CASES = "azure_http* azure_host_* azure_output_http_response*"
LEFT_OUT: dict[str, str] = {}


def part(given: dict[str, Any], name: str = "body") -> bytes:
    if f"{name}_b64" in given:
        return b64decode(given[f"{name}_b64"])
    return given.get(f"{name}_utf8", "").encode()


def on_wire(answer: Any) -> Any:
    """What the worker hands the host: status, headers, body and cookies."""
    from azure.functions.http import HttpResponseConverter

    return HttpResponseConverter.encode(answer, expected_type=None).value


def form_of(request: Any) -> list[tuple[str, str]]:
    if request.headers["content-type"].startswith("multipart/"):
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        parts: Any = BytesParser().parsebytes(head + request.body).get_payload()
        return [(field(one, "name"), one.get_payload()) for one in parts]
    return parse_qsl(request.text())


def field(one: Mail, name: str) -> str:
    return str(one.get_param(name, header="content-disposition"))


def test_exchange_is_as_recorded(case_name: str, case: dict[str, Any], bound: Any, http_request: Any) -> None:
    if "invocationRequest" in case:
        check_bound(case, bound)
    elif "expect_typedData" in case:
        check_typed_data(case, bound)
    elif "expect_seen_by_function" in case:
        check_seen(case, http_request)
    elif "neutral_response" in case:
        check_response(case)
    elif case_name.startswith("azure_output"):
        check_output(case["typedData"]["http"])
    else:
        check_cookies(case)


def check_bound(case: dict[str, Any], bound: Any) -> None:
    (given,) = case["invocationRequest"]["inputData"]
    raw = given["data"]["http"]
    request = http.decode(bound("httpTrigger", given["data"], case["invocationRequest"]["triggerMetadata"]))
    assert request.method == raw["method"]
    assert request.path == (urlsplit(raw["url"]).path if "://" in raw["url"] else "/")
    assert request.headers.pairs == [(name.lower(), value) for name, value in raw["headers"].items()]
    assert request.query == raw.get("query", {})
    ((kind, content),) = raw.get("body", {"string": ""}).items()
    assert request.body == (b64decode(content) if kind == "bytes" else content.encode())
    assert request.provider == "azure"
    expected = case.get("expect", {})
    if "form" in expected:
        assert form_of(request) == [tuple(pair) for pair in expected["form"]]
    if "file" in expected:
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        parts: Any = BytesParser().parsebytes(head + request.body).get_payload()
        (sent,) = parts
        assert (field(sent, "name"), field(sent, "filename")) == (expected["file"]["field"], expected["file"]["name"])
        assert (sent.get_content_type(), sent.get_payload()) == (expected["file"]["type"], expected["file"]["text"])


def check_typed_data(case: dict[str, Any], bound: Any) -> None:
    sent, typed = case["request"], case["expect_typedData"]
    typed["http"].pop("rawBody", None)
    request = http.decode(bound("httpTrigger", typed, {}))
    address = urlsplit(sent["url"])
    assert (request.method, request.path, request.body) == (sent["method"], address.path, part(sent))
    assert request.query.pairs == parse_qsl(address.query)
    assert request.headers.pairs == [tuple(pair) for pair in sent.get("headers", [])]


def check_seen(case: dict[str, Any], http_request: Any) -> None:
    sent, seen = case["request"], case["expect_seen_by_function"]
    url = f"http://localhost{sent['path']}?{urlencode(dict(sent.get('query', [])))}"
    request = http.decode(http_request(url, method=sent["method"], headers=sent["headers"], body=part(sent)))
    assert (request.method, request.path) == (sent["method"], sent["path"])
    if "params" in seen:
        assert request.query == seen["params"]
        assert request.headers.items() >= seen["headers"].items()
    if "json" in seen:
        assert request.json() == seen["json"]


def check_response(case: dict[str, Any]) -> None:
    given, expected = case["neutral_response"], case["expect_on_wire"]
    headers = dict(given.get("headers", []))
    wire = on_wire(http.encode(Response(part(given) or None, status=given["status"], headers=headers)))
    assert wire["status_code"].value == str(expected["status"])
    assert wire["body"].value == part(expected)
    if "set_cookie" in expected:
        # "foo=bar; domain=; path=" is what the test's host made of it; the worker hands over the pair alone.
        (cookie,) = wire["cookies"]
        assert {name: morsel.value for name, morsel in cookie.items()} == {"foo": "bar"}
    if "content-type" in headers:
        assert wire["headers"]["content-type"].value == headers["content-type"]


def check_output(expected: dict[str, Any]) -> None:
    cookies = expected["cookies"] or []
    wire = on_wire(http.encode((200, [("set-cookie", cookie) for cookie in cookies], b"")))
    assert {name: value.value for name, value in wire["headers"].items()} == expected["headers"]
    assert wire["status_code"].value == expected["statusCode"]
    assert wire["body"].value == b64decode(expected["body"]["bytes"])
    found = [(name, dict(morsel)) for cookie in wire["cookies"] or [] for name, morsel in cookie.items()]
    assert [name for name, _ in found] == ["foo3"] * len(cookies)
    for _, morsel in found:
        assert (morsel["domain"], morsel["path"], morsel["max-age"]) == ("example.com", "/", "10000000")
        assert morsel["expires"].endswith(" GMT")
        assert "-" not in morsel["expires"]  # the runtime fails the invocation for `12-Jan-2017`


def check_cookies(case: dict[str, Any]) -> None:
    for wanted in case["cookies"]:
        (cookie,) = on_wire(http.encode((200, [("set-cookie", header_of(wanted))], b"")))["cookies"]
        ((name, morsel),) = cookie.items()
        assert (name, morsel.value, morsel["samesite"]) == (wanted["name"], wanted["value"], wanted["sameSite"])
        for member, attribute in (("domain", "domain"), ("path", "path"), ("maxAge", "max-age")):
            assert morsel[attribute] == str(wanted.get(member, {}).get("value", ""))
        assert bool(morsel["httponly"]) is wanted.get("httpOnly", {}).get("value", False)
        assert bool(morsel["secure"]) is wanted.get("secure", {}).get("value", False)
        if "expires" in wanted:
            assert morsel["expires"] == "Wed, 17 Apr 2019 00:00:00 GMT"


def header_of(cookie: dict[str, Any]) -> str:
    text = f"{cookie['name']}={cookie['value']}; SameSite={cookie['sameSite']}"
    for member, attribute in (("domain", "Domain"), ("path", "Path"), ("maxAge", "Max-Age")):
        if member in cookie:
            text += f"; {attribute}={cookie[member]['value']}"
    if "expires" in cookie:
        assert cookie["expires"]["value"] == "2019-04-17T00:00:00Z"
        text += "; Expires=Wed, 17-Apr-2019 00:00:00 GMT"
    return text + "".join(f"; {flag}" for flag in ("HttpOnly", "Secure") if flag[0].lower() + flag[1:] in cookie)
