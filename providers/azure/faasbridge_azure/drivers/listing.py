"""Pages of a listing in the order of code points, out of one in the order of UTF-16, which Blob Storage's is. Pure.

The two differ beyond U+DFFF: there what lies outside of Unicode's first plane comes too early. Names that share all
that is before such a character are a run; runs are read as a whole and sorted.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Fetch = Callable[[str, int], tuple[list[Any], str]]

_FIRST = "\ue000"
_MORE = 1000


def page(fetch: Fetch, size: int, marker: str, after: str) -> tuple[list[Any], tuple[str, str] | None]:
    """Up to `size` blobs (they have a `name`), and where the next page begins: a marker, and the name behind which.

    `fetch(marker, n)` gives up to n blobs and the marker of the next; markers are empty at the start and the end.
    """
    found: list[Any] = []
    while True:
        begun = marker
        blobs, marker = fetch(begun, size - len(found))
        blobs, marker, last = _whole(fetch, blobs, marker)
        fresh = sorted((blob for blob in blobs if blob.name > after), key=_name)
        found += fresh[: size - len(found)]
        if fresh and found[-1] is not fresh[-1]:
            return found, (begun, found[-1].name)
        after = last
        if not marker:
            return found, None
        if len(found) == size:
            return found, (marker, after)


def _whole(fetch: Fetch, blobs: list[Any], marker: str) -> tuple[list[Any], str, str]:
    """Adds what is missing of the run at the end. Gives the marker to go on at too, and the name behind which, where
    the run ends within that page."""
    head = _head(blobs[-1].name) if blobs else None
    while head is not None and marker:
        more, following = fetch(marker, _MORE)
        rest = [blob for blob in more if _in_run(blob.name, head)]
        blobs = blobs + rest
        if len(rest) < len(more):
            return blobs, marker, max(blob.name for blob in blobs)
        marker = following
    return blobs, marker, ""


def _name(blob: Any) -> str:
    return str(blob.name)


def _head(name: str) -> str | None:
    """What comes before the first character whose place depends on the encoding; None where there is none."""
    return next((name[:i] for i, character in enumerate(name) if character >= _FIRST), None)


def _in_run(name: str, head: str) -> bool:
    return name.startswith(head) and name[len(head) : len(head) + 1] >= _FIRST
