"""What a bucket's `cors` lets pages of other origins do, as the XML API and so signed URLs keep it. Pure.

Sources: https://cloud.google.com/storage/docs/cross-origin, https://cloud.google.com/storage/docs/cors-configurations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .http_client import Answer, Headers

_SAFE = {"accept", "accept-language", "content-language", "origin"}

Rules = Iterable[Mapping[str, Any]]


def preflight(rules: Rules, headers: Mapping[str, str]) -> Answer:
    """Of an OPTIONS request. What is not allowed gets no header that says so, which the browser takes for a no."""
    method = headers.get("access-control-request-method", "")
    asked = [each.strip().lower() for each in headers.get("access-control-request-headers", "").split(",")]
    rule = _rule(rules, headers.get("origin", ""), method)
    if rule is None or not {*filter(None, asked)} <= _SAFE | {each.lower() for each in rule.get("responseHeader", ())}:
        return Answer(200)
    found = [
        *_origin(rule, headers["origin"]),
        ("access-control-allow-methods", ", ".join(rule["method"])),
        ("access-control-allow-headers", ", ".join(rule.get("responseHeader", ()))),
    ]
    if "maxAgeSeconds" in rule:
        found.append(("access-control-max-age", str(rule["maxAgeSeconds"])))
    return Answer(200, found)


def shared(rules: Rules, method: str, headers: Mapping[str, str], answer: Answer) -> Answer:
    """The answer to any other request, with what lets the page read it and nothing else that might."""
    kept = [(name, value) for name, value in answer.headers if not name.lower().startswith("access-control-")]
    rule = _rule(rules, headers.get("origin", ""), method)
    if rule is not None:
        exposed = ", ".join(rule.get("responseHeader", ()))
        kept += [*_origin(rule, headers["origin"]), ("access-control-expose-headers", exposed)]
    return Answer(answer.status, kept, answer.body)


def _rule(rules: Rules, origin: str, method: str) -> Mapping[str, Any] | None:
    """The first that has both."""
    if not origin:
        return None
    return next(
        (
            each
            for each in rules
            if {"*", origin} & {*each.get("origin", ())} and {"*", method} & {*each.get("method", ())}
        ),
        None,
    )


def _origin(rule: Mapping[str, Any], origin: str) -> Headers:
    if "*" in rule["origin"]:
        return [("access-control-allow-origin", "*")]
    return [("access-control-allow-origin", origin), ("vary", "Origin")]
