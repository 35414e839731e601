"""azure.functions.HttpRequest -> Request, and a Response -> azure.functions.HttpResponse.

The host writes header names in lower case, joins repeated headers and query values with commas and leaves out empty
query values, so path and query are read from the URL. Of a response header that is given twice it sends the last, so
those are joined here where HTTP allows it; cookies go their own way (see `cookies`). Of a body without a
Content-Length it passes on nothing.
Sources: azure-functions-host, GrpcMessageConversionExtensions.cs; azure-functions, http.py; RFC 9110, section 5.3.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.http import MultiDict, Request, Response, parse_query, unquote

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.dispatch import Answer

_SINGLE = frozenset(
    "access-control-allow-credentials access-control-allow-origin access-control-max-age age content-disposition "
    "content-length content-location content-range content-type date etag expires last-modified location "
    "referrer-policy retry-after server x-content-type-options x-frame-options".split()
)


def decode(native: Any) -> Request:
    """The request as its URL says; without a query there (tests and tools make such), the host's map is taken."""
    raw_path, query = split_url(native.url)
    headers = native.headers
    path = unquote(raw_path)
    request = Request(
        native.method,
        path,
        headers=list(headers.items()),
        query=parse_query(query) if query is not None else MultiDict(native.params),
        body=native.get_body() or b"",
        client_ip=_client_ip(headers.get("x-forwarded-for") or headers.get("X-Forwarded-For") or ""),
        raw_path=raw_path,
        type="http",
        subject=path,
        provider="azure",
        native=native,
    )
    request.source = request.headers.get("host") or ""
    return request


def lost_its_body(request: Request) -> bool:
    return not request.body and "chunked" in (request.headers.get("transfer-encoding") or "").lower()


def encode(response: Response | Answer, native: Any = None) -> Any:
    """An `azure.functions.HttpResponse`. `response` may be finished already: status, headers and body."""
    from azure.functions import HttpResponse  # type: ignore[import-not-found, unused-ignore]

    status, pairs, body = response.finish() if isinstance(response, Response) else response
    headers: dict[str, str] = {}
    set_cookies = []
    for name, value in pairs:
        if name == "set-cookie":
            set_cookies.append(value)
        elif name in headers and name not in _SINGLE:
            headers[name] = f"{headers[name]}, {value}"
        else:
            headers[name] = value
    answer = HttpResponse(body, status_code=status, headers=headers)
    if set_cookies:
        from .cookies import for_worker

        for cookie in set_cookies:
            answer.headers.add("set-cookie", for_worker(cookie))
    return answer


def split_url(url: str) -> tuple[str, str | None]:
    """Raw path and raw query; None where the URL has none."""
    address, mark, query = url.partition("#")[0].partition("?")
    if not address.startswith("/"):
        _, scheme, rest = address.partition("://")
        address = "/" + (rest if scheme else address).partition("/")[2]
    return address, query if mark else None


def _client_ip(forwarded: str) -> str:
    """Azure's front end appends the address and port that it saw; what stands before is the client's own word."""
    last = forwarded.rpartition(",")[2].strip()
    if last.startswith("["):
        return last[1:].partition("]")[0]
    return last.partition(":")[0] if last.count(":") == 1 else last
