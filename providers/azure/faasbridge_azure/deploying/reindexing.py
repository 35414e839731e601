"""Rows that were written before their table had the indexes that it has now: they are written again, with these.

A deployment does so twice: before its code runs, which then finds whole indexes, and afterwards, since the code of
before has written meanwhile. Each row says which indexes it was written with (`rows`), so whatever an interruption left
is found by the next plan. No event tells of it, since no row changes. A table that was there before FaaSBridge is left
alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from azure.core import MatchConditions

from faasbridge.adapter.binding import variable
from faasbridge.deploy import Progress, Step
from faasbridge.errors import ConfigError, DeployError, NotFound, PermissionDenied
from faasbridge.spec import AppSpec

from .. import rows
from ..drivers.errors import status_of, translating
from .connection import Cloud

_PAGE = 500
_AT_ONCE = 8
_NEEDED = (
    "rows that are there may have to be written again for its indexes: whoever deploys needs Cosmos DB Built-in Data "
    "Contributor on the app's Cosmos DB account"
)


@dataclass(frozen=True)
class Table:
    name: str
    sort_key: str | None
    indexes: rows.Indexes
    container: Any

    def stale(self, most: int) -> list[dict[str, Any]]:
        """Documents of rows that were written with other indexes, or none."""
        query = (
            f"SELECT TOP {most} * FROM c WHERE c.place >= '' "  # noqa: S608 - a number of ours
            "AND (NOT IS_DEFINED(c.indexes) OR c.indexes != @mark)"
        )
        parameters = [{"name": "@mark", "value": self.indexes.mark}]
        with translating(f"table {self.name!r}"):
            return list(self.container.query_items(query, parameters=parameters, enable_cross_partition_query=True))

    def reindex(self) -> Iterator[int]:
        """How many rows were written, after each page of them."""
        count = 0
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while found := self.stale(_PAGE):
                written = sum(pool.map(self._write, found))
                if not written:  # others write all of these now
                    break
                count += written
                yield count

    def _write(self, there: dict[str, Any]) -> bool:
        made = rows.reindexed(there, self.sort_key, self.indexes, time.time())
        same = {"etag": there["_etag"], "match_condition": MatchConditions.IfNotModified}
        try:
            self.container.replace_item(there["id"], made, no_response=True, **same)
        except Exception as error:
            if status_of(error) in (404, 412, 449):  # somebody else has written or deleted it
                return False
            with translating(f"table {self.name!r}"):
                raise
        return True


def step_of(steps: Iterable[Step], table: str) -> Step | None:
    """The one that may lead to rows being written again."""
    return next(
        (each for each in steps if each.kind == "table" and each.name == table and each.action == "update"), None
    )


def planned(cloud: Cloud, spec: AppSpec, stack: Any, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps of a plan, where each table with rows to be written again is updated.

    Raises ConfigError where a table is updated and who deploys may not look at its rows; where it is not, the rows are
    left to whoever may.
    """
    lacking: set[str] = set()
    for table in _tables(cloud, spec, stack):
        try:
            if table.stale(1):
                lacking.add(table.name)
        except NotFound:
            continue
        except PermissionDenied as error:
            if step_of(steps, table.name) is not None:
                raise ConfigError(f"table {table.name!r} is to be changed, and {_NEEDED}") from error
    reason = "rows that its indexes lack"
    return tuple(
        replace(each, action="update", reason=reason)
        if each.kind == "table" and each.action == "none" and each.name in lacking
        else each
        for each in steps
    )


def reindexed(cloud: Cloud, spec: AppSpec, stack: Any, steps: Iterable[Step]) -> Iterator[Progress]:
    """Writes the rows of those tables. Raises DeployError where that is not allowed."""
    steps = list(steps)
    for table in _tables(cloud, spec, stack):
        step = step_of(steps, table.name)
        if step is None:
            continue
        try:
            for count in table.reindex():
                yield Progress(step, "started", f"{count} rows for its indexes")
        except PermissionDenied as error:
            raise DeployError(f"table {table.name!r}: {_NEEDED}; then deploy again") from error


def _tables(cloud: Cloud, spec: AppSpec, stack: Any) -> Iterator[Table]:
    """Those with indexes that the stack has; a failed deployment leaves none, and the next one has them again."""
    given = ((stack.properties.outputs or {}) if stack is not None else {}).get("addresses") or {}
    for each in spec.resources:
        address = (given.get("value") or {}).get(variable(each.kind, each.name))
        if each.kind == "table" and each.options.get("indexes") and not each.existing and address:
            endpoint, _, rest = address.partition("?")[0].partition("/dbs/")
            database, _, container = rest.partition("/colls/")
            client = cloud.clients.cosmos(endpoint).get_database_client(database).get_container_client(container)
            yield Table(each.name, each.options.get("sort_key"), rows.Indexes(each.options["indexes"]), client)
