"""What the Azure Functions worker runs. In an artifact `function_app.py` is `SOURCE`, and these say the rest:

- `FAASBRIDGE_FUNCTION`: which function of the app this function app is, or which ones, with commas between them;
  `FAASBRIDGE_STAGE`: which stage, `dev` if unset.
- `faasbridge.json` in the artifact's folder (the host's script root, this package's or the working directory): where
  the app is.
- `FAASBRIDGE_INBOX_<FUNCTION>` (upper case, `_` for `-`): the queue that is the function's inbox, which the host reads
  with the connection `AzureWebJobsStorage`. `host.json` has `"extensions": {"http": {"routePrefix": ""}}`.
- `FAASBRIDGE_DEAD_LETTERS`: the URL of its poison queue, for what was rejected or failed its last attempt; with several
  functions `FAASBRIDGE_DEAD_LETTERS_<FUNCTION>`. `FAASBRIDGE_CLAIMS`: see `drivers.claim_check`.
- `FAASBRIDGE_<KIND>_<NAME>`, `FAASBRIDGE_DRIVERS`: see `bind`. What the handlers of changes and schedules need besides:
  see `forwarders`.

Only the functions' own modules and the drivers of their `uses` are imported, while the worker starts.
"""

from __future__ import annotations

import logging
import os

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.entry import runner_for
from faasbridge.errors import ConfigError, InvalidEvent
from faasbridge.http import Response

from . import forwarders, http, invoking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from faasbridge.adapter.delivery import DeadLetter
    from faasbridge.app import App
    from faasbridge.dispatch import Runner
    from faasbridge.resources import Resource

    Handler = Callable[..., Any]

SOURCE = "from faasbridge_azure.entry import app\n"
CONNECTION = "AzureWebJobsStorage"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_NO_LENGTH = "Azure passes on no body without a Content-Length: send one, instead of chunks."
log = logging.getLogger("faasbridge")


def handler_for(
    app: App,
    function_name: str,
    *,
    driver_of: Callable[[Resource], Any] | None = None,
    dead_letter: DeadLetter | None = None,
) -> Handler:
    """The callable `(native, context=None)` for one function of an app in memory; `native` is what the trigger bound.

    An api's takes an HttpRequest and gives an HttpResponse. Another function's takes any form that `events.decode`
    reads and raises what the handler raises, so that the host sends it again; for an HttpRequest, a webhook of Event
    Grid, it answers 200, 400 or 500 instead, and Event Grid's question whether the endpoint wants its events.

    `driver_of` gives a resource's driver; by default the ones that the function's environment describes. It is called
    here, for everything in the function's `uses`. `dead_letter(native, reason)`: see `delivery.Delivery`. Raises
    ConfigError.
    """
    runner = runner_for(app, function_name, __package__, driver_of)
    runner.warm()
    return _http(runner) if runner.api is not None else _events(runner, dead_letter)


def function_app(
    app: App,
    functions: Iterable[str] | None = None,
    *,
    driver_of: Callable[[Resource], Any] | None = None,
    dead_letter: DeadLetter | None = None,
    deployed: bool = False,
) -> Any:
    """An `azure.functions.FunctionApp` with the functions of these names, by default all of the app.

    An api is an anonymous HTTP trigger for everything below its prefix; any other function a queue trigger of its
    inbox, whose messages are bound as bytes. Async handlers run on the one loop that the process keeps. A deployed one
    has the forwarders of the functions, dead letters that the environment names, and `invoking`'s function besides.
    """
    import azure.functions as azure  # type: ignore[import-not-found, unused-ignore]

    built = azure.FunctionApp(http_auth_level=azure.AuthLevel.ANONYMOUS)
    runners: dict[str, Runner] = {}
    for name in [*app.apis, *app.functions] if functions is None else functions:
        runner = runner_for(app, name, __package__, driver_of)
        runner.warm()
        letters = _dead_letters(name) if deployed and dead_letter is None else dead_letter
        handler = _http(runner) if runner.api is not None else _events(runner, letters)
        api = app.apis.get(name)
        if api is not None:
            run = _bound(name, handler, azure.HttpRequest, azure)
            run.__annotations__["return"] = azure.HttpResponse
            route = f"{api.prefix.lstrip('/')}/{{*path}}".lstrip("/")
            run = built.route(route=route, trigger_arg_name="native", methods=_METHODS)(run)
        else:
            run = _bound(name, handler, azure.QueueMessage, azure)
            run = built.queue_trigger(
                arg_name="native",
                queue_name=f"%{inbox_setting(name)}%",
                connection=CONNECTION,
                data_type=azure.DataType.BINARY,
            )(run)
        built.function_name(name)(run)
        if deployed:
            runners[name] = runner
            if runner.function is not None:
                forwarders.add(built, runner.function)
    if deployed:
        invoking.add(built, runners)
    return built


