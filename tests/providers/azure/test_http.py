"""What a handler sees of Azure's requests and what a client gets: raw URLs, joined headers, cookies as they were."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from faasbridge.http import Response
from faasbridge_azure import cookies, http

SITE = "https://shop.azurewebsites.net"
TEXT = st.text(st.characters(codec="utf-8"))


def on_wire(answer: Any) -> tuple[str, dict[str, str], bytes, list[tuple[str, Any]]]:
    """What the worker hands the host, by Microsoft's own converter."""
    from azure.functions.http import HttpResponseConverter

    wire = HttpResponseConverter.encode(answer, expected_type=None).value
    headers = {name.lower(): value.value for name, value in wire["headers"].items()}
    morsels = [pair for cookie in wire["cookies"] or [] for pair in cookie.items()]
    return wire["status_code"].value, headers, wire["body"].value, morsels


def sent_by_host(value: str) -> str:
    """The host writes a cookie's value as Uri.EscapeDataString does."""
    return quote(value, safe="")


def test_the_url_is_the_word(azure: Any) -> None:
    native = azure.HttpRequest(
        "GET",
        f"{SITE}/search/a%2Fb?q=a%2Bb+c&q=2&empty=&flag",
        headers={"Host": "shop.azurewebsites.net"},
        params={"q": "a+b c,2"},  # as the host joins, and leaves the empty ones out
        body=b"",
    )
    request = http.decode(native)
    assert request.query.pairs == [("q", "a+b c"), ("q", "2"), ("empty", ""), ("flag", "")]
    assert (request.path, request.raw_path) == ("/search/a/b", "/search/a%2Fb")
    assert (request.source, request.provider, request.native) == ("shop.azurewebsites.net", "azure", native)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (SITE, "/"),
        (f"{SITE}?a=1", "/"),
        (f"{SITE}/gr%C3%BC%C3%9Fe?x=1#part", "/grüße"),
        ("/only/path?x=http://y/z", "/only/path"),
        ("www.dummy.com", "/"),
        (f"{SITE}/a?b=http://x/y", "/a"),
    ],
)
def test_any_url_has_a_path(url: str, path: str, http_request: Any) -> None:
    assert http.decode(http_request(url)).path == path


