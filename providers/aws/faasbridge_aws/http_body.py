"""How a response's body travels: as text where its type says text, else as base64."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_TYPES = ("application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded")
_is_text: dict[str, bool] = {"application/json": True}


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
