"""What all forms of HTTP event share: a Request that reads its event only when asked, since most handlers look at path
and body and nothing else, and how a body travels: as text where its type says text, else as base64.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.http import Request, from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any, ClassVar

_TEXT_TYPES = ("application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded")
_is_text: dict[str, bool] = {"application/json": True}


class LazyRequest(Request):
    """Each form of native event subclasses it; `parts` says how an attribute is read from `native` on first use."""

    __slots__ = ()
    parts: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def __init__(self, native: dict[str, Any], method: str, path: str, raw_path: str | None) -> None:
        # Not super().__init__: it would fill every slot, and an empty one is what `__getattr__` waits for.
        self.native = native
        self.method = method
        self.path = path
        self.raw_path = raw_path

    def json(self) -> Any:
        try:
            return from_json(self.body.decode())  # the encoding of bytes would have to be looked for
        except (ValueError, RecursionError):
            return super().json()

    def __getattr__(self, name: str) -> Any:
        make = self.parts.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = make(self)
        setattr(self, name, value)
        return value


def body_of(request: Request) -> bytes:
    body = request.native.get("body")
    if not body:
        return b""
    if request.native.get("isBase64Encoded") or request.native.get("is_base64_encoded"):
        from binascii import Error, a2b_base64

        try:
            return a2b_base64(body)
        except (Error, ValueError):
            pass  # a hand-made test event: what it has is taken as it is
    return body.encode()  # type: ignore[no-any-return]


def context_of(request: Request) -> dict[str, Any]:
    return request.native.get("requestContext") or {}


def _time(request: Request) -> datetime | None:
    from .events_common import epoch_time

    context = context_of(request)
    return epoch_time(context.get("timeEpoch") or context.get("requestTimeEpoch"))


COMMON: Mapping[str, Callable[[Any], Any]] = {
    "body": body_of,
    "claims": lambda request: {},
    "client_ip": lambda request: "",
    "id": lambda request: str(context_of(request).get("requestId") or ""),
    "path_params": lambda request: {},
    "provider": lambda request: "aws",
    "source": lambda request: str(context_of(request).get("domainName") or ""),
    "state": lambda request: {},
    "subject": lambda request: request.path,
    "time": _time,
    "type": lambda request: "http",
}


def content(headers: Mapping[str, str], body: bytes) -> tuple[str, bool]:
    """The body as a string, and whether that is base64. Header names are in lower case."""
    content_type = headers.get("content-type", "")
    is_text = _is_text.get(content_type)
    if is_text is None:
        media = content_type.partition(";")[0].strip().lower()
        is_text = not media or media.startswith("text/") or media in _TEXT_TYPES or media.endswith(("+json", "+xml"))
        if len(_is_text) < 100:  # a handler may make up its types
            _is_text[content_type] = is_text
    if is_text and (len(headers) == 1 or headers.get("content-encoding", "identity") == "identity"):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # text in another charset
    from binascii import b2a_base64

    return b2a_base64(body, newline=False).decode(), True
