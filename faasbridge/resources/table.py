"""Table: rows by key."""

from __future__ import annotations

from .._typing import TYPE_CHECKING, Generic, Item, overload
from .base import Resource, check_key, operations
from .listing import Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any, Unpack

    from .._typing import ChangeHandler, TriggerOptions, Use


class Table(Resource, Generic[Item]):
    """Rows by a string key and, where declared, a string sort key. Read after write; conditions are atomic.

    Values survive exactly as `faasbridge.codec` says. A condition (`if_absent`, `if_match`) that is not met raises
    Conflict and writes nothing; `if_match={"version": 3}` compares fields, None matches null and missing.
    """

    kind = "table"
    operations = operations("get put update delete query scan")

    def get(self, key: str, sort: str | None = None, /) -> Item | None:
        """The row, or None."""
        return self._driver("get").get(*self._keys(key, sort))  # type: ignore[no-any-return]

    async def aget(self, key: str, sort: str | None = None, /) -> Item | None:
        return await self._call("get", "get", *self._keys(key, sort))  # type: ignore[no-any-return]

    def put(
        self,
        item: Item,
        *,
        if_absent: bool = False,
        if_match: Mapping[str, object] | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Writes the whole row, its key fields included. From `expires_at` (aware) on it is never returned."""
        self._driver("put").put(*self._put(item, if_absent, if_match, expires_at))

    async def aput(
        self,
        item: Item,
        *,
        if_absent: bool = False,
        if_match: Mapping[str, object] | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        await self._call("put", "put", *self._put(item, if_absent, if_match, expires_at))

    def update(
        self,
        key: str,
        sort: str | None = None,
        /,
        *,
        set: Mapping[str, object] | None = None,
        increment: Mapping[str, int | float] | None = None,
        remove: Sequence[str] = (),
        if_match: Mapping[str, object] | None = None,
    ) -> Item:
        """Changes fields of a row in one step and returns the new row; its expiry stays.

        A field that is missing is incremented from 0; one that is no number raises Conflict. Raises NotFound where
        there is no row (Conflict with `if_match`).
        """
        return self._driver("update").update(*self._update(key, sort, set, increment, remove, if_match))  # type: ignore[no-any-return]

    async def aupdate(
        self,
        key: str,
        sort: str | None = None,
        /,
        *,
        set: Mapping[str, object] | None = None,
        increment: Mapping[str, int | float] | None = None,
        remove: Sequence[str] = (),
        if_match: Mapping[str, object] | None = None,
    ) -> Item:
        return await self._call("update", "update", *self._update(key, sort, set, increment, remove, if_match))  # type: ignore[no-any-return]

    def delete(self, key: str, sort: str | None = None, /, *, if_match: Mapping[str, object] | None = None) -> None:
        """Idempotent without `if_match`."""
        self._driver("delete").delete(*self._keys(key, sort), if_match)

    async def adelete(
        self, key: str, sort: str | None = None, /, *, if_match: Mapping[str, object] | None = None
    ) -> None:
        await self._call("delete", "delete", *self._keys(key, sort), if_match)

    def query(
        self,
        key: str,
        *,
        index: str | None = None,
        begins_with: str | None = None,
        between: tuple[str, str] | None = None,
        reverse: bool = False,
    ) -> Pages[Item]:
        """Rows of one key, in the order of the sort key's code points; `begins_with` or `between` (inclusive) narrow
        it.

        With `index`, key and sort key are that index's, and a row that was just written may be missing for a moment.
        """
        args = self._query(key, index, begins_with, between, reverse)
        return Pages(
            lambda size, cursor: self._driver("query").query(*args, size, cursor),
            lambda size, cursor: self._call("query", "query", *args, size, cursor),
        )

    aquery = query

    def scan(self) -> Pages[Item]:
        """All rows, in no particular order."""
        return Pages(
            lambda size, cursor: self._driver("scan").scan(size, cursor),
            lambda size, cursor: self._call("scan", "scan", size, cursor),
        )

    ascan = scan

    @overload
    def on_change(self, handler: ChangeHandler, /) -> ChangeHandler: ...
    @overload
    def on_change(
        self, /, *, uses: Sequence[Use] = ..., **options: Unpack[TriggerOptions]
    ) -> Callable[[ChangeHandler], ChangeHandler]: ...
    def on_change(self, handler: Any = None, /, **options: Any) -> Any:
        """Calls the handler with a Change, old row and new, for every row written or deleted."""
        return self._declare("change", handler, options)

    def _keys(self, key: str, sort: str | None) -> tuple[str, str | None]:
        check_key(f"the key of table {self.name!r}", key)
        sort_key = self.options.get("sort_key")
        if sort_key and sort is None:
            raise ValueError(f"table {self.name!r} has the sort key {sort_key!r}: give it after the key")
        if not sort_key and sort is not None:
            raise ValueError(f"table {self.name!r} has no sort key, but {sort!r} was given as one")
        return key, None if sort is None else check_key(f"the sort key of table {self.name!r}", sort)

    def _put(self, item: Any, if_absent: bool, if_match: Any, expires_at: datetime | None) -> tuple[Any, ...]:
        if if_absent and if_match is not None:
            raise ValueError("if_absent and if_match exclude each other")
        if expires_at is not None and expires_at.utcoffset() is None:
            raise ValueError("expires_at needs a time zone; use datetime.now(timezone.utc)")
        row = dict(item)
        for name in filter(None, (self.options["key"], self.options.get("sort_key"))):
            if name not in row:
                raise ValueError(f"a row of table {self.name!r} needs {name!r}")
            check_key(f"{name!r} of table {self.name!r}", row[name])
        self._check_indexed(row)
        return row, if_absent, if_match, expires_at

    def _update(
        self, key: str, sort: str | None, set: Any, increment: Any, remove: Any, if_match: Any
    ) -> tuple[Any, ...]:
        keys = self._keys(key, sort)
        changed = [*(set or {}), *(increment or {}), *remove]
        for name in changed:
            if name in (self.options["key"], self.options.get("sort_key")):
                raise ValueError(
                    f"{name!r} is part of the key of table {self.name!r}; put a new row and delete the old one"
                )
        if len(changed) != len({*changed}):
            raise ValueError("a field is named twice among set=, increment= and remove=")
        self._check_indexed({**(set or {}), **(increment or {})})
        return *keys, dict(set or {}), dict(increment or {}), tuple(remove), if_match

    def _check_indexed(self, row: Mapping[str, Any]) -> None:
        for index, names in (self.options.get("indexes") or {}).items():
            for name in names:
                if row.get(name) is not None:
                    check_key(f"{name!r}, which index {index!r} of table {self.name!r} sorts by,", row[name])

    def _query(
        self, key: str, index: str | None, begins_with: str | None, between: tuple[str, str] | None, reverse: bool
    ) -> tuple[Any, ...]:
        check_key("the key of a query", key)
        indexes = self.options.get("indexes") or {}
        if index is not None and index not in indexes:
            raise ValueError(f"table {self.name!r} has no index {index!r}; declared: {', '.join(indexes) or 'none'}")
        if begins_with is not None and between is not None:
            raise ValueError("begins_with and between exclude each other")
        if index is None and not self.options.get("sort_key") and (begins_with is not None or between is not None):
            raise ValueError(f"table {self.name!r} has no sort key to narrow a query by")
        return key, index, begins_with or None, between, reverse
