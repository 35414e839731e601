"""The page: one HTML answer with its style and script inside, so that it works below any base URL, slash or not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

_HERE = Path(__file__).parent


@cache
def html() -> str:
    document = _read("page.html")
    return document.replace("/*STYLE*/", _read("page.css")).replace("/*SCRIPT*/", _read("page.js"))


def security_headers(storage_urls: Iterable[str]) -> dict[str, str]:
    """A policy that lets the page reach its own origin and the storage of these signed URLs, and nothing else."""
    storage = " ".join(sorted({_origin(url) for url in storage_urls}))
    policy = {
        "default-src": "'none'",
        "script-src": _hash("page.js"),
        "style-src": _hash("page.css"),
        "connect-src": f"'self' {storage}",
        "img-src": f"'self' blob: data: {storage}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@cache
def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _hash(name: str) -> str:
    digest = hashlib.sha256(_read(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