def inbox_setting(function_name: str) -> str:
    """The app setting that names the function's inbox."""
    return f"FAASBRIDGE_INBOX_{_upper(function_name)}"


def _upper(function_name: str) -> str:
    return function_name.upper().replace("-", "_")


def load(folder: str, functions: Iterable[str], *, dead_letter: DeadLetter | None = None) -> Any:
    """The function app of these functions of an unpacked artifact.

    The worker says nothing of an error here and goes on with no function, so whatever it is goes to the log, and is
    raised as a ConfigError that says what to look for.
    """
    names = list(functions)
    logging.getLogger("azure").setLevel(logging.WARNING)  # else each request of an SDK is a line of the app's log
    try:
        from faasbridge.artifact import load as load_app

        app = load_app(folder, names[0] if len(names) == 1 else None)
        return function_app(app, names, dead_letter=dead_letter, deployed=True)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        log.critical("%s cannot start, its app cannot be loaded: %s", ", ".join(names), what, exc_info=True)
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"the app of {', '.join(names)} cannot be loaded: {what}") from error


def _http(runner: Runner) -> Handler:
    answer, decode, encode = runner.http, http.decode, http.encode

    def handle(native: Any, context: Any = None) -> Any:
        request = decode(native)
        if http.lost_its_body(request):
            return encode(Response({"error": _NO_LENGTH}, status=411), native)
        return encode(answer(request, id=_id(context)), native)

    return handle


def _events(runner: Runner, dead_letter: DeadLetter | None) -> Handler:
    from . import arrivals
    from .delivery import Delivery
    from .events import is_request

    delivery = Delivery(runner, dead_letter)

    def handle(native: Any, context: Any = None) -> Any:
        if is_request(native):
            return _webhook(delivery, native, _id(context))
        try:
            message = arrivals.opened(native)
        except InvalidEvent as error:
            if not delivery.unreadable(native, error):
                raise
            return None
        if delivery.deliver(message, _id(context)) and message is not native:
            message.handled()
        return None

    return handle


def _dead_letters(name: str) -> DeadLetter | None:
    url = os.environ.get(f"FAASBRIDGE_DEAD_LETTERS_{_upper(name)}") or os.environ.get("FAASBRIDGE_DEAD_LETTERS")
    if not url:
        return None
    from .dead_letters import DeadLetters

    return DeadLetters(url)


def _webhook(delivery: Any, native: Any, id: str | None) -> Any:
    from faasbridge.http import Response

    from . import handshake

    request = http.decode(native)
    asked = handshake.answer(request)
    if asked is not None:
        return http.encode(asked, native)
    status, error = delivery.webhook(request, id)
    return http.encode(Response({"error": error} if error else None, status=status), native)


def _bound(name: str, handler: Handler, kind: type, azure: Any) -> Any:
    """A function of the handler's, whose annotations tell the worker what to bind."""

    def run(native, context):  # type: ignore[no-untyped-def]  # the annotations follow
        return handler(native, context)

    run.__name__ = run.__qualname__ = name.replace("-", "_")
    run.__annotations__ = {"native": kind, "context": azure.Context}
    return run


def _id(context: Any) -> str | None:
    return getattr(context, "invocation_id", None) or None


def _folder() -> str:
    """The artifact's: the host says where its app is; this package lies in it, or in `.python_packages/lib/...`."""
    place = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    root = os.environ.get("AzureWebJobsScriptRoot") or place  # noqa: SIM112 - the host's spelling
    for folder in (root, place, os.path.dirname(os.path.dirname(os.path.dirname(place)))):
        if os.path.exists(f"{folder}/faasbridge.json"):
            return folder
    return os.getcwd()


def __getattr__(name: str) -> Any:
    # The worker imports function_app.py once, while it starts; importing this module anywhere else needs no artifact.
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    functions = [each.strip() for each in os.environ.get("FAASBRIDGE_FUNCTION", "").split(",") if each.strip()]
    if not functions:
        message = "FAASBRIDGE_FUNCTION is not set: it says which functions of the app this function app has"
        log.critical(message)
        raise ConfigError(message)
    return load(_folder(), functions)
