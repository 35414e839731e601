"""Running a deployed function once, past its inbox, with our own event payload."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from faasbridge.adapter.own_events import decode_response, encode_event
from faasbridge.errors import FaaSBridgeError
from faasbridge.events import Event
from faasbridge.http import Request
from faasbridge.provider import LogLine

from . import logs
from .connection import Clients


def invoke(
    clients: Clients,
    physical_name: str,
    function: str,
    event: Event,
    *,
    wait: bool = True,
    log: Callable[[LogLine], None] | None = None,
) -> Any:
    """The handler's value, of an api a Response; None at once where it is not waited for.

    `log` gets the last 4 KB that the invocation wrote. Raises FaaSBridgeError with the handler's error.
    Source: Lambda API Reference, Invoke.
    """
    payload = json.dumps(encode_event(event)).encode()
    answer = clients.get("lambda").invoke(
        FunctionName=physical_name,
        InvocationType="RequestResponse" if wait else "Event",
        LogType="Tail" if wait and log is not None else "None",
        Payload=payload,
    )
    if not wait:
        return None
    if log is not None:
        _told(function, answer.get("LogResult", ""), log)
    content = answer["Payload"].read()
    result = json.loads(content) if content else None
    if answer.get("FunctionError"):
        raise FaaSBridgeError(f"{function}: {_error(result)}")
    return decode_response(result) if isinstance(event, Request) else result


def _told(function: str, tail: str, log: Callable[[LogLine], None]) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    for text in base64.b64decode(tail).decode(errors="replace").splitlines():
        line = logs.parse(function, text, now)
        if line is not None:
            log(line)


def _error(result: Any) -> str:
    if not isinstance(result, dict):
        return f"it failed with {result!r}"
    return ": ".join(str(result[key]) for key in ("errorType", "errorMessage") if result.get(key)) or "it failed"
