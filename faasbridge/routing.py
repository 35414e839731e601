"""Routing: which handler a method and a path belong to. The order of declaration never matters."""

from __future__ import annotations

from ._typing import TYPE_CHECKING
from .errors import ConfigError, HTTPError
from .http import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any
    from uuid import UUID

CONVERTERS = ("str", "int", "uuid", "path")


class Route:
    """One method and path with its handler."""

    __slots__ = ("handler", "location", "method", "module", "params", "path", "public", "segments")

    def __init__(
        self,
        method: str,
        path: str,
        handler: Callable[..., Any],
        *,
        public: bool = False,
        module: str = "",
        location: str = "",
    ) -> None:
        self.method = method.upper()
        self.path = path
        self.handler = handler
        self.public = public
        self.location = location
        self.module = module
        if not path.startswith("/"):
            raise ConfigError(f"{location}: a path starts with '/', not {path!r}")
        self.segments = path[1:].split("/")
        self.params = [s[1:-1].partition(":")[::2] for s in self.segments if s[:1] == "{"]
        for i, segment in enumerate(self.segments):
            self._check_segment(segment, last=i == len(self.segments) - 1)
        names = [name for name, _ in self.params]
        if len(set(names)) < len(names):
            raise ConfigError(f"{location}: {path!r} has a parameter twice")
        code = getattr(handler, "__code__", None)
        if code is None:
            return
        takes = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if not takes or takes[0] in names:
            raise ConfigError(
                f"{location}: {handler.__qualname__} takes the request as its first parameter; add `request: Request`"
            )
        if not code.co_flags & 0x08:  # no **kwargs: the names must fit
            for name in names:
                if name not in takes:
                    raise ConfigError(
                        f"{location}: {path!r} has {{{name}}}; add a parameter {name} to {handler.__qualname__}"
                    )
        defaults = len(handler.__defaults__ or ())
        required = takes[1 : code.co_argcount - defaults] if defaults else takes[1 : code.co_argcount]
        for name in required:
            if name not in names:
                raise ConfigError(
                    f"{location}: {handler.__qualname__} has a parameter {name} that {path!r} does not give"
                )

    def _check_segment(self, segment: str, *, last: bool) -> None:
        if "{" not in segment and "}" not in segment:
            return
        name, _, converter = segment[1:-1].partition(":")
        if segment[0] != "{" or segment[-1] != "}" or not name.isidentifier():
            raise ConfigError(
                f"{self.location}: {segment!r} in {self.path!r} is no parameter; write {{name}} as a whole segment"
            )
        if converter and converter not in CONVERTERS:
            raise ConfigError(
                f"{self.location}: {{{name}:{converter}}} in {self.path!r}: there are {', '.join(CONVERTERS)}"
            )
        if converter == "path" and not last:
            raise ConfigError(
                f"{self.location}: {{{name}:path}} in {self.path!r} takes the rest of the path, so it comes last"
            )


class Router:
    """Static paths in one dict; the others in a tree of segments, static before parameter, so order never matters."""

    __slots__ = ("_static", "_tree")

    def __init__(self) -> None:
        self._static: dict[str, dict[str, Route]] = {}
        self._tree: dict[Any, Any] = {}

    def add(self, route: Route) -> None:
        """Raises ConfigError where another route already takes the same requests."""
        if not route.params:
            slot = self._static.setdefault(route.path, {})
        else:
            node = self._tree
            for segment in route.segments:
                if segment[:1] == "{":
                    node = node.setdefault(segment[1:-1].partition(":")[2] or "str", {})
                else:
                    node = node.setdefault((segment,), {})
            slot = node.setdefault(None, {})
        if route.method in slot:
            other: Route = slot[route.method]
            raise ConfigError(
                f"{route.location}: {route.method} {route.path} can never be reached: {other.method} "
                f"{other.path} of {other.location} takes the same requests"
            )
        slot[route.method] = route

    def routes(self) -> list[Route]:
        def walk(node: dict[Any, Any]) -> list[Route]:
            return [r for key, child in node.items() for r in (child.values() if key is None else walk(child))]

        return [r for slot in self._static.values() for r in slot.values()] + walk(self._tree)

    def match(self, method: str, path: str, raw_path: str | None = None) -> tuple[Route, dict[str, Any]]:
        """The route and its parameters. Raises HTTPError 404, or `MethodNotAllowed`.

        A static path wins over a parameter among the routes of the request's method; HEAD is answered by GET where
        it has no route of its own. With `raw_path`, an encoded slash stays within its segment.
        """
        encoded_slash = raw_path is not None and "%2" in raw_path and "%2f" in raw_path.lower()
        slot = None if encoded_slash else self._static.get(path)
        if slot is not None and (route := _of(slot, method)) is not None:
            return route, {}
        if not self._tree:
            if slot is None:
                raise HTTPError(404, "Not Found")
            raise MethodNotAllowed(slot)
        if encoded_slash and raw_path is not None:
            parts = [unquote(part) for part in raw_path[1:].split("/")]
        else:
            parts = path[1:].split("/")
        found = _walk(self._tree, parts, 0, method)
        if found is None:
            allowed: dict[str, Route] = dict(slot or {})
            for other in METHODS:
                if other not in allowed and (match := _walk(self._tree, parts, 0, other)) is not None:
                    allowed[other] = match[0]
            if not allowed:
                raise HTTPError(404, "Not Found")
            raise MethodNotAllowed(allowed)
        route, values = found
        return route, {param[0]: value for param, value in zip(route.params, values)}  # noqa: B905 - equal by construction


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _of(slot: Mapping[str, Route], method: str) -> Route | None:
    route = slot.get(method)
    return slot.get("GET") if route is None and method == "HEAD" else route


class MethodNotAllowed(HTTPError):
    """405 with the `Allow` header's value."""

    def __init__(self, slot: Mapping[str, Route]) -> None:
        super().__init__(405, "Method Not Allowed")
        self.allow = ", ".join(sorted({*slot, "OPTIONS", *(("HEAD",) if "GET" in slot else ())}))


def _walk(node: dict[Any, Any], parts: list[str], i: int, method: str) -> tuple[Route, tuple[Any, ...]] | None:
    if i == len(parts):
        route = _of(node[None], method) if None in node else None
        return None if route is None else (route, ())
    part = parts[i]
    child = node.get((part,))
    if child is not None and (found := _walk(child, parts, i + 1, method)):
        return found
    if part:
        for kind, convert in _CONVERT:
            child = node.get(kind)
            if child is not None and (value := convert(part)) is not None:
                found = _walk(child, parts, i + 1, method)
                if found is not None:
                    return found[0], (value, *found[1])
    if "path" in node and (route := _of(node["path"][None], method)) is not None:
        return route, ("/".join(parts[i:]),)
    return None


def _int(text: str) -> int | None:
    digits = text[1:] if text[0] == "-" else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else None


def _uuid(text: str) -> UUID | None:
    from uuid import UUID

    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


_CONVERT: tuple[tuple[str, Callable[[str], Any]], ...] = (("int", _int), ("uuid", _uuid), ("str", str))
