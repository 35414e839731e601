"""An event handed to a function past its inbox or its api, for `faasbridge invoke`: an HTTP function that asks for the
function app's master key, which the platform checks and only who may manage the app can read.

It is `POST /_faasbridge/invoke/<function>` with the header `x-functions-key`; `faasbridge.adapter.invoking` says what
is sent and answered. The anonymous function of an api takes no such payload, since anybody may send it one.
Source: Azure Functions documentation, "Work with access keys in Azure Functions" (authorization level admin).
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from faasbridge.dispatch import Runner

NAME = "faasbridge__invoke"
ROUTE = "_faasbridge/invoke/{function}"
"""Below the path that no app may have a route at."""


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
    from faasbridge.adapter.invoking import answered as answered_by

    from .events_own import own

    return answered_by(runner, own, body, id)
