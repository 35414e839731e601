"""URLs that let their bearer read or write one object for a while.

The signature covers method, bucket, key, expiry, content type and size limit. Keys stand in the path, percent-encoded,
with `/` kept, except beside a segment `.` or `..`: clients resolve those (browsers even when spelt `%2E`), so the
slashes around them are encoded and no such segment is left to resolve.
"""

from __future__ import annotations

import hmac
import json
import math
import os
import time
from collections.abc import Mapping
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, urlencode

from ..errors import FaaSBridgeError, InvalidEvent, PayloadTooLarge, PermissionDenied

if TYPE_CHECKING:
    from .store import Store

PREFIX = "/_faasbridge/blobs/"


class Signed(NamedTuple):
    """What a URL allows. The server keeps `max_bytes` while it reads a body without a length."""

    bucket: str
    key: str
    content_type: str | None
    max_bytes: int | None


def signed_url(
    store: Store, method: str, bucket: str, key: str, expires_s: int, content_type: str | None, max_bytes: int | None
) -> str:
    """A URL at the running server. Raises FaaSBridgeError where none runs."""
    expires_at = math.ceil(time.time()) + expires_s  # never less than was asked for
    return sign(signing_secret(store), _endpoint(store), method, bucket, key, expires_at, content_type, max_bytes)


def signing_secret(store: Store) -> bytes:
    """Random, made on first use, kept in the database."""
    text = store.meta("signing")
    if text is None:
        with store.transaction() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES ('signing', ?)", (os.urandom(32).hex(),))
        text = store.meta("signing")
    assert text is not None
    return bytes.fromhex(text)


def sign(
    secret: bytes,
    base_url: str,
    method: str,
    bucket: str,
    key: str,
    expires_at: int,
    content_type: str | None = None,
    max_bytes: int | None = None,
) -> str:
    """`expires_at` in seconds since 1970."""
    query = {"method": method, "expires": str(expires_at)}
    if content_type is not None:
        query["type"] = content_type
    if max_bytes is not None:
        query["max"] = str(max_bytes)
    query["signature"] = _signature(secret, bucket, key, query)
    return f"{base_url}{PREFIX}{bucket}/{_encode_key(key)}?{urlencode(query, quote_via=quote)}"


def verify(
    secret: bytes, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], now: float
) -> Signed:
    """What a request with this signed URL may do.

    `path` is the raw one, still encoded; `headers` have lower-case names. Raises InvalidEvent for what is no signed
    URL, PermissionDenied for one that does not allow this, PayloadTooLarge for a `content-length` over its limit.
    """
    bucket, slash, rest = path.removeprefix(PREFIX).partition("/")
    if not path.startswith(PREFIX) or not slash or not rest:
        raise InvalidEvent(f"a signed URL has the path {PREFIX}<bucket>/<key>")
    if any(segment in (".", "..") for segment in unquote_dots(rest).split("/")):
        raise InvalidEvent("the path of a signed URL has no segments '.' or '..'; use the URL as it was given out")
    try:
        key = unquote(rest, errors="strict")
        claims = {name: query[name] for name in ("method", "expires", "type", "max") if name in query}
        expires_at, limit = int(claims["expires"]), int(claims["max"]) if "max" in claims else None
        allowed, signature = claims["method"], query["signature"]
    except (KeyError, ValueError):
        raise InvalidEvent("this is no whole signed URL; use it exactly as it was given out") from None
    if not hmac.compare_digest(signature.encode(), _signature(secret, bucket, key, claims).encode()):
        raise PermissionDenied("the signature does not fit: the URL was altered, or made for another object")
    if now >= expires_at:
        raise PermissionDenied("the signed URL has expired; ask for a new one")
    if method != allowed:
        raise PermissionDenied(f"the URL is signed for {allowed}, not for {method}")
    content_type = claims.get("type")
    if content_type is not None and headers.get("content-type", "").strip() != content_type:
        raise PermissionDenied(f"the URL is signed for the Content-Type {content_type}; send that header")
    length = headers.get("content-length", "")
    if limit is not None and length.isdecimal() and int(length) > limit:
        raise PayloadTooLarge(f"the URL is signed for up to {limit:,} bytes, not for {int(length):,}")
    return Signed(bucket, key, content_type, limit)


def unquote_dots(path: str) -> str:
    return path.replace("%2e", ".").replace("%2E", ".")


def _encode_key(key: str) -> str:
    segments = key.split("/")
    text = quote(segments[0], safe="")
    for before, segment in pairwise(segments):
        dotted = before in (".", "..") or segment in (".", "..")
        text += ("%2F" if dotted else "/") + quote(segment, safe="")
    return text


def _signature(secret: bytes, bucket: str, key: str, claims: Mapping[str, str]) -> str:
    signed = [bucket, key, *(claims.get(name) for name in ("method", "expires", "type", "max"))]
    return hmac.new(secret, json.dumps(signed).encode(), sha256).hexdigest()


def _endpoint(store: Store) -> str:
    try:
        run = json.loads((store.folder / "run.json").read_text("utf-8"))
        os.kill(int(run["pid"]), 0)
        return str(run["storage"]).rstrip("/")
    except PermissionError:  # it runs, as somebody else
        return str(run["storage"]).rstrip("/")
    except (OSError, ValueError, KeyError, TypeError):
        raise FaaSBridgeError(
            f"a signed URL leads to the local server, and none runs on {store.folder}: start it with `faasbridge dev`"
        ) from None
