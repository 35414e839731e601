"""One invocation: middleware, handler, batches, failures. Every adapter ends here; nothing in it is a vendor's."""

from __future__ import annotations

import logging
from _contextvars import ContextVar  # what `contextvars` has, without a file more to read at a cold start
from os import environ, urandom
from time import monotonic

from ._typing import TYPE_CHECKING
from .declaring import merge
from .errors import ConfigError, HTTPError, PermissionDenied, Reject
from .http import Response, checked_status, to_json
from .routing import METHODS, MethodNotAllowed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .app import App
    from .events import Event
    from .http import Request
    from .resources.base import Resource
    from .routing import Route

    Answer = tuple[int, list[tuple[str, str]], bytes]

log = logging.getLogger("faasbridge")
_current: ContextVar[Invocation] = ContextVar("faasbridge_invocation")
_PREFIX = urandom(5).hex()


class Invocation:
    """What is running: `function`, `stage`, `provider`, `id` (also in the log of a failure), `attempt` (from 1),
    `cold` (the process's first)."""

    __slots__ = ("_deadline", "_fault", "_route", "_runner", "attempt", "cold", "function", "id", "provider", "stage")

    def __init__(self, runner: Runner, id: str | None, attempt: int, timeout_s: float | None) -> None:
        self._runner = runner
        self._deadline = monotonic() + (runner.timeout_s if timeout_s is None else timeout_s)
        self._route: Route | None = None
        self._fault: HTTPError | None = None
        self.function = runner.name
        self.stage = runner.stage
        self.provider = runner.provider
        self.attempt = attempt
        self.cold = runner.count == 0
        runner.count += 1
        self.id = id or f"{_PREFIX}{runner.count:06x}"

    @property
    def remaining_ms(self) -> int:
        """Milliseconds until the time-out, 0 when it is past."""
        return max(0, int((self._deadline - monotonic()) * 1000))


class Failure:
    """An event that was not handled. `rejected`: it goes to the dead letters without another attempt."""

    __slots__ = ("error", "event", "rejected")

    def __init__(self, event: Event, error: BaseException) -> None:
        self.event = event
        self.error = error
        self.rejected = isinstance(error, Reject)


def invocation() -> Invocation:
    """The current invocation. Raises ConfigError outside of one."""
    current = _current.get(None)
    if current is None:
        raise ConfigError("faasbridge.invocation() is there only while a handler runs")
    return current


def driver_for(resource: Resource, right: str) -> Any:
    """The driver of a resource, once the running function's rights are checked."""
    current = _current.get(None)
    if current is not None and current._runner.app is resource.app:
        return current._runner.driver_for(resource, right)
    if resource.app is not None:
        if resource.app.bound is not None:
            return resource.app.bound(resource)
        if "FAASBRIDGE_BIND" in environ:
            from .autobind import bind

            return bind(resource.app, environ["FAASBRIDGE_BIND"])(resource)
        runner = _runner_of_thread(resource.app)
        if runner is not None:
            return runner.driver_for(resource, right)
    raise ConfigError(f"{resource.kind} {resource.name!r} is used outside of an invocation; use it inside a handler")


def _runner_of_thread(app: App) -> Runner | None:
    """A thread that a handler started has no current invocation; where the process runs one function it is that
    one's."""
    from threading import current_thread, main_thread

    return app.runners[0] if len(app.runners) == 1 and current_thread() is not main_thread() else None


