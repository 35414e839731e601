"""App -> AppSpec: every mistake that shows without running the app, collected into one ConfigError. Tool time only."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .app import Api, App, Function
from .declaring import TRIGGER_SETTINGS
from .errors import ConfigError
from .resources import Queue, Resource, Table
from .schedules import cron_mistake, timezone_mistake
from .spec import AppSpec, FunctionSpec, ResourceSpec, Right, RouteSpec, Trigger

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_FUNCTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_KIND = re.compile(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*")
_NAME_RULE = (
    "is no name that every vendor takes: use a-z, 0-9 and single hyphens, a letter first, at most 40 characters"
)
_FUNCTION_RULE = (
    "is no name that every vendor takes: use letters, digits, hyphens and underscores, a letter first, at "
    "most 40 characters"
)
_RANGES: Mapping[str, tuple[float, float]] = {
    "memory_mb": (64, 32_768),
    "timeout_s": (0.1, 3_600),
    "max_attempts": (1, 100),
    "batch_size": (1, 10_000),
    "wait_s": (0, 300),
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "message": {"batch_size": 10},
    "batch": {"batch_size": 100, "wait_s": 1},
    "create": {"prefix": "", "suffix": ""},
    "delete": {"prefix": "", "suffix": ""},
}
_OWN = ("uses", "name", "memory_mb", "timeout_s", "max_attempts")


def spec_of(app: App, root: Path | None = None) -> AppSpec:
    """The neutral model of a loaded app. Locations are relative to `root`, the app's project where it is not given.

    Raises ConfigError with a line for every mistake, each beginning with its file and line.
    """
    return _Reader(app, root or project_root(app.module)).read()


def project_root(module: str) -> Path | None:
    """The folder that a loaded module's project lives in: the nearest with a pyproject.toml, else the one it is
    imported from."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    for folder in path.parents:
        if (folder / "pyproject.toml").is_file():
            return folder
    return path.parents[min(module.count(".") + (path.name == "__init__.py"), len(path.parents) - 1)]


