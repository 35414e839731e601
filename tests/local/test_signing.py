"""Signed URLs: what they allow, what they refuse, and that no client can read another key out of one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit
from urllib.request import Request

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faasbridge import InvalidEvent, PayloadTooLarge, PermissionDenied
from faasbridge.local.signing import Signed, sign, verify

SECRET = b"s" * 32
BASE = "http://127.0.0.1:4711"
NOW = 1_000_000.0
EXPIRES = 1_000_900


def url_for(key: str = "a/b.jpg", method: str = "GET", **more: Any) -> str:
    return sign(SECRET, BASE, method, "uploads", key, EXPIRES, **more)


def check(url: str, method: str = "GET", *, now: float = NOW, secret: bytes = SECRET, **headers: str) -> Signed:
    parts = urlsplit(url)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return verify(secret, method, parts.path, dict(parse_qsl(parts.query)), named, now)


KEYS = st.text(st.one_of(st.characters(exclude_categories=("Cs", "Cc")), st.sampled_from("./%2eE?#&+ \\")), min_size=1)


@given(KEYS.filter(lambda key: key not in (".", "..")))
@example("../../etc/passwd")
@example("a/../b/./c/..")
@example("./x")
@example("//a//")
@example("%2e%2e/%2F")
@example("..%2f")
def test_any_key_comes_back_through_any_client(key: str) -> None:
    url = url_for(key)
    assert check(url).key == key
    clients = (str(httpx2.URL(url)), urljoin(BASE + "/", url), Request(url).full_url, as_a_browser(url))
    for seen in clients:
        assert check(seen).key == key


def as_a_browser(url: str) -> str:
    """Dot segments are resolved, their percent-encoded spellings included (WHATWG URL, path state)."""
    parts = urlsplit(url)
    path: list[str] = []
    for segment in parts.path.split("/")[1:]:
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            path = path[:-1]
        elif plain != ".":
            path.append(segment)
    return parts._replace(path="/" + "/".join(path)).geturl()


def test_the_path_stays_readable() -> None:
    assert url_for("a b/ü.jpg").startswith(f"{BASE}/_faasbridge/blobs/uploads/a%20b/%C3%BC.jpg?")
    assert url_for("a/../b").startswith(f"{BASE}/_faasbridge/blobs/uploads/a%2F..%2Fb?")


def test_says_what_it_allows() -> None:
    url = url_for(method="PUT", content_type="image/svg+xml", max_bytes=10)
    assert check(url, "PUT", content_type="image/svg+xml", content_length="10") == Signed(
        "uploads", "a/b.jpg", "image/svg+xml", 10
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a/b.jpg", "a/c.jpg"),
        ("a/b.jpg", "a/b.jpg/"),
        ("uploads", "secrets"),
        (f"expires={EXPIRES}", f"expires={EXPIRES + 1}"),
        ("method=PUT", "method=GET"),
        ("type=image%2Fpng", "type=text%2Fhtml"),
        ("&type=image%2Fpng", ""),
        ("max=10", "max=99"),
        ("&max=10", ""),
        ("signature=", "signature=0"),
        ("a/b.jpg", "a%2F..%2F..%2Fb.jpg"),
    ],
)
def test_an_altered_url_is_denied(old: str, new: str) -> None:
    url = url_for(method="PUT", content_type="image/png", max_bytes=10)
    assert old in url
    with pytest.raises(
        PermissionDenied, match="the signature does not fit: the URL was altered, or made for another object"
    ):
        check(url.replace(old, new), "PUT", content_type="image/png")


def test_the_url_of_another_state_is_denied() -> None:
    with pytest.raises(PermissionDenied, match="the signature does not fit"):
        check(url_for(), secret=b"t" * 32)


def test_an_expired_url_is_denied() -> None:
    assert check(url_for(), now=EXPIRES - 1).key == "a/b.jpg"
    with pytest.raises(PermissionDenied, match="the signed URL has expired; ask for a new one"):
        check(url_for(), now=EXPIRES)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "POST"])
def test_another_method_is_denied(method: str) -> None:
    with pytest.raises(PermissionDenied, match=f"the URL is signed for GET, not for {method}"):
        check(url_for(), method)


@pytest.mark.parametrize("headers", [{}, {"content_type": "text/html"}, {"content_type": "image/png; charset=x"}])
def test_another_content_type_is_denied(headers: dict[str, Any]) -> None:
    with pytest.raises(PermissionDenied, match="the URL is signed for the Content-Type image/png; send that header"):
        check(url_for(method="PUT", content_type="image/png"), "PUT", **headers)


def test_too_large_a_body_is_refused_by_its_length() -> None:
    with pytest.raises(PayloadTooLarge, match="the URL is signed for up to 10 bytes, not for 11"):
        check(url_for(method="PUT", max_bytes=10), "PUT", content_length="11")
    assert check(url_for(method="PUT", max_bytes=10), "PUT").max_bytes == 10


@pytest.mark.parametrize(
    "path",
    [
        "/_faasbridge/blobs/uploads/../secrets/key",
        "/_faasbridge/blobs/uploads/a/..",
        "/_faasbridge/blobs/uploads/%2e%2E/x",
        "/_faasbridge/blobs/uploads/./x",
    ],
)
def test_dot_segments_are_refused(path: str) -> None:
    with pytest.raises(InvalidEvent, match=r"has no segments '\.' or '\.\.'"):
        check(BASE + path + "?" + url_for().partition("?")[2])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"{BASE}/other", "a signed URL has the path /_faasbridge/blobs/<bucket>/<key>"),
        (f"{BASE}/_faasbridge/blobs/uploads", "a signed URL has the path"),
        (f"{BASE}/_faasbridge/blobs/uploads/", "a signed URL has the path"),
        (f"{BASE}/_faasbridge/blobs/uploads/key", "no whole signed URL; use it exactly as it was given out"),
        (f"{BASE}/_faasbridge/blobs/uploads/key?method=GET&expires=x&signature=y", "no whole signed URL"),
        (f"{BASE}/_faasbridge/blobs/uploads/key?method=GET&expires=1&max=x&signature=y", "no whole signed URL"),
        (f"{BASE}/_faasbridge/blobs/uploads/%FF?method=GET&expires=1&signature=y", "no whole signed URL"),
        (f"{BASE}/_faasbridge/blobs/uploads/key?method=GET&expires=1&signature=%C3%BC", "the signature does not fit"),
    ],
)
def test_what_is_no_signed_url_is_refused(url: str, message: str) -> None:
    with pytest.raises((InvalidEvent, PermissionDenied), match=message):
        check(url)
