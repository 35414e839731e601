"""Taking a deployment down: what holds data is found first, and destroyed only where that was asked for.

The stack deletes its resources; then go the resource group, where it is ours and empty, and the names that deleted key
vaults hold. Each part can be done again, so a destroy that was interrupted is finished by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from faasbridge.deploy import Progress, Step
from faasbridge.errors import ConfigError, DeployError

from .connection import Cloud
from .faults import check_missing
from .holdings import held
from .stack import Made, Owner, Stack, is_running, key_of, made, state_of
from .vaults import purge


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
            holding = [] if delete_data else held(self._cloud, resources)
            if holding:
                raise ConfigError(f"{', '.join(holding)}: destroy that as well with --delete-data")
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
