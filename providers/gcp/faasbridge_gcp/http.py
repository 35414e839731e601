"""A Flask (Werkzeug) request -> Request, and a Response -> Flask's.

What the server in front did stays done: a header that was sent several times arrives joined by commas. The query is
read raw, and so is the path where the server has it (`RAW_URI` of gunicorn, `REQUEST_URI` of others), so that an
encoded slash stays within its segment.
Source: PEP 3333; gunicorn's and Werkzeug's sources; Cloud Run documentation, "Container runtime contract".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.http import Request, Response, parse_query, unquote

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.dispatch import Answer

EXECUTION_ID = "function-execution-id"


def decode(native: Any) -> Request:
    """The request, its body read to the end, chunked or not."""
    environ = native.environ
    raw_path = (environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0]
    if raw_path[:1] != "/":
        # A proxy's absolute form, or nothing.
        raw_path = "/" + raw_path.partition("://")[2].partition("/")[2] if "://" in raw_path else ""
    if not raw_path.isascii():
        raw_path = ""  # not escaped by the client: which bytes it sent is known to PATH_INFO only
    path = unquote(raw_path) if raw_path else native.path or "/"
    query = environ.get("QUERY_STRING")
    return Request(
        native.method,
        path,
        headers=_headers(environ),
        query=parse_query(query) if query else (),
        body=native.get_data(),
        client_ip=_client_ip(environ.get("HTTP_X_FORWARDED_FOR"), environ),
        raw_path=raw_path or None,
        id=environ.get("HTTP_FUNCTION_EXECUTION_ID") or "",
        source=environ.get("HTTP_HOST") or "",
        subject=path,
        type="http",
        provider="gcp",
        native=native,
    )


def _headers(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """As Werkzeug reads them, without its mapping, which takes longer than the rest of `decode`."""
    found = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name[:5] == "HTTP_"]
    for name in ("content-type", "content-length"):
        value = environ.get(name.upper().replace("-", "_"))
        if value:
            found.append((name, value))
    return found


def encode(response: Response | Answer, native: Any = None) -> Any:
    """A `flask.Response`. `response` may be finished already: status, headers and body."""
    from flask import Response as FlaskResponse  # type: ignore[import-not-found, unused-ignore]

    status, headers, body = response.finish() if isinstance(response, Response) else response
    answer = FlaskResponse(status=status, headers=headers)
    answer.response = [body]  # not as an argument, which would set the length over the one that a HEAD's answer brings
    if not any(name == "content-type" for name, _ in headers):
        answer.headers.remove("content-type")
    return answer


def _client_ip(forwarded: str | None, environ: dict[str, Any]) -> str:
    """Google appends the address that it saw; what stands before it is the client's own word."""
    return (forwarded or "").rpartition(",")[2].strip() or environ.get("REMOTE_ADDR") or ""
