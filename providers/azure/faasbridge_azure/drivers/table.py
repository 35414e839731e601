"""Tables: Cosmos DB. The binding's address is what `bind.table_address` gives; `rows` says how rows are kept.

A condition is checked here and the write then bound to the version that was read (ETag); where another writer was
first, both are done again. Where the table has handlers of its changes, the row and the document of its change are
written in one transactional batch, so that there is never one without the other.

Readers see every write because the account's consistency is Strong: in an account of one region, as serverless ones
are, it costs reads twice the request units and no time.
Sources: Azure Cosmos DB documentation, "Consistency levels", "Transactional batch operations" (all of one partition, 2
MB and 100 operations at most), "Optimistic concurrency control".
"""

from __future__ import annotations

import os
import random
import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import cursors
from faasbridge.adapter.matching import matches
from faasbridge.codec import decode, encode
from faasbridge.errors import Conflict, NotFound, Throttled
from faasbridge.resources import Page

from .. import rows
from .clients import of
from .errors import status_of, translating

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from faasbridge.drivers import Binding

    Document = dict[str, Any]

_TURNS = 100  # of a write that others keep getting ahead of


class TableDriver:
    def __init__(self, binding: Binding) -> None:
        address, _, option = binding.address.partition("?")
        endpoint, _, rest = address.partition("/dbs/")
        database, _, container = rest.partition("/colls/")
        self._changes = option == "changes"
        self._name = binding.name
        self._what = f"table {binding.name!r}"
        self._key: str = binding.options["key"]
        self._sort: str | None = binding.options.get("sort_key")
        self._indexes = rows.Indexes(binding.options.get("indexes") or {})
        with translating(self._what):
            account = of(binding.options).cosmos(endpoint)
        self._known = False
        self.client: Any = account.get_database_client(database).get_container_client(container)

    def get(self, key: str, sort: str | None) -> dict[str, Any] | None:
        found = self._live(key, sort)
        return None if found is None else decode(found["row"])

    def put(
        self,
        item: dict[str, Any],
        if_absent: bool,
        if_match: Mapping[str, object] | None,
        expires_at: datetime | None,
    ) -> None:
        key, sort = item[self._key], item[self._sort] if self._sort else None
        row = encode(item)
        expiry = None if expires_at is None else expires_at.timestamp()
        if not (if_absent or if_match is not None or self._changes):
            with translating(self._what):
                self.client.upsert_item(self._document(row, key, sort, expiry), no_response=True)
            return

        def change(old: Document | None) -> Document:
            if if_absent and old is not None:
                raise Conflict(f"{self._what} has a row {self._label(key, sort)} already")
            self._check(old, if_match, key, sort)
            return self._document(row, key, sort, expiry)

        self._write(key, sort, change)

    def update(
        self,
        key: str,
        sort: str | None,
        set: Mapping[str, object],
        increment: Mapping[str, int | float],
        remove: Sequence[str],
        if_match: Mapping[str, object] | None,
    ) -> dict[str, Any]:
        def change(old: Document | None) -> Document:
            self._check(old, if_match, key, sort)
            if old is None:
                raise NotFound(f"{self._what} has no row {self._label(key, sort)}")
            item: dict[str, Any] = decode(old["row"])
            item.update(set)
            for name, by in increment.items():
                number = item.get(name, 0)
                if isinstance(number, bool) or not isinstance(number, (int, float)):
                    raise Conflict(f"{name!r} of row {self._label(key, sort)} is {number!r}, no number to increment")
                item[name] = number + by
            for name in remove:
                item.pop(name, None)
            return self._document(encode(item), key, sort, old.get("expires_at"))

        new = self._write(key, sort, change)
        assert new is not None
        return decode(new["row"])  # type: ignore[no-any-return]

    def delete(self, key: str, sort: str | None, if_match: Mapping[str, object] | None) -> None:
        if if_match is None and not self._changes:
            try:
                self.client.delete_item(rows.id_of(sort), partition_key=key)
            except Exception as error:
                if status_of(error) != 404 or not self._exists():
                    with translating(self._what):
                        raise
            return

        def change(old: Document | None) -> None:
            self._check(old, if_match, key, sort)

        self._write(key, sort, change)

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
        listing = ["query", self.client.container_link, key, index, begins_with, between, reverse]
        return self._page(index, rows.bounds(key, begins_with, between), listing, reverse, size, cursor, key)

    def scan(self, size: int, cursor: str | None) -> Page[dict[str, Any]]:
        return self._page(None, rows.EVERYWHERE, ["scan", self.client.container_link], False, size, cursor, None)

    def _page(
        self,
        index: str | None,
        bounds: tuple[str, str],
        listing: object,
        reverse: bool,
        size: int,
        cursor: str | None,
        key: str | None,
    ) -> Page[dict[str, Any]]:
        """Rows by their places within `bounds`; without an index and with a key only that partition is asked."""
        low, high = bounds
        after = ""
        id = None if index is None else self._indexes.ids[index]
        place = "c.place" if id is None else f'c.places["{id}"]'
        if cursor is not None:
            (position,) = cursors.decode(listing, cursor, 1)
            if reverse:
                high = position
            else:
                low, after = position, f" AND {place} > @low"
        query = (
            f"SELECT TOP {size + 1} * FROM c WHERE {place} >= @low AND {place} < @high{after} "  # noqa: S608 - no values
            f"AND (NOT IS_DEFINED(c.expires_at) OR c.expires_at > @now) ORDER BY {place} {'DESC' if reverse else 'ASC'}"
        )
        values = {"@low": low, "@high": high, "@now": time.time()}
        where = {"enable_cross_partition_query": True} if index or key is None else {"partition_key": key}
        with translating(self._what):
            parameters = [{"name": name, "value": value} for name, value in values.items()]
            found = list(self.client.query_items(query, parameters=parameters, **where))
        items = [decode(each["row"]) for each in found[:size]]
        if len(found) <= size:
            return Page(items, None)
        last = found[size - 1]
        return Page(items, cursors.encode(listing, [last["place"] if id is None else last["places"][id]]))

    def _write(
        self, key: str, sort: str | None, change: Callable[[Document | None], Document | None]
    ) -> Document | None:
        """Replaces the row by what `change(the live row or None)` gives, None to delete it; and gives that."""
        for turn in range(_TURNS):
            found = self._read(key, sort)
            old = None if found is None or rows.is_expired(found, time.time()) else found
            new = change(old)
            if (old is None and new is None) or (old is not None and new is not None and rows.is_same(old, new)):
                return new
            try:
                self._replace(key, sort, found, old, new)
                return new
            except Exception as error:
                # 404: what was to be replaced is gone; or the container is, which the next read tells. 449: another
                # write of the row was under way, and nothing was done.
                if status_of(error) not in (404, 409, 412, 449):
                    with translating(self._what):
                        raise
            time.sleep(random.uniform(0, min(0.002 * 2**turn, 0.1)))  # noqa: S311 - jitter
        raise Throttled(f"{self._what}: others write row {self._label(key, sort)} all the time")

    def _replace(
        self, key: str, sort: str | None, found: Document | None, old: Document | None, new: Document | None
    ) -> None:
        """`found`: the document over which it goes, `old`: the same where it is alive."""
        id = rows.id_of(sort)
        condition = {} if found is None else {"if_match_etag": found["_etag"]}
        operation: tuple[Any, ...]
        if new is None:
            operation = "delete", (id,), condition
        elif found is None:
            operation = "create", (new,)
        else:
            operation = "replace", (id, new), condition
        if self._changes:
            operations = [operation, ("create", (self._change(key, old, new),))]
            self.client.execute_item_batch(operations, partition_key=key)
            return
        from azure.core import MatchConditions

        same = {} if found is None else {"etag": found["_etag"], "match_condition": MatchConditions.IfNotModified}
        if new is None:
            self.client.delete_item(id, partition_key=key, **same)
        elif found is None:
            self.client.create_item(new, no_response=True)
        else:
            self.client.replace_item(id, new, no_response=True, **same)

    def _change(self, key: str, old: Document | None, new: Document | None) -> Document:
        """The document of a change. Its id is the event's, so that every delivery has the same."""
        from faasbridge.events import Change

        from ..events_own import change_document

        id = os.urandom(16).hex()
        change: Change[Any] = Change(
            self._name,
            key,
            "insert" if old is None else "delete" if new is None else "update",
            old=None if old is None else decode(old["row"]),
            new=None if new is None else decode(new["row"]),
            id=id,
        )
        return {**change_document(change), "id": f"change={id}", "pk": key, "ttl": rows.CHANGE_LIFE_S}

    def _live(self, key: str, sort: str | None) -> Document | None:
        found = self._read(key, sort)
        return None if found is None or rows.is_expired(found, time.time()) else found

    def _read(self, key: str, sort: str | None) -> Document | None:
        try:
            return dict(self.client.read_item(rows.id_of(sort), partition_key=key))
        except Exception as error:
            if status_of(error) == 404 and self._exists():
                return None
            with translating(self._what):
                raise

    def _exists(self) -> bool:
        """Whether the container does: a 404 does not tell what is missing, so the first one is looked into."""
        if not self._known:
            with translating(self._what):
                self.client.read()
            self._known = True
        return True

    def _check(self, old: Document | None, if_match: Mapping[str, object] | None, key: str, sort: str | None) -> None:
        if if_match is None:
            return
        if old is None:
            raise Conflict(f"{self._what} has no row {self._label(key, sort)} to compare with if_match")
        item = decode(old["row"])
        for name, value in if_match.items():
            if not matches(item.get(name), decode(encode(value))):
                raise Conflict(f"{name!r} of row {self._label(key, sort)} of {self._what} is not {value!r}")

    def _document(self, row: Mapping[str, Any], key: str, sort: str | None, expires_at: float | None) -> Document:
        return rows.document(row, key, sort, self._indexes, expires_at, time.time())

    def _label(self, key: str, sort: str | None) -> str:
        return f"{key!r}, {sort!r}" if self._sort else repr(key)
