"""Taking a deployment down: what holds data is found first, and destroyed only where that was asked for.

The stack deletes its resources; then go the resource group, where it is ours and empty, and the names that deleted key
vaults hold. Each part can be done again, so a destroy that was interrupted is finished by the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from faasbridge.deploy import Progress, Step
from faasbridge.errors import ConfigError, DeployError

from ..drivers.clients import Clients
from .connection import Cloud
from .faults import check_missing
from .stack import Made, Owner, Stack, is_running, key_of, made, outputs, state_of
from .vaults import purge

_MOST = 1000
_HOLDERS = {
    "bucket": "microsoft.storage/storageaccounts/blobservices/containers",
    "table": "microsoft.documentdb/databaseaccounts/sqldatabases/containers",
}


class Teardown:
    def __init__(self, cloud: Cloud, stack: Stack) -> None:
        self._cloud, self._stack = cloud, stack

    def destroy(self, *, delete_data: bool) -> Iterator[Progress]:
        """Nothing where nothing is deployed. Raises ConfigError where data is held, DeployError with the first
        cause."""
        group = self._group()
        found = self._stack.describe() if group is not None else None
        if found is not None and is_running(found):
            yield from self._wait(found)
            found = self._stack.describe()
        if found is not None:
            resources = made(found, self._stack.template())
            if not delete_data:
                self._refuse_data(resources, outputs(found))
            yield from self._delete(resources)
        if group is not None and self._cloud.is_ours(group.tags) and self._is_empty():
            yield from self._delete_group()
        purge(self._cloud)

    def _group(self) -> Any:
        try:
            return self._cloud.groups.get(self._cloud.group)
        except ResourceNotFoundError as error:
            check_missing(error)
            return None

    def _wait(self, found: Any) -> Iterator[Progress]:
        step = Step("update", "stack", self._stack.name, "another operation is running")
        yield Progress(step, "started", "waiting for the operation that is running")
        try:
            if state_of(found) == "deleting":
                for _ in self._stack.gone():
                    yield Progress(step, "started", "being destroyed")
            else:
                for operation in self._stack.follow():
                    yield Progress(step, "started", f"{operation.state} {operation.key}")
        except DeployError as error:
            yield Progress(step, "started", f"it failed: {error}")
        yield Progress(step, "done")

    def _refuse_data(self, resources: list[Made], found: Mapping[str, Any]) -> None:
        ours = {each.owner for each in resources if not each.part and each.type.lower() == _HOLDERS.get(each.owner[0])}
        names = {variable: tuple(owner) for variable, owner in (found.get("names") or {}).items()}
        held = []
        for variable, address in (found.get("addresses") or {}).items():
            kind, name = names.get(variable, ("", ""))
            if (kind, name) in ours:
                count = _COUNTS[kind](self._cloud.clients, address)
                if count:
                    held.append(f"{kind} {name!r} holds {_counted(count, 'object' if kind == 'bucket' else 'row')}")
        if held:
            raise ConfigError(f"{', '.join(held)}: destroy that as well with --delete-data")

    def _delete(self, resources: list[Made]) -> Iterator[Progress]:
        """A step is done when the last of its resources is gone."""
        left: dict[Owner, set[str]] = {}
        for each in resources:
            left.setdefault(each.owner, set()).add(each.key)
        steps = {owner: Step("delete", *owner) for owner in left}
        for step in steps.values():
            yield Progress(step, "started")
        self._stack.delete()
        for _ in self._stack.gone():
            there = self._there()
            for owner, keys in list(left.items()):
                if not any(_is_there(key, there) for key in keys):
                    del left[owner]
                    yield Progress(steps[owner], "done")
        for owner in left:
            yield Progress(steps[owner], "done")

    def _delete_group(self) -> Iterator[Progress]:
        step = Step("delete", "resource group", self._cloud.group)
        yield Progress(step, "started")
        with suppress(ResourceNotFoundError):
            self._cloud.groups.begin_delete(self._cloud.group).result()
        yield Progress(step, "done")

    def _there(self) -> set[str]:
        """Keys of the resources of the group; those inside of others are not listed."""
        try:
            return {key_of(each.id) for each in self._cloud.resources.list_by_resource_group(self._cloud.group)}
        except ResourceNotFoundError:
            return set()

    def _is_empty(self) -> bool:
        return not self._there()


def _is_there(key: str, there: set[str]) -> bool:
    """Of a resource, or of the one that it is inside of."""
    namespace, *rest = key.split("/")
    depth = len(rest) // 2
    types, names = rest[:depth], rest[depth:]
    return any("/".join((namespace, *types[:at], *names[:at])) in there for at in range(1, depth + 1))


def _counted(count: int, what: str) -> str:
    return f"{'more than ' if count > _MOST else ''}{min(count, _MOST)} {what}{'s' * (count != 1)}"


def _objects(clients: Clients, address: str) -> int:
    """Up to one more than a thousand."""
    count = 0
    try:
        for _ in clients.container(address).list_blob_names(results_per_page=_MOST + 1):
            count += 1
            if count > _MOST:
                break
    except ResourceNotFoundError:
        return 0
    return count


def _rows(clients: Clients, address: str) -> int:
    endpoint, _, rest = address.partition("?")[0].partition("/dbs/")
    database, _, container = rest.partition("/colls/")
    found = clients.cosmos(endpoint).get_database_client(database).get_container_client(container)
    text = f"SELECT TOP {_MOST + 1} c.id FROM c WHERE c.faasbridge = 'row'"  # noqa: S608 - a number of ours
    try:
        return sum(1 for _ in found.query_items(text, enable_cross_partition_query=True))
    except ResourceNotFoundError:
        return 0


_COUNTS = {"bucket": _objects, "table": _rows}
