"""Requests, responses and routing: what an HTTP handler sees, the same on every vendor."""

from __future__ import annotations

import json

from ._typing import TYPE_CHECKING
from .errors import HTTPError
from .event import Event

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
            return from_json(self.body.decode(json.detect_encoding(self.body)))
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
        if headers and not hasattr(headers, "keys"):  # of pairs, a repeated name would be lost
            raise TypeError("headers= is a mapping; a name with several values has them as a list")
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
        status = checked_status(self.status)
        if not self.headers and not self.cookies:
            return status, [("content-type", content_type)] if content_type else [], content
        pairs: list[tuple[str, str]] = []
        given: Mapping[str, Any] = self.headers
        for name, value in given.items():
            lower = name.lower()
            if not isinstance(value, (str, list, tuple)):
                raise TypeError(f"the response header {name!r} is a str or a list of them, not {value!r}")
            pairs += [(lower, value)] if isinstance(value, str) else [(lower, each) for each in value]
        if content_type and not any(name == "content-type" for name, _ in pairs):
            pairs.append(("content-type", content_type))
        for name, value in self.cookies.items():
            if not _is_token(name):
                raise ValueError(f"a cookie's name has letters, digits and {_MARKS}, so it cannot be {name!r}")
            attributes = "" if ";" in value else "; Path=/; HttpOnly; Secure; SameSite=Lax"
            pairs.append(("set-cookie", f"{name}={value}{attributes}"))
        for name, value in pairs:
            if not _is_token(name):
                raise ValueError(f"a header's name has letters, digits and {_MARKS}, so it cannot be {name!r}")
            if any(c < " " and c != "\t" for c in value):
                raise ValueError(
                    f"the response header {name!r}: {value!r} holds a control character, a line break perhaps"
                )
            value.encode("latin-1")  # what HTTP can carry; else UnicodeEncodeError, a ValueError
        return status, pairs, content


_MARKS = "!#$%&'*+-.^_`|~"
# RFC 9110, section 5.6.2
_TOKEN = frozenset(_MARKS + "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _is_token(name: str) -> bool:
    return bool(name) and _TOKEN.issuperset(name)


def checked_status(status: Any) -> int:
    """Raises ValueError for a status that is no answer: the informational ones are the server's own."""
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"the status of an answer is a number from 200 to 599, not {status!r}")
    return status


def _plain(value: object) -> Any:
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None:
        return isoformat()
    if hasattr(value, "keys"):
        return dict(value)  # type: ignore[call-overload]
    if type(value).__name__ == "UUID":
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a JSON response")


def _json_encoder() -> Callable[[object], str]:
    """`JSONEncoder.encode` makes its C encoder anew at each call, which takes longer than a small answer does."""
    whole = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return whole.encode
    chunks = make(None, _plain, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


to_json = _json_encoder()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"{text} is beyond what a float holds")
    return number


_decode = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode


def from_json(text: str) -> Any:
    """Of strict JSON, with text that can be sent on. Raises ValueError or RecursionError."""
    value = _decode(text)
    if "\\u" in text:
        to_json(value).encode()  # half of a surrogate pair is in no UTF-8
    return value


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
