"""What Lambda's runtime calls. In an artifact it is `faasbridge_aws.entry.handler`, and these tell it the rest:

- `FAASBRIDGE_FUNCTION`: which function of the app this is; `FAASBRIDGE_STAGE`: which stage, `dev` if unset.
- `FAASBRIDGE_<KIND>_<NAME>`, `FAASBRIDGE_DRIVERS`: see `bind`.
- `FAASBRIDGE_DEAD_LETTERS`: the URL of the queue beside its inbox, for what was rejected or failed its last attempt.
- `faasbridge.json` in `LAMBDA_TASK_ROOT`: where the app is.

Only that function's modules and the drivers of its `uses` are imported, while Lambda initialises. Logs are the runtime
client's own, JSON with the request id where the function's `LoggingConfig` has `LogFormat: JSON`.
"""

from __future__ import annotations

import os

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.entry import runner_for
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.http import Request

from .timeout_warning import TimeoutWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from faasbridge.adapter.delivery import DeadLetter
    from faasbridge.app import App
    from faasbridge.dispatch import Runner
    from faasbridge.resources import Resource

    Handler = Callable[[Any, Any], Any]


def handler_for(
    app: App,
    function_name: str,
    *,
    driver_of: Callable[[Resource], Any] | None = None,
    dead_letter: DeadLetter | None = None,
) -> Handler:
    """The callable `(event, context) -> result` for one function of an app in memory.

    An api answers in the form of the request that came. Other functions answer SQS, DynamoDB and Kinesis with
    `batchItemFailures`; for anything else they raise what the handler raises.

    `driver_of` gives a resource's driver, on first use; by default the ones that the function's environment describes.
    `dead_letter(record, reason)`: see `batches.Delivery`. Raises ConfigError.
    """
    return _handler(runner_for(app, function_name, __package__, driver_of), dead_letter)


def load(folder: str, function_name: str) -> Handler:
    """The same for a function of an unpacked artifact, with the drivers of its `uses` made.

    Raises ConfigError, or what importing the app raises.
    """
    from faasbridge.artifact import load as load_app

    runner = runner_for(load_app(folder, function_name), function_name, __package__)
    runner.warm()
    dead_letters = os.environ.get("FAASBRIDGE_DEAD_LETTERS")
    if not dead_letters:
        return _handler(runner, None)
    from .dead_letters import DeadLetters

    return _handler(runner, DeadLetters(dead_letters))


def _handler(runner: Runner, dead_letter: DeadLetter | None) -> Handler:
    warning = TimeoutWarning(runner.name)
    make = _http if runner.api is not None else _events
    return make(runner, warning if warning.install() else None, dead_letter)


def _http(runner: Runner, warning: TimeoutWarning | None, dead_letter: DeadLetter | None) -> Handler:
    from . import http

    answer, decode, encode = runner.http, http.decode, http.encode

    def reply(event: Any, context: Any, remaining_s: float) -> Any:
        if _is_own_request(event):  # from whoever may invoke the function itself: what comes by HTTP is wrapped
            from faasbridge.adapter.own_events import encode_response

            return encode_response(answer(_own_request(event), id=context.aws_request_id, timeout_s=remaining_s))
        return encode(answer(decode(event), id=context.aws_request_id, timeout_s=remaining_s), event)

    def handle(event: Any, context: Any) -> Any:
        remaining_s = context.get_remaining_time_in_millis() / 1000
        if warning is None:
            return reply(event, context, remaining_s)
        warning.arm(remaining_s)
        try:
            return reply(event, context, remaining_s)
        finally:
            warning.disarm()

    return handle


def _is_own_request(event: Any) -> bool:
    if not isinstance(event, dict) or "faasbridge" not in event:
        return False
    from faasbridge.adapter.own_events import is_request

    return is_request(event)


def _own_request(event: dict[str, Any]) -> Request:
    from .events_own import own

    request = own.decode(event)
    if not isinstance(request, Request):
        raise InvalidEvent(f"an api takes a Request, but was sent {type(request).__name__} {request.id!r}")
    return request


def _events(runner: Runner, warning: TimeoutWarning | None, dead_letter: DeadLetter | None) -> Handler:
    from .batches import Delivery
    from .events import source_of

    def deliver(event: Any, context: Any) -> Any:
        delivery = Delivery(runner, context.aws_request_id, lambda: _remaining_s(context), dead_letter)
        records = event.get("Records") if isinstance(event, dict) else None
        if isinstance(records, list) and records:
            source = source_of(records[0])
            if source == "sqs":
                return delivery.sqs(records)
            if source in ("dynamodb", "kinesis"):
                return delivery.stream(records)
        return delivery.direct(event)

    def handle(event: Any, context: Any) -> Any:
        if warning is None:
            return deliver(event, context)
        warning.arm(_remaining_s(context))
        try:
            return deliver(event, context)
        finally:
            warning.disarm()

    return handle


def _remaining_s(context: Any) -> float:
    return context.get_remaining_time_in_millis() / 1000  # type: ignore[no-any-return]


def __getattr__(name: str) -> Any:
    # The runtime asks for `handler` once, while it initialises; importing this module anywhere else needs no artifact.
    if name != "handler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = os.environ.get("FAASBRIDGE_FUNCTION")
    if not function:
        raise ConfigError("FAASBRIDGE_FUNCTION is not set: it says which function of the app this Lambda function is")
    try:
        return load(os.environ.get("LAMBDA_TASK_ROOT", "."), function)
    except AttributeError as error:
        # The runtime would take it for the word that there is no handler.
        raise ConfigError(f"the app of {function} cannot be loaded: AttributeError: {error}") from error
