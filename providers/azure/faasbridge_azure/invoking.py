"""An event handed to a function past its inbox or its api, for `faasbridge invoke`: an HTTP function that asks for the
function app's master key, which the platform checks and only who may manage the app can read.

`POST /faasbridge/invoke/<function>` with the header `x-functions-key` and `own_events.encode_event` as its body answers
200 with `{"value": <codec>}` (of an api `own_events.encode_response`), or 500 with `{"error": TEXT}`. The anonymous
function of an api takes no such payload, since anybody may send it one.
Source: Azure Functions documentation, "Work with access keys in Azure Functions" (authorization level admin).
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from faasbridge.dispatch import Runner

NAME = "faasbridge__invoke"
ROUTE = "faasbridge/invoke/{function}"


def add(built: Any, runners: Mapping[str, Runner]) -> None:
    """Adds it to a FunctionApp, for these functions."""
    import azure.functions as azure  # type: ignore[import-not-found, unused-ignore]

    def invoke(native, context):  # type: ignore[no-untyped-def]  # the annotations follow
        id = getattr(context, "invocation_id", None) or None
        status, answer = answered(runners, native.route_params.get("function") or "", native.get_body(), id)
        return azure.HttpResponse(json.dumps(answer), status_code=status, mimetype="application/json")

    invoke.__name__ = NAME
    invoke.__annotations__ = {"native": azure.HttpRequest, "context": azure.Context, "return": azure.HttpResponse}
    added = built.route(route=ROUTE, trigger_arg_name="native", methods=("POST",), auth_level=azure.AuthLevel.ADMIN)(
        invoke
    )
    built.function_name(NAME)(added)


def answered(runners: Mapping[str, Runner], name: str, body: bytes, id: str | None = None) -> tuple[int, Any]:
    """Status and JSON of the answer."""
    runner = runners.get(name)
    if runner is None:
        return 404, {"error": f"this function app has no function {name!r}, only {', '.join(runners)}"}
    try:
        return 200, _value(runner, body, id)
    except Exception as error:
        import logging

        logging.getLogger("faasbridge").exception("%s failed for the event that it was invoked with", name)
        return 500, {"error": f"{type(error).__name__}: {error}"}


def _value(runner: Runner, body: bytes, id: str | None) -> Any:
    from faasbridge.adapter.own_events import encode_response, is_request
    from faasbridge.codec import encode
    from faasbridge.http import Request

    from .events_own import own

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
