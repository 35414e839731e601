"""A row's key and sort key <-> the id of its document, for any text.

Firestore's ids hold no slash, are neither `.` nor `..`, and not `__x__`; `%` is what escapes those here, and `%+`
stands between key and sort key. An id without `%` is the key itself, so documents of others have their own ids as keys.
Source: Firestore documentation, "Usage and limits", constraints on document ids.
"""

from __future__ import annotations

from faasbridge.http import unquote

_SORT = "%+"


def document_id(key: str, sort: str | None = None) -> str:
    whole = _escaped(key) if sort is None else f"{_escaped(key)}{_SORT}{_escaped(sort)}"
    if whole in (".", ".."):
        return whole.replace(".", "%2E")
    return f"%5F{whole[1:]}" if whole.startswith("__") and whole.endswith("__") else whole


def key_of(id: str) -> tuple[str, str | None]:
    """Key and sort key; None where there is no sort key in it."""
    key, separator, sort = id.partition(_SORT)
    return unquote(key), unquote(sort) if separator else None


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")