class _Reader:
    def __init__(self, app: App, root: Path | None) -> None:
        self.app = app
        self.prefix = "" if root is None else f"{root}/"
        self.mistakes: list[tuple[str, str]] = []

    def read(self) -> AppSpec:
        app = self.app
        self._name("app", app.app_name, app.location)
        self._names_of_functions()
        self._handlers_of_queues()
        resources = [self._resource(r) for r in app.resources.values()]
        functions = [self._function(f) for f in app.functions.values()]
        functions += [self._api(api) for api in app.apis.values() if api is not app or api.router.routes()]
        if self.mistakes:
            lines = sorted(
                {f"{location}: {text}" if location else text for location, text in self.mistakes}, key=_by_place
            )
            raise ConfigError("\n".join(lines))
        return AppSpec(
            name=app.app_name,
            module=app.module,
            resources=tuple(sorted(resources, key=lambda r: (r.kind, r.name))),
            functions=tuple(sorted(functions, key=lambda f: f.name)),
        )

    def _wrong(self, location: str, text: str) -> None:
        self.mistakes.append((self._place(location), text))

    def _place(self, location: str) -> str:
        return location.removeprefix(self.prefix)

    def _name(self, what: str, name: object, location: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or "--" in name:
            self._wrong(location, f"{what} {name!r} {_NAME_RULE}")

    def _names_of_functions(self) -> None:
        taken: dict[str, str] = {}
        declared = [(api.name, api.location) for api in self.app.apis.values()]
        declared += [(function.name, function.location) for function in self.app.functions.values()]
        for name, location in declared:
            deployed = name.lower().replace("_", "-")
            if deployed in taken:
                self._wrong(
                    location,
                    f"functions {taken[deployed]!r} and {name!r} have one name once they are deployed; rename one",
                )
            taken.setdefault(deployed, name)

    def _handlers_of_queues(self) -> None:
        handlers: dict[Resource, list[Function]] = defaultdict(list)
        for function in self.app.functions.values():
            if isinstance(function.resource, Queue):
                handlers[function.resource].append(function)
        for queue, functions in handlers.items():
            for function in functions[1:]:
                first = f"{functions[0].name} ({self._place(functions[0].location)})"
                text = (
                    f"queue {queue.name!r} has the handler {first} already; a topic has several handlers, a "
                    "queue has one"
                )
                self._wrong(function.location, text)
            parent = queue.options.get("dead_letters_of")
            if parent is not None and not any(of.name == parent for of in handlers):
                text = f"queue {parent!r} has no handler, so nothing ever comes to its dead letters; give it one"
                self._wrong(functions[0].location, text)

    def _resource(self, resource: Resource) -> ResourceSpec:
        location, name = resource.location, resource.name
        if not _KIND.fullmatch(str(resource.kind)):
            self._wrong(location, f"the kind {resource.kind!r} of {name!r} is no kind such as 'acme.cache'")
        if "dead_letters_of" not in resource.options or not isinstance(resource, Queue):
            self._name(resource.kind, name, location)
            if isinstance(resource, Queue) and str(name).endswith("-dead"):
                text = (
                    f"queue {name!r}: names that end in '-dead' are those of dead letters; use the queue's "
                    ".dead_letters"
                )
                self._wrong(location, text)
        if isinstance(resource, Table):
            self._table(resource)
        if isinstance(resource, Queue) and "max_attempts" in resource.options:
            self._in_range("max_attempts", resource.options["max_attempts"], location)
        options = self._json(resource.options, f"the options of {resource.kind} {name!r}", location)
        return ResourceSpec(resource.kind, name, options, bool(resource.existing), self._place(location))

    def _table(self, table: Resource) -> None:
        what, location = f"table {table.name!r}", table.location
        key, sort_key = table.options.get("key"), table.options.get("sort_key")
        for field, given in (("key", key), ("sort_key", sort_key)):
            if (given is not None or field == "key") and not (isinstance(given, str) and given):
                self._wrong(location, f"{what}: {field}= is the name of a field, not {given!r}")
        if key == sort_key:
            self._wrong(location, f"{what}: key= and sort_key= are both {key!r}; they must be two fields")
        for index, names in (table.options.get("indexes") or {}).items():
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", str(index)):
                self._wrong(location, f"{what}: index {index!r} {_FUNCTION_RULE}")
            if len(names) != 2 or not all(isinstance(name, str) and name for name in names) or names[0] == names[1]:
                text = (
                    f"{what}: index {index!r} is a pair of two fields, such as ('album', 'uploaded_at'), not "
                    f"{tuple(names)!r}"
                )
                self._wrong(location, text)

    def _function(self, function: Function) -> FunctionSpec:
        location, options, what = function.location, function.options, f"function {function.name!r}"
        if not _FUNCTION.fullmatch(function.name):
            self._wrong(location, f"{what} {_FUNCTION_RULE}")
        elif function.name.lower().replace("_", "-").endswith("-dead"):
            self._wrong(location, f"{what}: names that end in '-dead' are those of dead letters; give it another name=")
        self._parameters(function.handler, location)
        source = function.resource
        if source is not None and source.app is not self.app:
            self._wrong(location, f"{what} handles events of {source.kind} {source.name!r}, which is not of this app")
        kind = function.trigger
        settings = {**_DEFAULTS.get(kind, {}), **{k: v for k, v in options.items() if k in _settings(kind, options)}}
        if kind == "tick":
            self._schedule(settings, location)
        max_attempts = 5
        if isinstance(source, Queue):
            max_attempts = source.options.get("max_attempts", 5)
        if "max_attempts" in options:
            max_attempts = self._in_range("max_attempts", options["max_attempts"], location)
        for setting in ("batch_size", "wait_s"):
            if setting in settings:
                self._in_range(setting, settings[setting], location)
        return FunctionSpec(
            name=function.name,
            trigger=Trigger(
                kind,
                "" if source is None else source.kind,
                "" if source is None else source.name,
                self._json(settings, f"the settings of {what}", location),
            ),
            rights=self._rights(function.rights, location),
            memory_mb=self._in_range("memory_mb", options.get("memory_mb", 256), location),
            timeout_s=float(self._in_range("timeout_s", options.get("timeout_s", 60), location)),
            max_attempts=max_attempts,
            handler=_qualname(function.handler),
            modules=self._modules([function.module]),
            is_async=function.is_async,
            options=self._vendors(options, what, location),
            location=self._place(location),
        )

    def _api(self, api: Api) -> FunctionSpec:
        location, options, what = api.location, api.options, f"api {api.name!r}"
        self._name("api", api.name, location)
        routes = sorted(api.router.routes(), key=lambda route: (route.path, route.method))
        for route in routes:
            if route.path.startswith("/_faasbridge/"):
                self._wrong(
                    route.location, f"{route.path!r}: paths below /_faasbridge/ are FaaSBridge's own; choose another"
                )
            if any(character in route.path for character in "%?#"):
                text = f"{route.path!r} can never be reached: write the path decoded, without a query"
                self._wrong(route.location, text)
        return FunctionSpec(
            name=api.name,
            trigger=Trigger("http", settings={"prefix": api.prefix, "cors": list(api.cors)}),
            rights=self._rights(api.rights, location),
            memory_mb=self._in_range("memory_mb", options.get("memory_mb", 256), location),
            timeout_s=float(self._in_range("timeout_s", options.get("timeout_s", 30), location)),
            modules=self._modules([api.module, *(route.module for route in routes)]),
            routes=tuple(
                RouteSpec(r.method, r.path, _qualname(r.handler), r.module, r.public, self._place(r.location))
                for r in routes
            ),
            options=self._vendors(options, what, location),
            location=self._place(location),
        )

    def _modules(self, modules: list[str]) -> tuple[str, ...]:
        return tuple(sorted({*modules, *self.app.chain_modules} - {self.app.module}))

    def _rights(self, rights: Mapping[Resource, frozenset[str]], location: str) -> tuple[Right, ...]:
        found = set()
        for held in (rights, self.app.chain_rights):
            for resource, operations in held.items():
                if resource.app is not self.app:
                    if resource.app is None:
                        why = "belongs to no app; hand it to app.add()"
                    else:
                        why = f"belongs to the app {resource.app.app_name!r}"
                    self._wrong(location, f"uses= names {resource.kind} {resource.name!r}, which {why}")
                found |= {Right(resource.kind, resource.name, operation) for operation in operations}
        return tuple(sorted(found, key=lambda right: (right.kind, right.name, right.operation)))

    def _in_range(self, option: str, value: Any, location: str) -> Any:
        low, high = _RANGES[option]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            self._wrong(location, f"{option}= lies between {low:,} and {high:,}, not {value!r}")
            return low
        return value

    def _schedule(self, settings: Mapping[str, Any], location: str) -> None:
        for mistake in (cron_mistake(settings["cron"]), timezone_mistake(settings["timezone"])):
            if mistake is not None:
                self._wrong(location, mistake)

    def _parameters(self, handler: Callable[..., Any], location: str) -> None:
        """A handler is called with its event alone."""
        try:
            parameters = list(inspect.signature(handler).parameters.values())
        except (TypeError, ValueError):
            return
        what = f"handler {_qualname(handler)}"
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
        if not positional:
            self._wrong(location, f"{what} takes the event as its first parameter; add one")
        for parameter in parameters:
            required = parameter.default is parameter.empty and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            )
            if required and parameter is not next(iter(positional), None):
                text = (
                    f"{what} is called with its event alone; give the parameter {parameter.name} a default or remove it"
                )
                self._wrong(location, text)

    def _vendors(self, options: Mapping[str, Any], what: str, location: str) -> Mapping[str, Mapping[str, Any]]:
        vendors = {name: value for name, value in options.items() if isinstance(value, dict) and name not in _OWN}
        return self._json(vendors, f"the vendor options of {what}", location)

    def _json(self, value: Mapping[str, Any], what: str, location: str) -> dict[str, Any]:
        """As it comes back from JSON, so that a spec equals the one that is read from its manifest."""
        try:
            return json.loads(json.dumps(value, allow_nan=False))  # type: ignore[no-any-return]
        except (TypeError, ValueError) as error:
            self._wrong(location, f"{what} cannot be written as JSON: {error}")
            return {}


def _settings(kind: str, options: Mapping[str, Any]) -> Iterator[str]:
    """The trigger's own options; all but the common and the vendors' where a third party's kind names none."""
    known = TRIGGER_SETTINGS.get(kind)
    if known is not None:
        yield from known
    else:
        yield from (name for name, value in options.items() if name not in _OWN and not isinstance(value, dict))


def _qualname(handler: Callable[..., Any]) -> str:
    return str(
        getattr(handler, "__qualname__", None) or getattr(handler, "__name__", None) or type(handler).__qualname__
    )


def _by_place(line: str) -> tuple[str, int, str]:
    match = re.match(r"(.*?):(\d+): ", line)
    return (match[1], int(match[2]), line) if match else ("", 0, line)
