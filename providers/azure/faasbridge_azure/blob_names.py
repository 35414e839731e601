"""An object's key as a blob's name, and back. Pure.

They are the same but for what does not get through a URL: Blob Storage makes a slash of a backslash, and parts of a
path that are `.` or `..` are resolved on the way. Those characters stand as U+F05C and U+F02E, as Cygwin and SMB
clients write them on file systems that do not take them. A metadata name that begins with a digit, which Blob Storage
refuses, gets an underscore before it.
Sources: Azure Storage REST API, "Naming and Referencing Containers, Blobs, and Metadata"; RFC 3986, section 5.2.4;
Cygwin User's Guide, "Special filenames".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOT, _BACKSLASH = "\uf02e", "\uf05c"
_DOTS = {".": _DOT, "..": 2 * _DOT}
_PLAIN = {name: part for part, name in _DOTS.items()}


def to_name(key: str) -> str:
    """Raises ValueError for a key with those two characters, which stand for others."""
    if _DOT in key or _BACKSLASH in key:
        raise ValueError(f"the key {key!r} holds U+F02E or U+F05C, which stand for '.' and '\\' in Blob Storage")
    if "\\" in key:
        key = key.replace("\\", _BACKSLASH)
    if "." not in key:
        return key
    return "/".join(_DOTS.get(part, part) for part in key.split("/"))


def to_key(name: str) -> str:
    if _BACKSLASH in name:
        name = name.replace(_BACKSLASH, "\\")
    if _DOT not in name:
        return name
    return "/".join(_PLAIN.get(part, part) for part in name.split("/"))


def to_prefix(prefix: str) -> str:
    """The longest prefix that the names of all keys beginning with `prefix` have."""
    head, slash, last = prefix.rpartition("/")
    if last in ("", *_DOTS):  # the rest of the key decides what such a part becomes
        return to_name(head) + slash if head or slash else ""
    return to_name(prefix)


def to_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"_{name}" if name.lstrip("_")[:1].isdigit() else name: value for name, value in metadata.items()}


def from_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {
        name[1:] if name[:1] == "_" and name.lstrip("_")[:1].isdigit() else name: value
        for name, value in metadata.items()
    }
