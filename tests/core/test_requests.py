"""Request and Response as plain objects."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faasbridge import HTTPError, Request, Response
from faasbridge.http import Headers, MultiDict, parse_cookies, parse_query

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_headers_are_case_insensitive_and_keep_repeats() -> None:
    headers = Headers([("Accept", "a"), ("X-One", "1"), ("accept", "b")])
    assert headers["ACCEPT"] == headers.get("Accept") == "b"
    assert "aCCept" in headers
    assert headers.getlist("Accept") == ["a", "b"]
    assert headers.get("missing") is None
    assert Request(headers=Headers(headers)).headers.getlist("accept") == ["a", "b"]


def test_a_copy_of_a_multidict_keeps_all_values() -> None:
    query = MultiDict([("a", "1"), ("a", "2")])
    assert Request(query=query).query.getlist("a") == ["1", "2"]


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", []),
        ("a=1&a=2", [("a", "1"), ("a", "2")]),
        ("a=&b", [("a", ""), ("b", "")]),
        ("q=x+y%2Bz&%C3%BC=%20", [("q", "x y+z"), ("ü", " ")]),
        ("a=b=c&&", [("a", "b=c")]),
        ("a=%ff", [("a", "\ufffd")]),
    ],
)
def test_the_raw_query_is_read(raw: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_query(raw).pairs == pairs


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT)))
def test_any_query_survives_its_encoding(pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    assert parse_query(urlencode(pairs)).pairs == pairs


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        ("a=1; b=2", [("a", "1"), ("b", "2")]),
        ('a="x y"; a=2', [("a", "x y"), ("a", "2")]),
        ("a=b=c;;nothing", [("a", "b=c")]),
        ("", []),
    ],
)
def test_cookies_are_read_from_their_header(header: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_cookies([header]) == pairs
    request = Request(headers={"Cookie": header})
    assert request.cookies.pairs == pairs
    assert request.cookies == dict(pairs)


def test_several_cookie_headers_count_together() -> None:
    assert Request(headers=[("cookie", "a=1"), ("cookie", "b=2")]).cookies == {"a": "1", "b": "2"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000], ids=["empty", "cut", "binary", "deep"])
def test_a_body_that_is_no_json_is_a_400(body: bytes) -> None:
    with pytest.raises(HTTPError) as raised:
        Request("POST", body=body).json()
    assert raised.value.status == 400


def test_a_body_that_is_no_text_is_a_400() -> None:
    assert Request("POST", body="ü").text() == "ü"
    with pytest.raises(HTTPError, match="400"):
        Request("POST", body=b"\xff").text()


def test_a_request_can_be_made_by_hand() -> None:
    request = Request("post", "/x", query={"a": "1"}, body="{}", claims={"sub": "me"})
    assert (request.method, request.query["a"], request.json(), request.claims) == ("POST", "1", {}, {"sub": "me"})
    assert (Request().method, Request().path, Request(path="").path, Request().body) == ("GET", "/", "/", b"")


@pytest.mark.parametrize(
    ("body", "content", "content_type"),
    [
        (None, b"", None),
        ({"ü": [1, None]}, '{"ü":[1,null]}'.encode(), "application/json"),
        ([], b"[]", "application/json"),
        ("ü", "ü".encode(), "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
        (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        (bytearray(b"x"), b"x", "application/octet-stream"),
        ({"at": datetime(2026, 1, 2, tzinfo=UTC)}, b'{"at":"2026-01-02T00:00:00+00:00"}', "application/json"),
        ({"id": UUID(int=1)}, b'{"id":"00000000-0000-0000-0000-000000000001"}', "application/json"),
        (MappingProxyType({"a": 1}), b'{"a":1}', "application/json"),
    ],
)
def test_a_body_has_the_content_type_of_its_kind(body: Any, content: bytes, content_type: str | None) -> None:
    status, headers, sent = Response(body).finish()
    assert (status, sent, dict(headers).get("content-type")) == (200, content, content_type)


def test_a_content_type_of_ones_own_stays() -> None:
    headers = Response("<p>", headers={"Content-Type": "text/html"}).finish()[1]
    assert headers == [("content-type", "text/html")]


def test_a_header_with_several_values_is_sent_as_often() -> None:
    headers = Response(headers={"Link": ["<a>", "<b>"], "X": "1"}).finish()[1]
    assert headers == [("link", "<a>"), ("link", "<b>"), ("x", "1")]


def test_cookies_are_safe_unless_told_otherwise() -> None:
    headers = Response(cookies={"sid": "1", "theme": "dark; Path=/; Max-Age=60"}).finish()[1]
    assert headers == [
        ("set-cookie", "sid=1; Path=/; HttpOnly; Secure; SameSite=Lax"),
        ("set-cookie", "theme=dark; Path=/; Max-Age=60"),
    ]


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b=1", "a\nb", "a\0", "\N{SNOWMAN}"])
def test_a_header_cannot_smuggle_another(value: str) -> None:
    with pytest.raises(ValueError, match=r"control character|latin-1"):
        Response(headers={"x-name": value}).finish()
    with pytest.raises(ValueError, match=r"control character|latin-1"):
        Response(cookies={"name": value}).finish()


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 600, "abc", "200", None, 200.0])
def test_a_status_that_is_no_answer_is_refused(status: Any) -> None:
    with pytest.raises(ValueError, match=f"from 200 to 599, not {status!r}"):
        Response("x", status=status).finish()


@pytest.mark.parametrize("name", ["", "bad name", "bad:", "café", "a\r\nb", "a;b", "a=b", '"a"'])
def test_a_name_that_http_has_not_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header's name"):
        Response(headers={name: "v"}).finish()
    with pytest.raises(ValueError, match="cookie's name"):
        Response(cookies={name: "v"}).finish()


def test_a_header_that_is_no_text_is_named() -> None:
    headers: Any = {"x-count": 5}
    with pytest.raises(TypeError, match="'x-count' is a str or a list of them, not 5"):
        Response(headers=headers).finish()


@pytest.mark.parametrize(
    "body", [b'{"a": NaN}', b"-Infinity", b"1e999", b'"\\ud800"', b'{"\\uDC00": 1}', b"[" * 100_000]
)
def test_a_body_that_json_cannot_have_is_400(body: bytes) -> None:
    with pytest.raises(HTTPError) as caught:
        Request(body=body).json()
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'"\\ud83c\\udf89"', "🎉"),
        (b'"\\u00fc"', "ü"),
        (b"1e10", 1e10),
        (b"12345678901234567890", 12345678901234567890),
        ('\ufeff{"a": 1}'.encode(), {"a": 1}),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
    ],
)
def test_json_is_read_in_any_of_its_spellings(body: bytes, value: Any) -> None:
    assert Request(body=body).json() == value


def test_what_is_no_json_is_refused() -> None:
    for body in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((ValueError, TypeError)):
            Response(body).finish()


def test_pairs_as_response_headers_are_refused_since_a_repeated_name_would_be_lost() -> None:
    pairs: Any = [("link", "<a>"), ("link", "<b>")]
    with pytest.raises(TypeError, match="headers= is a mapping"):
        Response(headers=pairs)
    assert Response(headers={"link": ["<a>", "<b>"]}).finish()[1] == [("link", "<a>"), ("link", "<b>")]
