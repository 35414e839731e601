"""App and Api: declaring resources and handlers. What is wrong is refused at the line that says it."""

from __future__ import annotations

from ._typing import TYPE_CHECKING, overload
from .declaring import (
    EVENT_OPTIONS,
    TRIGGER_SETTINGS,
    caller,
    check_options,
    declaring_module,
    is_async,
    merge,
    rights_of,
    takes,
)
from .errors import ConfigError
from .resources.base import Resource
from .routing import METHODS, Route, Router

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Unpack

    from ._typing import (
        Authenticate,
        FunctionOptions,
        Item,
        MiddlewareFn,
        R,
        RouteHandler,
        TickHandler,
        TriggerOptions,
        Use,
    )
    from .dispatch import Runner
    from .resources import Bucket, Queue, Secret, Table, Topic
    from .spec import AppSpec


class Function:
    """A declared handler, or the routes of an api."""

    __slots__ = ("handler", "is_async", "location", "module", "name", "options", "resource", "rights", "trigger")

    def __init__(
        self,
        name: str,
        trigger: str,
        resource: Resource | None,
        handler: Callable[..., Any],
        options: dict[str, Any],
        *,
        module: str,
        location: str,
    ) -> None:
        self.name = name
        self.trigger = trigger
        self.resource = resource
        self.handler = handler
        self.is_async = is_async(handler)
        self.rights = rights_of(options.pop("uses", ()), location)
        self.options = options
        self.module = module
        self.location = location


class Api:
    """Routes that make one function and one endpoint."""

    def __init__(
        self,
        name: str,
        *,
        uses: Sequence[Use] = (),
        prefix: str = "",
        cors: Sequence[str] = (),
        auth: Authenticate | None = None,
        **options: Unpack[FunctionOptions],
    ) -> None:
        self.location = caller()
        self.module = ""
        self.app: App | None = None
        self.name = name
        self.prefix = prefix
        self.cors = tuple(cors)
        self.auth = auth
        self.options: dict[str, Any] = dict(options)
        self.rights = rights_of(uses, self.location)
        self.router = Router()
        check_options(self.options, ("memory_mb", "timeout_s"), self.location)
        if isinstance(cors, str):
            raise ConfigError(f"{self.location}: cors= takes a list of origins, such as [{cors!r}]")
        if auth is not None and not (callable(auth) and takes(auth, 1)):  # type: ignore[redundant-expr]
            raise ConfigError(f"{self.location}: auth= is a function from request to claims, or None, not {auth!r}")
        if prefix and (not prefix.startswith("/") or prefix.endswith("/") or "{" in prefix):
            raise ConfigError(
                f"{self.location}: prefix= starts with '/' and ends without, such as '/admin', not {prefix!r}"
            )

    def route(
        self, path: str, /, *, methods: Sequence[str] = ("GET",), uses: Sequence[Use] = (), public: bool = False
    ) -> Callable[[RouteHandler], RouteHandler]:
        """Routes requests of these methods to the handler: `(request, **path parameters) -> Reply`.

        `path`: `{x}`, `{x:int}`, `{x:uuid}` take one segment, `{x:path}` the rest; a static path wins over a
        parameter. `public` lets in requests without the api's `auth`. A GET route answers HEAD as well.
        """
        location = caller()
        if not isinstance(path, str):
            raise ConfigError(f"{location}: a route needs its path; write @app.get('/path') above the handler")
        if isinstance(methods, str) or not methods or any(method.upper() not in METHODS for method in methods):
            raise ConfigError(f"{location}: methods= is a list of {', '.join(METHODS)}, not {methods!r}")
        rights = rights_of(uses, location)
        module = declaring_module(self.app)

        def declare(handler: RouteHandler) -> RouteHandler:
            for method in methods:
                route = Route(method, self.prefix + path, handler, public=public, module=module, location=location)
                self.router.add(route)
            merge(self.rights, rights)
            return handler

        return declare

    def get(
        self, path: str, /, *, uses: Sequence[Use] = (), public: bool = False
    ) -> Callable[[RouteHandler], RouteHandler]:
        return self.route(path, methods=("GET",), uses=uses, public=public)

    def post(
        self, path: str, /, *, uses: Sequence[Use] = (), public: bool = False
    ) -> Callable[[RouteHandler], RouteHandler]:
        return self.route(path, methods=("POST",), uses=uses, public=public)

    def put(
        self, path: str, /, *, uses: Sequence[Use] = (), public: bool = False
    ) -> Callable[[RouteHandler], RouteHandler]:
        return self.route(path, methods=("PUT",), uses=uses, public=public)

    def patch(
        self, path: str, /, *, uses: Sequence[Use] = (), public: bool = False
    ) -> Callable[[RouteHandler], RouteHandler]:
        return self.route(path, methods=("PATCH",), uses=uses, public=public)

    def delete(
        self, path: str, /, *, uses: Sequence[Use] = (), public: bool = False
    ) -> Callable[[RouteHandler], RouteHandler]:
        return self.route(path, methods=("DELETE",), uses=uses, public=public)


