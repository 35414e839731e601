"""Tables and secrets in memory. A lock makes each operation atomic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from faasbridge import Conflict, NotFound, Page, codec
from faasbridge.drivers import Binding

Key = tuple[str, str | None]


class TableDriver:
    client = None

    def __init__(self, binding: Binding) -> None:
        self.options = binding.options
        self.rows: dict[Key, tuple[str, datetime | None]] = {}
        self.lock = RLock()

    def get(self, key: str, sort: str | None) -> dict[str, Any] | None:
        with self.lock:
            text, expires = self.rows.get((key, sort), ("null", None))
        return None if expires is not None and expires <= datetime.now(UTC) else codec.loads(text)

    def put(self, item: dict[str, Any], if_absent: bool, if_match: Any, expires_at: datetime | None) -> None:
        key = item[self.options["key"]], item.get(self.options.get("sort_key", ""))
        text = codec.dumps(item)
        with self.lock:
            if if_absent and self.get(*key) is not None:
                raise Conflict("the row is there")
            self._check(key, if_match)
            self.rows[key] = text, expires_at

    def update(
        self,
        key: str,
        sort: str | None,
        set: Mapping[str, object],
        increment: Mapping[str, float],
        remove: Sequence[str],
        if_match: Any,
    ) -> dict[str, Any]:
        with self.lock:
            self._check((key, sort), if_match)
            row = self.get(key, sort)
            if row is None:
                raise NotFound("there is no such row")
            row |= set
            for name, by in increment.items():
                if isinstance(row.get(name, 0), bool) or not isinstance(row.get(name, 0), (int, float)):
                    raise Conflict(f"{name} is no number")
                row[name] = row.get(name, 0) + by
            for name in remove:
                row.pop(name, None)
            self.rows[key, sort] = codec.dumps(row), self.rows[key, sort][1]
            return row

    def delete(self, key: str, sort: str | None, if_match: Any) -> None:
        with self.lock:
            self._check((key, sort), if_match)
            self.rows.pop((key, sort), None)

    def query(
        self,
        key: str,
        index: str | None,
        begins_with: str | None,
        between: tuple[str, str] | None,
        reverse: bool,
        size: int,
        cursor: str | None,
    ) -> Page[dict[str, Any]]:
        names = self.options["indexes"][index] if index else (self.options["key"], self.options.get("sort_key", ""))
        rows = [
            row for row in self._alive() if row.get(names[0]) == key and (not index or row.get(names[1]) is not None)
        ]
        if between is not None:
            rows = [row for row in rows if between[0] <= row[names[1]] <= between[1]]
        rows = [row for row in rows if str(row.get(names[1]) or "").startswith(begins_with or "")]
        rows.sort(key=lambda row: (row.get(names[1]) or "", codec.dumps(row)), reverse=reverse)
        return _page(rows, size, cursor)

    def scan(self, size: int, cursor: str | None) -> Page[dict[str, Any]]:
        return _page(self._alive(), size, cursor)

    def _alive(self) -> list[dict[str, Any]]:
        with self.lock:
            return [row for key in sorted(self.rows, key=str) if (row := self.get(*key)) is not None]

    def _check(self, key: Key, if_match: Mapping[str, object] | None) -> None:
        if if_match is not None:
            row = self.get(*key)
            if row is None or any(codec.dumps(row.get(name)) != codec.dumps(value) for name, value in if_match.items()):
                raise Conflict("the condition is not met")


class SecretDriver:
    client = None
    cache_s = 0.0

    def __init__(self, binding: Binding) -> None:
        self.name = binding.name
        self.value: str | None = None

    def get(self) -> str:
        if self.value is None:
            raise NotFound(f"secret {self.name!r} was never set")
        return self.value


def _page(rows: list[dict[str, Any]], size: int, cursor: str | None) -> Page[dict[str, Any]]:
    try:
        start = int(cursor or 0)
    except ValueError:
        raise ValueError(f"{cursor!r} is no cursor of this listing") from None
    end = start + size
    return Page(rows[start:end], str(end) if end < len(rows) else None)
