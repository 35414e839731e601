"""Requests, responses and routing: what an HTTP handler sees, the same on every vendor."""

from __future__ import annotations

import json

from ._typing import TYPE_CHECKING
from .errors import ConfigError, HTTPError
from .events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any
    from uuid import UUID


class MultiDict(dict[str, str]):
    """One value a name, the last; `getlist` has all, in order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        self.pairs: list[tuple[str, str]] = _pairs(pairs)
        super().__init__(self.pairs)

    def getlist(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]


class Headers(MultiDict):
    """A MultiDict whose names are case-insensitive (stored in lower case)."""

    __slots__ = ()

    def __init__(self, pairs: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        super().__init__([(name.lower(), value) for name, value in _pairs(pairs)])

    def __getitem__(self, name: str) -> str:
        return dict.__getitem__(self, name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and dict.__contains__(self, name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return dict.get(self, name.lower(), default)

    def getlist(self, name: str) -> list[str]:
        return super().getlist(name.lower())


def _pairs(pairs: Iterable[tuple[str, str]] | Mapping[str, str]) -> list[tuple[str, str]]:
    all_of: Any = getattr(pairs, "pairs", None)  # a MultiDict's items() would be the last of each name only
    if all_of is None:
        items: Any = getattr(pairs, "items", None)
        all_of = pairs if items is None else items()
    return list(all_of)


class Request(Event):
    """An HTTP request. `path` is decoded, below the api's root; `body` whole; `claims` what the api's `auth` found.

    `headers`, `query` and `cookies` map a name to its last value; `getlist(name)` has all.
    """

    __slots__ = (
        "body",
        "claims",
        "client_ip",
        "cookies",
        "headers",
        "method",
        "path",
        "path_params",
        "query",
        "raw_path",
    )
    query: MultiDict
    cookies: MultiDict
    headers: Headers

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        query: Mapping[str, str] | Iterable[tuple[str, str]] | str = (),
        cookies: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        body: bytes | str = b"",
        client_ip: str = "",
        claims: Mapping[str, Any] | None = None,
        raw_path: str | None = None,
        **event: Any,
    ) -> None:
        super().__init__(**event)
        self.method = method.upper()
        self.path = path or "/"
        self.raw_path = raw_path
        self.headers = headers if type(headers) is Headers else Headers(headers)
        self.query = parse_query(query) if isinstance(query, str) else MultiDict(query)
        self.cookies = MultiDict(parse_cookies(self.headers.getlist("cookie")) if cookies is None else cookies)
        self.body = body if isinstance(body, bytes) else body.encode()
        self.client_ip = client_ip
        self.claims: Mapping[str, Any] = claims or {}
        self.path_params: dict[str, str | int | UUID] = {}

    def json(self) -> Any:
        """The body as JSON. Raises HTTPError 400 where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise HTTPError(400, f"the body is no JSON: {error}") from None

    def text(self) -> str:
        """The body as UTF-8. Raises HTTPError 400 where it is none."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise HTTPError(400, "the body is no UTF-8 text") from None


class Response:
    """An HTTP response.

    `body`: dict or list become JSON (datetimes as ISO 8601), str text, bytes binary, None nothing; a `content-type`
    header overrides the type that follows from it. A header with several values is a list. A cookie's value may
    bring its own attributes (`"v; Path=/; Max-Age=60"`); without any it gets `Path=/; HttpOnly; Secure; SameSite=Lax`.
    """

    __slots__ = ("body", "cookies", "headers", "status")

    def __init__(
        self,
        body: Mapping[str, object] | Sequence[object] | str | bytes | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str | Sequence[str]] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self.headers: dict[str, str | Sequence[str]] = dict(headers) if headers else {}
        self.cookies: dict[str, str] = dict(cookies) if cookies else {}

    def finish(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers (names in lower case, `set-cookie` once a cookie) and body, as any vendor wants them."""
        body: Any = self.body
        kind = type(body)
        content: bytes
        if body is None:
            content, content_type = b"", ""
        elif kind is bytes or isinstance(body, (bytes, bytearray, memoryview)):
            content, content_type = bytes(body), "application/octet-stream"
        elif isinstance(body, str):
            content, content_type = str.__str__(body).encode(), "text/plain; charset=utf-8"
        else:
            content, content_type = to_json(body).encode(), "application/json"
        if not self.headers and not self.cookies:
            return self.status, [("content-type", content_type)] if content_type else [], content
        pairs = []
        for name, value in self.headers.items():
            lower = name.lower()
            pairs += [(lower, value)] if isinstance(value, str) else [(lower, each) for each in value]
        if content_type and not any(name == "content-type" for name, _ in pairs):
            pairs.append(("content-type", content_type))
        for name, value in self.cookies.items():
            attributes = "" if ";" in value else "; Path=/; HttpOnly; Secure; SameSite=Lax"
            pairs.append(("set-cookie", f"{name}={value}{attributes}"))
        for name, value in pairs:
            if not (name.isascii() and name.isprintable() and name) or any(c < " " and c != "\t" for c in value):
                raise ValueError(
                    f"the response header {name!r}: {value!r} holds a control character, a line break perhaps"
                )
            value.encode("latin-1")  # what HTTP can carry; else UnicodeEncodeError, a ValueError
        return self.status, pairs, content


def _plain(value: object) -> Any:
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None:
        return isoformat()
    if hasattr(value, "keys"):
        return dict(value)  # type: ignore[call-overload]
    if type(value).__name__ == "UUID":
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a JSON response")


to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode


def unquote(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote as decode

    return decode(text)


def parse_query(raw: str) -> MultiDict:
    """A raw query string: repeats and empty values kept, `+` is a blank."""
    if not raw:
        return MultiDict()
    if "%" in raw or "+" in raw:
        from urllib.parse import unquote_plus as decode

        raw_pairs = [part.partition("=") for part in raw.split("&") if part]
        return MultiDict([(decode(name), decode(value)) for name, _, value in raw_pairs])
    return MultiDict([(name, value) for name, _, value in (part.partition("=") for part in raw.split("&") if part)])


def parse_cookies(headers: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of `Cookie` headers (RFC 6265, section 4.2); quotes around a value are taken off."""
    pairs = []
    for header in headers:
        for part in header.split(";"):
            name, equals, value = part.strip().partition("=")
            if equals:
                pairs.append((name, value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value))
    return pairs


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