class Runner:
    """Runs one function of an app. `driver_of` gives a resource's driver; what it gives is kept."""

    def __init__(
        self,
        app: App,
        function: str,
        *,
        provider: str,
        stage: str,
        driver_of: Callable[[Resource], Any],
        timeout_s: float | None = None,
    ) -> None:
        self.app = app
        self.name = function
        self.provider = provider
        self.stage = stage
        self.count = 0
        self.api = app.apis.get(function)
        declared = app.functions.get(function)
        if self.api is None and declared is None:
            from .suggest import nearest

            raise ConfigError(
                f"app {app.app_name!r} has no function {function!r}{nearest(function, [*app.apis, *app.functions])}"
            )
        self.function = declared
        self._of = driver_of
        self._drivers: dict[Resource, Any] = {}
        self.out_of_memory = False
        """A route's handler raised MemoryError: what is left of the process should not be trusted."""
        self.rights = dict((self.api or declared).rights)  # type: ignore[union-attr]
        merge(self.rights, app.chain_rights)
        self.location = (self.api or declared).location  # type: ignore[union-attr]
        options = (self.api or declared).options  # type: ignore[union-attr]
        self.timeout_s: float = timeout_s or options.get("timeout_s") or (30.0 if self.api else 60.0)
        self._call: Callable[[Any], Any] = self._routed if self.api else self._handled
        if self.api and app.chain:
            self._call = _as_response(self._routed)
        for middleware in reversed(app.chain):
            self._call = _wrap(middleware, self._call)
            if self.api:
                self._call = _as_response(self._call)
        app.runners.append(self)

    def http(self, request: Request, *, id: str | None = None, timeout_s: float | None = None) -> Answer:
        """Status, headers and body for a request; never raises but for an exit. With `request.claims` the api's
        `auth` is past."""
        current = Invocation(self, id, 1, timeout_s)
        token = _current.set(current)
        assert self.api is not None
        origin = request.headers.get("origin") if self.api.cors else None
        try:
            if (
                origin is not None
                and request.method == "OPTIONS"
                and "access-control-request-method" in request.headers
            ):
                return self._preflight(request, origin)
            try:
                try:
                    status, headers, body = self._respond(request, current)
                except HTTPError as error:
                    status, headers, body = _error(error)
            except Exception as error:
                self.out_of_memory = self.out_of_memory or isinstance(error, MemoryError)
                log.exception("%s failed: %s %s (id %s)", self.name, request.method, request.path, current.id)
                body = to_json({"error": "Internal Server Error", "id": current.id}).encode()
                status, headers = 500, [("content-type", "application/json")]
        finally:
            _current.reset(token)
        if self.api.cors:
            self._allow(origin, headers)
        if status == 204 or status == 304:
            body = b""
        elif request.method == "HEAD":
            if not any(name == "content-length" for name, _ in headers):
                headers.append(("content-length", str(len(body))))
            body = b""
        return status, headers, body

    def deliver(
        self,
        events: Sequence[Event],
        *,
        attempts: Sequence[int] = (),
        id: str | None = None,
        timeout_s: float | None = None,
    ) -> list[Failure]:
        """Hands events to the handler: a batch at once, anything else one by one; exactly the failed ones come back."""
        assert self.function is not None
        if self.function.trigger == "batch":
            attempt = max(attempts or [getattr(event, "attempt", 1) for event in events], default=1)
            return self._deliver_batch(events, attempt, id, timeout_s)
        failures = []
        for i, event in enumerate(events):
            attempt = attempts[i] if attempts else getattr(event, "attempt", 1)
            try:
                self.invoke(event, attempt=attempt, id=id, timeout_s=timeout_s)
            except Reject as error:
                log.warning("%s rejected event %s: %s", self.name, event.id, error)
                failures.append(Failure(event, error))
            except Exception as error:
                log.exception("%s failed on event %s, attempt %d", self.name, event.id, attempt)
                failures.append(Failure(event, error))
        return failures

    def invoke(self, event: Any, *, attempt: int = 1, id: str | None = None, timeout_s: float | None = None) -> Any:
        """The handler's value for one event, middleware included; raises what it raises."""
        token = _current.set(Invocation(self, id, attempt, timeout_s))
        try:
            return self._call(event)
        finally:
            _current.reset(token)

    def driver_for(self, resource: Resource, right: str) -> Any:
        if right not in self.rights.get(resource, ()):
            raise PermissionDenied(
                f"function {self.name!r} may not call {right} on {resource.kind} {resource.name!r}: "
                f"{self._line_to_add(resource, right)}"
            )
        driver = self._drivers.get(resource)
        if driver is None:
            driver = self._drivers[resource] = self._of(resource)
        return driver

    def warm(self) -> None:
        """Makes the drivers that the function may use, so that the first event does not wait for them."""
        for resource in self.rights:
            if resource not in self._drivers:
                self._drivers[resource] = self._of(resource)

    def _line_to_add(self, resource: Resource, right: str) -> str:
        import sys

        current = _current.get(None)
        place = (current._route if current is not None else None) or self
        handler: Any = place.handler if place is not self else self.function and self.function.handler  # type: ignore[union-attr]
        location = place.location
        for folder in sorted(filter(None, sys.path), key=len, reverse=True):
            if location.startswith(f"{folder}/"):
                location = location[len(folder) + 1 :]
                break
        names = [name for name, value in getattr(handler, "__globals__", {}).items() if value is resource]
        variable = names[0] if names else resource.name.replace("-", "_")
        return f"add {variable}.{right} to uses= of {getattr(handler, '__name__', self.name)} ({location})"

    def _deliver_batch(
        self, events: Sequence[Any], attempt: int, id: str | None, timeout_s: float | None
    ) -> list[Failure]:
        from .resources.queue import Batch

        batch = Batch(events)
        try:
            self.invoke(batch, attempt=attempt, id=id, timeout_s=timeout_s)
        except Exception as error:
            log.exception("%s failed on a batch of %d", self.name, len(events))
            return [Failure(event, error) for event in events]
        failures = []
        for i, reason in sorted(batch.failures.items()):
            fault = reason if isinstance(reason, BaseException) else RuntimeError(reason or "failed by the handler")
            log.warning("%s failed event %s: %s", self.name, events[i].id, fault)
            failures.append(Failure(events[i], fault))
        return failures

    def _handled(self, event: Any) -> Any:
        result = self.function.handler(event)  # type: ignore[union-attr]
        return _awaited(result, _current.get()) if hasattr(result, "__await__") else result

    def _respond(self, request: Request, current: Invocation) -> Answer:
        api = self.api
        assert api is not None
        try:
            route, request.path_params = api.router.match(request.method, request.path, request.raw_path)
        except HTTPError as fault:
            current._fault = fault
        else:
            current._route = route
            if api.auth is not None and not route.public and not request.claims:
                claims: Any = api.auth(request)
                if hasattr(claims, "__await__"):
                    claims = _awaited(claims, current)
                if claims is None:
                    return _error(HTTPError(401, "Unauthorized"), ("www-authenticate", "Bearer"))
                if not hasattr(claims, "keys"):  # False, say, must not let anybody in
                    raise TypeError(f"auth= returns a mapping of claims, or None to refuse, not {claims!r}")
                request.claims = claims
        reply = self._call(request)
        kind = type(reply)
        if kind is dict or kind is list:
            return 200, [("content-type", "application/json")], to_json(reply).encode()
        return _response(reply).finish()

    def _routed(self, request: Any) -> Any:
        current = _current.get()
        route = current._route
        if route is None:
            fault = current._fault
            assert fault is not None
            if request.method == "OPTIONS" and isinstance(fault, MethodNotAllowed):
                return Response(status=204, headers={"allow": fault.allow})
            raise fault
        reply = route.handler(request, **request.path_params)
        return _awaited(reply, current) if hasattr(reply, "__await__") else reply

    def _cors(self, origin: str | None) -> list[tuple[str, str]]:
        """What lets a page of that origin read the answer; nothing where the api does not name it."""
        allowed = self.api.cors  # type: ignore[union-attr]
        if "*" in allowed:
            return [("access-control-allow-origin", "*")] if origin is not None else []
        if origin is None or origin not in allowed:
            return []
        return [("access-control-allow-origin", origin), ("access-control-allow-credentials", "true")]

    def _allow(self, origin: str | None, headers: list[tuple[str, str]]) -> None:
        names = [name for name, _ in headers]
        if "access-control-allow-origin" not in names:
            headers += self._cors(origin)
        if "*" not in self.api.cors:  # type: ignore[union-attr]
            if "vary" in names:
                i = names.index("vary")
                headers[i] = ("vary", f"{headers[i][1]}, Origin")
            else:
                headers.append(("vary", "Origin"))

    def _preflight(self, request: Request, origin: str) -> Answer:
        headers = self._cors(origin)
        if headers:
            headers.append(("access-control-allow-methods", ", ".join(METHODS)))
            wanted = request.headers.get("access-control-request-headers")
            if wanted:
                headers.append(("access-control-allow-headers", wanted))
            headers.append(("access-control-max-age", "600"))
        headers.append(("vary", "Origin, Access-Control-Request-Headers"))
        return 204, headers, b""


