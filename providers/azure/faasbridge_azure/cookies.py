"""A `Set-Cookie` header's value as the Python worker reads it without loss.

The worker parses it with `http.cookies`, which gives up on all of a cookie at the first attribute it does not know,
takes an unknown `name=value` for another cookie, and leaves what it cannot read out without a word; of `expires` the
worker takes RFC 1123's form only and fails the invocation for any other. The host encodes the value anew for a URL, so
a value that is encoded already is decoded here, and the client sees it as it was written.
Sources: Python's http/cookies.py; azure-functions-runtime, bindings/datumdef.py; azure-functions-python-worker, issue
1794.
"""

from __future__ import annotations

import logging

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

log = logging.getLogger("faasbridge")
_FLAGS = ("secure", "httponly")
_VALUED = ("expires", "path", "domain", "max-age", "samesite")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-./:<=>?@[]^_`{|}~()")


def for_worker(cookie: str) -> str:
    """The header's value, with what the worker cannot read put otherwise; an attribute that no way leads through
    (`Partitioned`, `Priority`) is left out, and the log says so."""
    pair, *attributes = cookie.split(";")
    name, _, value = pair.partition("=")
    parts = [f"{name.strip()}={_value(value.strip())}"]
    for attribute in attributes:
        key, _, text = (part.strip() for part in attribute.partition("="))
        lower = key.lower()
        if lower in _FLAGS:
            parts.append(key)
        elif lower in _VALUED and text:
            fitting = _expires(text) if lower == "expires" else text
            if fitting is not None:
                parts.append(f"{key}={fitting}")
        elif key and (text or lower not in _VALUED):
            log.warning("cookie %s goes out without %r: Azure's worker cannot pass it on", name.strip(), key)
    return "; ".join(parts)


def _value(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace("\\\\", "\\").replace('\\"', '"')
    text = _decoded(text)
    if _PLAIN.issuperset(text):
        return text
    from http.cookies import SimpleCookie

    return SimpleCookie().value_encode(text)[1]


def _decoded(text: str) -> str:
    """What the host makes `text` of by its encoding, if anything; else `text`."""
    if "%" not in text:
        return text
    from urllib.parse import quote, unquote

    plain = unquote(text, errors="replace")
    return plain if quote(plain, safe="") == text and plain.isascii() and plain.isprintable() else text


def _expires(text: str) -> str | None:
    from email.utils import format_datetime, parsedate_to_datetime

    try:
        moment: datetime = parsedate_to_datetime(text)
    except ValueError:
        log.warning("a cookie's expires is no date: %r", text)
        return None
    from datetime import UTC

    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return format_datetime(moment, usegmt=True)
