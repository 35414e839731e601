"""What listings give, page by page."""

from __future__ import annotations

from .._typing import TYPE_CHECKING, Entry, Generic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from datetime import datetime
    from typing import Any


class Page(Generic[Entry]):
    """One page; `cursor` leads to the next and is None on the last."""

    __slots__ = ("cursor", "items")

    def __init__(self, items: list[Entry], cursor: str | None) -> None:
        self.items = items
        self.cursor = cursor


class Pages(Generic[Entry]):
    """A listing. Iterating (also `async for`) goes over everything, page after page; `page()` gives one."""

    __slots__ = ("_afetch", "_fetch")

    def __init__(
        self, fetch: Callable[[int, str | None], Page[Entry]], afetch: Callable[[int, str | None], Any]
    ) -> None:
        self._fetch = fetch
        self._afetch = afetch

    def page(self, size: int = 100, cursor: str | None = None) -> Page[Entry]:
        """Up to `size` entries (1 to 1000) from `cursor` on. Raises ValueError for a cursor that is none of this
        listing."""
        return self._fetch(_page_size(size), cursor or None)

    async def apage(self, size: int = 100, cursor: str | None = None) -> Page[Entry]:
        page: Page[Entry] = await self._afetch(_page_size(size), cursor or None)
        return page

    def __iter__(self) -> Iterator[Entry]:
        cursor: str | None = None
        while True:
            page = self._fetch(100, cursor)
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    async def __aiter__(self) -> AsyncIterator[Entry]:
        cursor: str | None = None
        while True:
            page: Page[Entry] = await self._afetch(100, cursor)
            for item in page.items:
                yield item
            cursor = page.cursor
            if cursor is None:
                return


class BlobInfo:
    """What is known of an object. `size` in bytes, `modified` aware; `etag` changes with every write."""

    __slots__ = ("content_type", "etag", "key", "metadata", "modified", "size")

    def __init__(
        self,
        key: str,
        *,
        size: int,
        etag: str,
        content_type: str,
        metadata: Mapping[str, str],
        modified: datetime,
    ) -> None:
        self.key = key
        self.size = size
        self.etag = etag
        self.content_type = content_type
        self.metadata = metadata
        self.modified = modified

    def __repr__(self) -> str:
        return f"BlobInfo({self.key!r}, size={self.size})"


def _page_size(size: int) -> int:
    if not 1 <= size <= 1000:
        raise ValueError(f"a page has 1 to 1000 entries, not {size}")
    return size
