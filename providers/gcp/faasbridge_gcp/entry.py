"""What functions-framework calls. In an artifact `main.py` is `MAIN`, the target is `handler`, and these say the rest:

- `FAASBRIDGE_FUNCTION`: which function of the app this is; `FAASBRIDGE_STAGE`: which stage, `dev` if unset.
- `FAASBRIDGE_<KIND>_<NAME>`, `FAASBRIDGE_DRIVERS`: see `bind`. `FAASBRIDGE_ACCOUNT`: see `drivers.clients`.
- `FAASBRIDGE_DEAD_LETTERS`: the topic beside its inbox, for what was rejected or failed its last attempt.
- `FAASBRIDGE_INVOKE_KEY`: see `invoking`. `FAASBRIDGE_FORWARD_TO`, in place of a function: see `forwarder`.
- `faasbridge.json` in the artifact's folder, beside this package or the working directory: where the app is.

It works as a function of the http signature (requests to an api, Pub/Sub pushes, CloudEvents as requests), and, for
triggers that were wired by other means, of the cloudevent and event signatures. Only the function's own modules and the
drivers of its `uses` are imported, while the instance starts.
"""

from __future__ import annotations

import os

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.entry import runner_for
from faasbridge.errors import ConfigError

from . import http, logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from faasbridge.adapter.delivery import DeadLetter
    from faasbridge.app import App
    from faasbridge.dispatch import Runner
    from faasbridge.resources import Resource

    Handler = Callable[..., Any]

INVOCATION = "HTTP_X_FAASBRIDGE_INVOCATION"  # `invoking.HEADER` as WSGI has it
MAIN = "from faasbridge_gcp.entry import handler\n"


def handler_for(
    app: App,
    function_name: str,
    *,
    driver_of: Callable[[Resource], Any] | None = None,
    dead_letter: DeadLetter | None = None,
) -> Handler:
    """The callable for one function of an app in memory.

    An api's takes a Flask request and gives a Flask response. Another function's takes a Flask request with a Pub/Sub
    push or a CloudEvent and answers 204, 400 or 500 (see `delivery`); or a CloudEvent object, or data and context, and
    raises what the handler raises.

    `driver_of` gives a resource's driver; by default the ones that the function's environment describes. It is called
    here, for everything in the function's `uses`. `dead_letter(native, reason)`: see `delivery.Delivery`. Raises
    ConfigError.
    """
    runner = runner_for(app, function_name, __package__, driver_of)
    runner.warm()
    return _http(runner) if runner.api is not None else _events(runner, dead_letter)


def load(folder: str, function_name: str) -> Handler:
    """The same for a function of an unpacked artifact, whose log lines are Cloud Logging's. Raises ConfigError, or what
    importing the app raises."""
    from faasbridge.artifact import load as load_app

    logs.install()
    dead_letter: DeadLetter | None = None
    topic = os.environ.get("FAASBRIDGE_DEAD_LETTERS")
    if topic:
        from .dead_letters import DeadLetters

        dead_letter = DeadLetters(topic)
    return handler_for(load_app(folder, function_name), function_name, dead_letter=dead_letter)


def _http(runner: Runner) -> Handler:
    answer, decode, encode = runner.http, http.decode, http.encode
    invoked = _invoked(runner)

    def handle(request: Any) -> Any:
        token = logs.enter(request.headers)
        try:
            if INVOCATION in request.environ:
                return invoked(request)
            decoded = decode(request)
            return encode(answer(decoded, id=decoded.id or None), request)
        finally:
            logs.leave(token)

    return handle


def _events(runner: Runner, dead_letter: DeadLetter | None) -> Handler:
    from .delivery import Delivery
    from .events import is_cloudevent

    delivery = Delivery(runner, dead_letter)
    invoked = _invoked(runner)

    def handle(native: Any, *context: Any) -> Any:
        if not context and not is_cloudevent(native):
            return pushed(native)
        headers = _headers()
        token = logs.enter(headers)
        try:
            delivery.direct((native, *context) if context else native, _id(headers))
        finally:
            logs.leave(token)

    def pushed(request: Any) -> Any:
        token = logs.enter(request.headers)
        try:
            if INVOCATION in request.environ:
                return invoked(request)
            status, error = delivery.push(request, _id(request.headers))
        finally:
            logs.leave(token)
        if not error:
            return http.encode((status, [], b""))
        return _json(status, {"error": error})

    return handle


def _invoked(runner: Runner) -> Handler:
    """Answers a request that hands an event over past the inbox or the api; see `invoking`."""
    known: list[Any] = []

    def answer(request: Any) -> Any:
        if not known:
            from .invoking import Invoking

            known.append(Invoking(runner))
        return _json(*known[0].answer(request))

    return answer


def _json(status: int, content: Any) -> Any:
    from faasbridge.http import to_json

    return http.encode((status, [("content-type", "application/json")], to_json(content).encode()))


def _id(headers: Any) -> str | None:
    return headers.get(http.EXECUTION_ID) or None if headers is not None else None


def _headers() -> Any:
    """Those of the request that functions-framework made a CloudEvent of."""
    try:
        from flask import has_request_context, request  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        return None
    return request.headers if has_request_context() else None


def _folder() -> str:
    """The artifact's: this package lies in it."""
    beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return beside if os.path.exists(f"{beside}/faasbridge.json") else os.getcwd()


def __getattr__(name: str) -> Any:
    # The framework asks for `handler` once, while it starts; importing this module anywhere else needs no artifact.
    if name != "handler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    topic = os.environ.get("FAASBRIDGE_FORWARD_TO")
    if topic:
        from .forwarder import forwarder

        logs.install()
        return forwarder(topic)
    function = os.environ.get("FAASBRIDGE_FUNCTION")
    if not function:
        raise ConfigError("FAASBRIDGE_FUNCTION is not set: it says which function of the app this Cloud Function is")
    try:
        return load(_folder(), function)
    except AttributeError as error:
        # `from faasbridge_gcp.entry import handler` would take it for the word that there is no handler.
        raise ConfigError(f"the app of {function} cannot be loaded: AttributeError: {error}") from error
