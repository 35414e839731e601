"""An HTTP client that sends what it is given: raw paths, repeated headers, any method; no redirects, no cookie jar."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ..http import Headers, MultiDict, Request, Response, unquote

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]

TIMEOUT_S = 60.0
_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))


class Answer:
    """A response as it came. `headers` are case-insensitive, with `getlist(name)`; `cookies` are name -> value."""

    __slots__ = ("body", "cookies", "headers", "status")

    def __init__(self, status: int, headers: Pairs, body: bytes) -> None:
        self.status = status
        self.headers = Headers(headers)
        self.body = body
        pairs = (line.split(";", 1)[0].partition("=") for line in self.headers.getlist("set-cookie"))
        self.cookies = MultiDict([(name.strip(), value.strip()) for name, _, value in pairs])

    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON. Raises ValueError that shows what came instead."""
        try:
            return json_module.loads(self.body)
        except ValueError as error:
            raise ValueError(
                f"the answer with status {self.status} is no JSON ({error}): {self.body[:500]!r}"
            ) from None

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.body[:200]!r}>"


class Client:
    """Sends requests to one api. A path goes out as it is written, but for what no request line can hold (blanks,
    non-ASCII), which is percent-encoded. `query` is appended, encoded; a mapping's value may be
    a list for repeated names."""

    def __init__(self, send: Callable[[str, str, list[tuple[str, str]], bytes | Iterable[bytes]], Answer]) -> None:
        self._send = send

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]] | str | None = None,
        headers: Pairs | None = None,
        cookies: Mapping[str, str] | None = None,
        json: object = None,
        body: bytes | str | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request, one answer, whatever its status. An iterable body is sent in chunks."""
        if json is not None and body is not None:
            raise TypeError("a request has json= or body=, not both")
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        if cookies:
            pairs.append(("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
        content: bytes | Iterable[bytes] = body.encode() if isinstance(body, str) else body or b""
        if json is not None:
            content = json_module.dumps(json).encode()
            if not any(name.lower() == "content-type" for name, _ in pairs):
                pairs.append(("content-type", "application/json"))
        return self._send(method.upper(), _target(path, query), pairs, content)

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Answer:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.request("DELETE", path, **options)


def over_socket(endpoint: str) -> Client:
    """A client of a root URL, as anybody on the network is one."""
    url = urlsplit(endpoint)
    connect = HTTPSConnection if url.scheme == "https" else HTTPConnection

    def send(method: str, target: str, headers: list[tuple[str, str]], body: bytes | Iterable[bytes]) -> Answer:
        names = {name.lower() for name, _ in headers}
        connection = connect(url.hostname or "127.0.0.1", url.port, timeout=TIMEOUT_S)
        try:
            connection.putrequest(method, url.path + target, skip_host="host" in names, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value.encode("utf-8", "surrogateescape"))
            chunked = not isinstance(body, bytes)
            if chunked:
                connection.putheader("transfer-encoding", "chunked")
            elif "content-length" not in names and (body or method in ("POST", "PUT", "PATCH")):
                connection.putheader("content-length", str(len(body)))  # type: ignore[arg-type]
            connection.endheaders(body or None, encode_chunked=chunked)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    return Client(send)


def past_auth(answer: Callable[[Request], Response], claims: Mapping[str, Any]) -> Client:
    """A client whose requests carry these claims, as if the api's `auth` had found them."""

    def send(method: str, target: str, headers: list[tuple[str, str]], body: bytes | Iterable[bytes]) -> Answer:
        raw_path, _, query = target.partition("?")
        whole = body if isinstance(body, bytes) else b"".join(body)
        request = Request(
            method, unquote(raw_path), raw_path=raw_path, headers=headers, query=query, body=whole, claims=claims
        )
        return Answer(*answer(request).finish())

    return Client(send)


def _target(path: str, query: Any) -> str:
    if not path.startswith("/"):
        raise ValueError(f"a path starts with '/', not {path!r}")
    target = quote(path, safe=_AS_IT_IS)
    if query:
        text = query if isinstance(query, str) else urlencode(query, doseq=True)
        target += ("&" if "?" in target else "?") + quote(text, safe=_AS_IT_IS)
    return target
