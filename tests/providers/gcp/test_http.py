"""Flask's requests as Requests, Responses as Flask's: what a handler sees and what a client gets."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from faasbridge.http import Response
from faasbridge_gcp import http

flask = pytest.importorskip("flask", reason="install the dependency group test-gcp")


def test_the_query_is_read_raw(flask_request: Any) -> None:
    request = http.decode(flask_request("/search?q=a%2Bb+c&q=2&empty=&flag", method="GET"))
    assert request.query.pairs == [("q", "a+b c"), ("q", "2"), ("empty", ""), ("flag", "")]
    assert (request.method, request.path, request.provider) == ("GET", "/search", "gcp")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/a%2Fb/gr%C3%BC%C3%9Fe?x=1", "/a/b/grüße"),
        ("http://example.com/a%20b?x=1", "/a b"),
        ("http://example.com", "/"),
        ("/http://x", "/http://x"),
    ],
)
@pytest.mark.parametrize("variable", ["RAW_URI", "REQUEST_URI"])
def test_the_path_is_read_raw_where_the_server_has_it(uri: str, path: str, variable: str, flask_request: Any) -> None:
    request = http.decode(flask_request("/decoded", environ={variable: uri}))
    assert request.path == path
    assert request.raw_path is not None
    assert "?" not in request.raw_path


def test_elsewhere_it_is_the_decoded_one(flask_request: Any) -> None:
    request = http.decode(flask_request("/grüße"))
    assert (request.path, request.raw_path) == ("/grüße", None)


def test_headers_and_cookies(flask_request: Any) -> None:
    headers = [
        ("X-Many", "1"),
        ("X-Many", "2"),
        ("Cookie", 'a=1; b="2 3"'),
        ("Content-Type", "text/plain; charset=utf-8"),
    ]
    request = http.decode(flask_request(headers=headers, environ={"HTTP_X_MANY": "1,2"}))
    assert request.headers["x-many"] == "1,2"  # as a WSGI server joins them
    assert request.headers["CONTENT-TYPE"] == "text/plain; charset=utf-8"
    assert request.cookies == {"a": "1", "b": "2 3"}


@pytest.mark.parametrize(
    ("forwarded", "client_ip"),
    [("203.0.113.9", "203.0.113.9"), ("6.6.6.6, 203.0.113.9", "203.0.113.9"), ("", "127.0.0.1")],
)
def test_the_client_is_the_one_that_google_saw(forwarded: str, client_ip: str, flask_request: Any) -> None:
    headers = [("X-Forwarded-For", forwarded)] if forwarded else []
    request = http.decode(flask_request(headers=headers, environ={"REMOTE_ADDR": "127.0.0.1"}))
    assert request.client_ip == client_ip


def test_a_chunked_body_is_whole(flask_request: Any) -> None:
    environ = {
        "wsgi.input": BytesIO(b"\x00" * 70_000),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_LENGTH": "",
    }
    assert http.decode(flask_request(environ=environ)).body == b"\x00" * 70_000


def test_the_execution_id_is_the_request_s_id(flask_request: Any) -> None:
    request = http.decode(flask_request(headers=[("Function-Execution-Id", "abc123"), ("Host", "example.com")]))
    assert (request.id, request.source) == ("abc123", "example.com")


def sent(response: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    """What a WSGI server is given."""
    assert isinstance(response, flask.Response)
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SERVER_NAME": "x", "SERVER_PORT": "80"}
    body, status, headers = response.get_wsgi_response(environ)
    return int(status[:3]), [(name.lower(), value) for name, value in headers], b"".join(body)


def test_an_answer_keeps_every_header_and_cookie() -> None:
    response = Response(
        b"\x89PNG",
        status=201,
        headers={"Vary": ["a", "b"], "content-type": "image/png"},
        cookies={"a": "1;x", "b": "2"},
    )
    status, headers, body = sent(http.encode(response))
    assert (status, body) == (201, b"\x89PNG")
    assert [value for name, value in headers if name == "vary"] == ["a", "b"]
    assert [value for name, value in headers if name == "set-cookie"] == [
        "a=1;x",
        "b=2; Path=/; HttpOnly; Secure; SameSite=Lax",
    ]
    assert dict(headers)["content-type"] == "image/png"
    assert dict(headers)["content-length"] == "4"


def test_an_empty_answer_has_no_content_type() -> None:
    assert sent(http.encode(Response(status=204))) == (204, [], b"")
    assert sent(http.encode((200, [], b"")))[1] == [("content-length", "0")]


def test_the_answer_to_a_head_keeps_the_length() -> None:
    answer = (200, [("content-type", "text/plain"), ("content-length", "77")], b"")
    assert sent(http.encode(answer)) == (200, answer[1], b"")


token = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8).map(lambda name: f"x-{name}")


@given(
    query=st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))),
    path=st.text(st.characters(codec="utf-8"), min_size=1),
    body=st.binary(),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_path_query_and_body_arrive(query: Any, path: str, body: bytes, flask_request: Any) -> None:
    from urllib.parse import quote, urlencode

    raw = "/" + quote(path, safe="")
    text = urlencode(query)
    request = http.decode(flask_request(body=body, environ={"RAW_URI": f"{raw}?{text}", "QUERY_STRING": text}))
    assert (request.path, request.raw_path, request.body) == (f"/{path}", raw, body)
    assert request.query.pairs == query


@given(
    status=st.sampled_from([200, 201, 404, 500]),
    headers=st.lists(st.tuples(token, st.text("abc 123;=,", max_size=9).map(str.strip)), max_size=5),
    body=st.binary(),
)
def test_any_answer_is_sent_as_it_is(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    assert sent(http.encode((status, headers, body))) == (status, [*headers, ("content-length", str(len(body)))], body)


@pytest.mark.parametrize("uri", ["*", "", "/gr\xc3\xbc\xc3\x9fe"])
def test_a_raw_path_that_is_none_is_not_used(uri: str, flask_request: Any) -> None:
    request = http.decode(flask_request("/decoded", environ={"RAW_URI": uri}))
    assert (request.path, request.raw_path) == ("/decoded", None)