class App(Api):
    """Declares resources and handlers. Its own routes make the function `http`.

    `uses=`, `cors=`, `auth=`, `memory_mb=` and `timeout_s=` are those of its routes.
    """

    def __init__(
        self,
        name: str,
        *,
        uses: Sequence[Use] = (),
        cors: Sequence[str] = (),
        auth: Authenticate | None = None,
        **options: Unpack[FunctionOptions],
    ) -> None:
        super().__init__("http", uses=uses, cors=cors, auth=auth, **options)
        self.app = self
        self.app_name = name
        self.module = declaring_module(None)
        self.resources: dict[tuple[str, str], Resource] = {}
        self.functions: dict[str, Function] = {}
        self.apis: dict[str, Api] = {"http": self}
        self.modules: dict[str, str] = {}
        """Included module -> where that is said."""
        self.chain: list[Callable[..., Any]] = []
        self.chain_modules: list[str] = []
        self.chain_rights: dict[Resource, frozenset[str]] = {}
        self.bound: Callable[[Resource], Any] | None = None
        """Drivers for use outside of an invocation: set by the `cloud` fixture, `faasbridge shell` and `run`."""
        self.runners: list[Runner] = []
        """What runs functions of this app in this process."""
        self.message_bytes: int | None = None
        """The floor of the targets for a message's size; set where the app is run."""

    def include(self, *modules: str) -> None:
        """Modules whose handlers belong to this app: imported when the app is read; deployed, only those of the
        function."""
        location = caller()
        for module in modules:
            if not isinstance(module, str) or module.startswith("."):  # type: ignore[redundant-expr]
                raise ConfigError(
                    f"{location}: include takes modules by their full names, such as 'shop.jobs', not {module!r}"
                )
            self.modules.setdefault(module, location)

    def load(self, modules: Sequence[str] | None = None) -> App:
        """Imports the included modules, or just these. Raises ConfigError for one that is not there."""
        from importlib import import_module

        for module in self.modules if modules is None else modules:
            try:
                import_module(module)
            except ModuleNotFoundError as error:
                if not error.name or not f"{module}.".startswith(f"{error.name}."):
                    raise
                location = self.modules.get(module) or self.location
                raise ConfigError(
                    f"{location}: the app includes {module!r}, but there is no module {error.name!r}"
                ) from None
        return self

    def spec(self) -> AppSpec:
        """The neutral model, validated, with all included modules loaded. Raises ConfigError that names every
        mistake. Tool time only."""
        from .validate import spec_of

        return spec_of(self.load())

    def add(self, resource: R) -> R:
        """Declares a resource, a third party's kind included."""
        location = resource.location or caller()
        key = resource.kind, resource.name
        if key in self.resources:
            raise ConfigError(
                f"{location}: {resource.kind} {resource.name!r} is declared already at "
                f"{self.resources[key].location}; share that object instead"
            )
        self.resources[key] = resource
        resource.app = self
        resource.location = location
        return resource

    def bucket(self, name: str, *, existing: bool = False) -> Bucket:
        """A bucket. `existing`: it is there already, under the name in
        `[tool.faasbridge.stages.<stage>.<provider>.existing]`."""
        from .resources.bucket import Bucket

        return self.add(Bucket(name, existing=existing))

    def table(
        self,
        name: str,
        *,
        key: str,
        sort_key: str | None = None,
        indexes: Mapping[str, tuple[str, str]] | None = None,
        item: type[Item] | None = None,
        existing: bool = False,
    ) -> Table[Item]:
        """A table. `indexes`: name -> (key field, sort field), both strings in the rows. `item`: a TypedDict for
        checkers."""
        from .resources.table import Table

        options: dict[str, Any] = {"key": key}
        if sort_key is not None:
            options["sort_key"] = sort_key
        if indexes is not None and not hasattr(indexes, "items"):
            raise ConfigError(
                f"{caller()}: indexes= maps a name to its pair of fields, such as "
                f"{{'by_album': ('album', 'uploaded_at')}}, not {indexes!r}"
            )
        for index, names in (indexes or {}).items():
            if not isinstance(names, (list, tuple)):
                raise ConfigError(
                    f"{caller()}: index {index!r} is a pair of fields, such as ('album', 'uploaded_at'), not {names!r}"
                )
            options.setdefault("indexes", {})[index] = list(names)
        return self.add(Table(name, existing=existing, **options))

    def queue(self, name: str, *, max_attempts: int = 5, ordered: bool = False, existing: bool = False) -> Queue:
        """A queue. `max_attempts`: for its handler, which may say otherwise. `ordered`: one at a time, in the order
        sent."""
        from .resources.queue import Queue

        return self.add(Queue(name, existing=existing, max_attempts=max_attempts, ordered=ordered))

    def topic(self, name: str, *, ordered: bool = False, existing: bool = False) -> Topic:
        """A topic: each message goes to every handler."""
        from .resources.queue import Topic

        return self.add(Topic(name, existing=existing, ordered=ordered))

    def secret(self, name: str) -> Secret:
        from .resources.secret import Secret

        return self.add(Secret(name))

    def api(
        self,
        name: str,
        *,
        prefix: str = "",
        uses: Sequence[Use] = (),
        cors: Sequence[str] = (),
        auth: Authenticate | None = None,
        **options: Unpack[FunctionOptions],
    ) -> Api:
        """Another function and endpoint with routes of its own, all of them below `prefix`."""
        api = Api(name, prefix=prefix, uses=uses, cors=cors, auth=auth, **options)
        self._check_new(name, api.location)
        api.app = self
        api.module = declaring_module(self)
        self.apis[name] = api
        return api

    def schedule(
        self, cron: str, /, *, timezone: str = "UTC", uses: Sequence[Use] = (), **options: Unpack[TriggerOptions]
    ) -> Callable[[TickHandler], TickHandler]:
        """Calls the handler with a Tick at the times of a five-field cron expression, in that IANA time zone."""
        if not isinstance(cron, str):
            raise ConfigError(
                f"{caller()}: a schedule needs its cron expression; write @app.schedule('0 3 * * *') above the handler"
            )
        return self._handler("tick", None, None, {"cron": cron, "timezone": timezone, "uses": uses, **options})  # type: ignore[no-any-return]

    @overload
    def middleware(self, fn: MiddlewareFn, /) -> MiddlewareFn: ...
    @overload
    def middleware(self, /, *, uses: Sequence[Use] = ...) -> Callable[[MiddlewareFn], MiddlewareFn]: ...
    def middleware(self, fn: Any = None, /, *, uses: Sequence[Use] = ()) -> Any:
        """Wraps every invocation: a plain `def` of `(event, call_next)`, the first declared outermost, around async
        handlers too.

        Around an HTTP handler `call_next` gives a Response; around an event handler None, or raises what the handler
        raised.
        """
        location = caller()
        rights = rights_of(uses, location)
        module = declaring_module(self)

        def declare(fn: Any) -> Any:
            if not callable(fn):
                raise ConfigError(f"{location}: middleware is a function of (event, call_next), not {fn!r}")
            if is_async(fn):
                raise ConfigError(
                    f"{location}: middleware {fn.__qualname__} is a plain def; call_next waits for async handlers"
                )
            if not takes(fn, 2):
                raise ConfigError(
                    f"{location}: middleware {fn.__qualname__} is called with (event, call_next); give it both "
                    "parameters"
                )
            self.chain.append(fn)
            self.chain_modules.append(module)
            merge(self.chain_rights, rights)
            return fn

        return declare if fn is None else declare(fn)

    def _handler(self, trigger: str, resource: Resource | None, handler: Any, options: dict[str, Any]) -> Any:
        location = caller()
        module = declaring_module(self)
        check_options(options, (*EVENT_OPTIONS, *TRIGGER_SETTINGS.get(trigger, tuple(options))), location)

        def declare(handler: Any) -> Any:
            if not callable(handler):
                raise ConfigError(
                    f"{location}: this decorator stands above a function and takes options by name only, "
                    f"not {handler!r}"
                )
            given = dict(options)
            name = given.pop("name", None) or getattr(handler, "__name__", "<nameless>")
            if name[:1] == "<":
                raise ConfigError(
                    f"{location}: a handler that is no plain `def` has no name of its own; give it a name="
                )
            self._check_new(name, location)
            self.functions[name] = Function(name, trigger, resource, handler, given, module=module, location=location)
            return handler

        return declare if handler is None else declare(handler)

    def _check_new(self, name: str, location: str) -> None:
        if name in self.functions:
            raise ConfigError(
                f"{location}: function {name!r} is declared already at {self.functions[name].location}; "
                "give this one a name="
            )
        if name in self.apis:
            raise ConfigError(
                f"{location}: function {name!r} is the api of that name already; give this one another name"
            )