@pytest.mark.parametrize(
    ("forwarded", "client_ip"),
    [
        ("203.0.113.9:51234", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9:51234", "203.0.113.9"),
        ("203.0.113.9", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_the_client_is_the_one_that_azure_saw(forwarded: str, client_ip: str, http_request: Any) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert http.decode(http_request(headers=headers)).client_ip == client_ip


def test_headers_and_cookies(http_request: Any) -> None:
    headers = {"X-Many": "1,2", "Cookie": 'a=1; b="2 3"; c=x=y==; a=2', "Content-Type": "text/plain; charset=utf-8"}
    request = http.decode(http_request(headers=headers))
    assert request.headers.getlist("x-many") == ["1,2"]
    assert request.headers["CONTENT-TYPE"] == "text/plain; charset=utf-8"
    assert request.cookies.pairs == [("a", "1"), ("b", "2 3"), ("c", "x=y=="), ("a", "2")]


@given(query=st.lists(st.tuples(TEXT.filter(bool), TEXT)), path=TEXT.filter(bool), body=st.binary())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_path_query_and_body_arrive(query: Any, path: str, body: bytes, http_request: Any) -> None:
    raw = "/" + quote(path, safe="")
    request = http.decode(http_request(f"{SITE}{raw}?{urlencode(query)}", method="POST", body=body))
    assert (request.path, request.raw_path, request.body) == (f"/{path}", raw, body)
    assert request.query.pairs == query


def test_repeated_headers_are_joined_where_http_allows_it(azure: Any) -> None:
    pairs = [("vary", "a"), ("location", "/1"), ("vary", "b"), ("location", "/2"), ("x-many", "1"), ("x-many", "2")]
    status, headers, body, morsels = on_wire(http.encode((201, pairs, b"\x89PNG")))
    assert (status, body, morsels) == ("201", b"\x89PNG", [])
    assert headers["vary"] == "a, b"
    assert headers["x-many"] == "1, 2"
    assert headers["location"] == "/2"  # as the host would


def test_cookies_have_one_header_each(azure: Any) -> None:
    answer = Response(cookies={"plain": "1", "lasting": "2; Path=/things; Max-Age=60; SameSite=None; Secure"})
    (first, plain), (second, lasting) = on_wire(http.encode(answer))[3]
    assert (first, plain.value, plain["path"], plain["samesite"]) == ("plain", "1", "/", "Lax")
    assert plain["secure"]
    assert plain["httponly"]
    assert (second, lasting.value, lasting["path"], lasting["max-age"]) == ("lasting", "2", "/things", "60")
    assert lasting["samesite"] == "None"
    assert not lasting["httponly"]


def test_a_cookie_that_is_encoded_already_goes_out_as_it_is() -> None:
    assert cookies.for_worker("a=x%20y%2Fz") == 'a="x y/z"'
    assert sent_by_host("x y/z") == "x%20y%2Fz"
    assert cookies.for_worker("a=100%") == "a=100%"  # no encoding of anything
    assert cookies.for_worker("a=%2f") == "a=%2f"  # the host would write %2F


@pytest.mark.parametrize(
    ("given", "expires"),
    [
        ("Thu, 12-Jan-2017 13:55:08 GMT", "Thu, 12 Jan 2017 13:55:08 GMT"),
        ("Thu, 12 Jan 2017 13:55:08 GMT", "Thu, 12 Jan 2017 13:55:08 GMT"),
        ("Thu, 12 Jan 2017 14:55:08 +0100", "Thu, 12 Jan 2017 13:55:08 GMT"),
    ],
)
def test_expires_is_in_the_only_form_that_the_worker_takes(given: str, expires: str) -> None:
    assert cookies.for_worker(f"a=1; expires={given}; Path=/") == f"a=1; expires={expires}; Path=/"


@pytest.mark.parametrize(
    ("attribute", "named"),
    [("Partitioned", "Partitioned"), ("Priority=High", "Priority"), ("expires=soon", "soon")],
)
def test_an_attribute_that_cannot_pass_does_not_cost_the_cookie(
    attribute: str, named: str, azure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "faasbridge"):
        answer = http.encode((200, [("set-cookie", f"a=1; {attribute}; Path=/x")], b""))
    ((name, morsel),) = on_wire(answer)[3]
    assert (name, morsel.value, morsel["path"]) == ("a", "1", "/x")
    assert named in caplog.text


COOKIE_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters=";\x7f")).map(str.strip)


@given(value=COOKIE_VALUES.filter(lambda value: not value.startswith('"')))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cookie_reaches_the_host(value: str, azure: Any) -> None:
    ((name, morsel),) = on_wire(http.encode((200, [("set-cookie", f"a={value}; Path=/")], b"")))[3]
    assert name == "a"
    assert morsel["path"] == "/"
    assert morsel.value == value or sent_by_host(morsel.value) == value


def test_an_empty_answer_is_empty(azure: Any) -> None:
    answer = http.encode(Response(status=204))
    assert (answer.status_code, answer.get_body()) == (204, b"")


@given(
    status=st.sampled_from([200, 201, 404, 500]),
    headers=st.dictionaries(
        st.text("abcdefgh-", min_size=1, max_size=8).map(lambda name: f"x-{name}"),
        st.text("abc 123;=,", max_size=9).map(str.strip),
        max_size=5,
    ),
    body=st.binary(),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_is_sent_as_it_is(status: int, headers: dict[str, str], body: bytes, azure: Any) -> None:
    found = on_wire(http.encode((status, list(headers.items()), body)))
    assert found[::2] == (str(status), body)
    assert found[1].items() >= headers.items()
