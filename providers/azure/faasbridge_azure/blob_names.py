"""An object's key as a blob's name, and back. Pure.

They are the same but for what does not get through: Blob Storage makes a slash of a backslash, parts of a path that are
`.` or `..` are resolved on the way, and no part may end with a full stop. A backslash and a full stop at the end of a
part are written as U+201B, a quotation mark hardly anybody uses, with a letter; that character itself stands twice. A
metadata name that begins with a digit, which Blob Storage refuses, gets an underscore before it.
Sources: Azure Storage REST API, "Naming and Referencing Containers, Blobs, and Metadata", which also says that
characters of Unicode's private use area cannot be used; RFC 3986, section 5.2.4.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTE, _BACKSLASH, _STOP = "\u201b", "\u201bb", "\u201bd"
_MEANT = {"b": "\\", "d": "."}


def to_name(key: str) -> str:
    key = _quoted(key)
    if "." not in key:
        return key
    return "/".join(f"{part[:-1]}{_STOP}" if part.endswith(".") else part for part in key.split("/"))


def to_key(name: str) -> str:
    """What is quoted otherwise, somebody else named so; it stays."""
    head, *rest = name.split(_QUOTE)
    key = head
    while rest:
        following = rest.pop(0)
        if not following and rest:  # it stands twice
            key += _QUOTE + rest.pop(0)
        elif following[:1] in _MEANT:
            key += _MEANT[following[0]] + following[1:]
        else:
            key += _QUOTE + following
    return key


def to_prefix(prefix: str) -> str:
    """The longest prefix that the names of all keys beginning with `prefix` have."""
    head, slash, last = prefix.rpartition("/")
    return to_name(head) + slash + _quoted(last.removesuffix("."))  # what follows decides what the last stop becomes


def _quoted(text: str) -> str:
    if _QUOTE in text:
        text = text.replace(_QUOTE, 2 * _QUOTE)
    return text.replace("\\", _BACKSLASH) if "\\" in text else text


def to_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"_{name}" if name.lstrip("_")[:1].isdigit() else name: value for name, value in metadata.items()}


def from_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {
        name[1:] if name[:1] == "_" and name.lstrip("_")[:1].isdigit() else name: value
        for name, value in metadata.items()
    }