def _awaited(awaitable: Any, current: Invocation) -> Any:
    from .warm_loop import run_async  # nothing that a cold start without async handlers needs

    return run_async(awaitable, current._deadline)


def _wrap(middleware: Callable[..., Any], inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda event: middleware(event, inner)


def _as_response(routed: Callable[[Any], Any]) -> Callable[[Any], Response]:
    """Around the handler and each middleware, so that the next one out sees a Response for an HTTPError as well."""

    def call(request: Any) -> Response:
        try:
            return _response(routed(request))
        except HTTPError as error:
            status, headers, body = _error(error)
            return Response(body, status=status, headers=dict(headers))

    return call


def _response(reply: Any) -> Response:
    if isinstance(reply, Response):
        return reply
    if reply is None:
        return Response(status=204)
    if isinstance(reply, (dict, list, str, bytes, tuple)) or hasattr(reply, "keys"):
        return Response(dict(reply) if hasattr(reply, "keys") else reply)
    raise TypeError(f"a handler returns dict, list, str, bytes, Response or None, not {type(reply).__name__}")


def _error(error: HTTPError, *headers: tuple[str, str]) -> Answer:
    allow = (("allow", error.allow),) if isinstance(error, MethodNotAllowed) else ()
    body = to_json({"error": error.detail or str(error.status)}).encode(errors="replace")
    return checked_status(error.status), [("content-type", "application/json"), *allow, *headers], body
