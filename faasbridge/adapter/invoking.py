"""An event handed to a function past its inbox or its api, where the vendor's way to do so is a request.

The body is `own_events.encode_event`. The answer is 200 with `{"value": <codec>}`, of an api
`own_events.encode_response`, or 500 with `{"error": TEXT}`.
"""

from __future__ import annotations

import json

from .._typing import TYPE_CHECKING
from ..errors import FaaSBridgeError, InvalidEvent

if TYPE_CHECKING:
    from typing import Any

    from ..dispatch import Runner
    from ..events import Event
    from .own_events import OwnEvents


def answered(runner: Runner, own: OwnEvents, body: bytes, id: str | None = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer. Whether the caller may ask is checked already."""
    try:
        return 200, _value(runner, own, body, id)
    except Exception as error:
        import logging

        logging.getLogger("faasbridge").exception("%s failed for the event that it was invoked with", runner.name)
        return 500, {"error": f"{type(error).__name__}: {error}"}


def value_of(function: str, event: Event, status: int, body: bytes) -> Any:
    """What an answer says: the handler's value, of an api a Response. Raises FaaSBridgeError with its error."""
    from ..codec import decode
    from ..http import Request
    from .own_events import decode_response

    try:
        answer = json.loads(body)
        if status == 200:
            return decode_response(answer) if isinstance(event, Request) else decode(answer["value"])
        text = answer["error"]
    except (ValueError, KeyError, TypeError):
        text = f"it answered {status}: {body[:300].decode('utf-8', 'replace')}"
    raise FaaSBridgeError(f"{function}: {text}")


def _value(runner: Runner, own: OwnEvents, body: bytes, id: str | None) -> dict[str, Any]:
    from ..codec import encode
    from ..http import Request
    from .own_events import encode_response, is_request

    payload = json.loads(body)
    if not is_request(payload):
        raise InvalidEvent("only an event of FaaSBridge's can be sent here")
    event = own.decode(payload)
    if runner.api is not None:
        if not isinstance(event, Request):
            raise InvalidEvent(f"an api takes a Request, but was sent {type(event).__name__} {event.id!r}")
        return encode_response(runner.http(event, id=id))
    if isinstance(event, Request):
        raise InvalidEvent(f"{runner.name} is no api, but was sent a Request")
    if runner.function is not None and runner.function.trigger == "batch":
        for failure in runner.deliver([event], id=id):
            raise failure.error
        return {"value": None}
    return {"value": encode(runner.invoke(event, attempt=getattr(event, "attempt", 1), id=id))}
