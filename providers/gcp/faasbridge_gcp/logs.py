"""Log lines as Cloud Logging reads them: JSON with severity, and what ties a line to its request.

Sources: Cloud Logging documentation, "Structured logging"; Cloud Trace documentation, "Trace context".
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextvars import ContextVar

from faasbridge._typing import TYPE_CHECKING

from .http import EXECUTION_ID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from typing import Any

_headers: ContextVar[Mapping[str, str] | None] = ContextVar("faasbridge_gcp_headers", default=None)


class Formatter(logging.Formatter):
    """One JSON object a line; a traceback is part of the message, where Error Reporting looks for it."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "severity": "WARNING" if record.levelname == "WARN" else record.levelname,
                "message": super().format(record),
                "logger": record.name,
                **fields(_headers.get() or {}),
            },
            ensure_ascii=False,
            default=str,
        )


def install() -> None:
    """Makes that the root logger's one way out, from INFO on; an app that configures logging itself comes after."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def enter(headers: Mapping[str, str] | None) -> Token[Mapping[str, str] | None]:
    """What is logged from here to `leave` belongs to the request with these headers, in async handlers as well."""
    return _headers.set(headers)


def leave(token: Token[Mapping[str, str] | None]) -> None:
    _headers.reset(token)


def fields(headers: Mapping[str, str]) -> dict[str, Any]:
    """Trace, span and execution id in Cloud Logging's names. W3C's header wins over Google's older one."""
    found: dict[str, Any] = {}
    trace = span = ""
    sampled = False
    parts = (headers.get("traceparent") or "").split("-")
    if len(parts) >= 4 and len(parts[1]) == 32 and len(parts[2]) == 16:
        trace, span, sampled = parts[1], parts[2], parts[3][-1:] in tuple("13579bdf")
    elif context := headers.get("x-cloud-trace-context"):
        trace, _, rest = context.partition("/")
        number, _, options = rest.partition(";")
        span = f"{int(number):016x}" if number.isascii() and number.isdigit() else ""
        sampled = options == "o=1"
    if trace:
        project = os.environ.get("GOOGLE_CLOUD_PROJECT")
        found["logging.googleapis.com/trace"] = f"projects/{project}/traces/{trace}" if project else trace
        found["logging.googleapis.com/trace_sampled"] = sampled
        if span:
            found["logging.googleapis.com/spanId"] = span
    id = headers.get(EXECUTION_ID)
    if id:
        found["logging.googleapis.com/labels"] = {"execution_id": id}
    return found
