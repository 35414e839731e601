"""What is there already, in the stage's resource group or by its whole id elsewhere. Pure.

`[tool.faasbridge.stages.prod.azure.existing]` names a bucket `account/container`, a queue `account/queue`, a topic
`topic` and a table `account/database/container`, or any of them by its resource id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import ResourceSpec

from . import names

# Of each kind: the type, the form of its name, and where the parts of that are in the type's own.
_KINDS: Mapping[str, tuple[str, str, tuple[int | str, ...]]] = {
    "bucket": (names.CONTAINERS, "account/container", (0, "default", 1)),
    "queue": (names.QUEUES, "account/queue", (0, "default", 1)),
    "table": (names.TABLES, "account/database/container", (0, 1, 2)),
    "topic": (names.TOPICS, "topic", (0,)),
}


@dataclass(frozen=True)
class Existing:
    """`segments` are those of its name; `group` is empty for the stage's own, else `/subscriptions/.../NAME`."""

    type: str
    segments: tuple[str, ...]
    group: str = ""

    @property
    def id(self) -> str:
        """Without brackets."""
        return self.id_of(self.type, len(self.segments))

    def id_of(self, type_: str, number: int) -> str:
        """Of one of those that it is in: its type, and how many of the segments."""
        segments = self.segments[:number]
        if not self.group:
            return names.resource_id(type_, "/".join(segments))
        namespace, *kinds = type_.split("/")
        path = "/".join(part for pair in zip(kinds, segments, strict=True) for part in pair)
        return names.quoted(f"{self.group}/providers/{namespace}/{path}")

    def reference(self, type_: str, number: int, member: str, what: str = "") -> str:
        """The property of one of those."""
        version = names.VERSIONS[type_.partition("/")[0]]
        return f"reference({self.id_of(type_, number)}, {names.quoted(version)}{what}).{member}"


def of(resource: ResourceSpec, stage: Stage) -> Existing:
    """Raises ConfigError for a setting that is missing or leads nowhere."""
    type_, form, places = _KINDS[resource.kind]
    given = names.existing_name(resource, stage).strip("/")
    namespace, *kinds = type_.split("/")
    pattern = "/".join([re.escape(namespace), *(f"{kind}/([^/]+)" for kind in kinds)])
    found = re.fullmatch(rf"(subscriptions/[^/]+/resourceGroups/[^/]+)/providers/{pattern}", given, re.IGNORECASE)
    if found is not None:
        return Existing(type_, found.groups()[1:], f"/{found[1]}")
    parts = given.split("/")
    if len(parts) != form.count("/") + 1 or not all(parts):
        raise ConfigError(
            f"[tool.faasbridge.stages.{stage.name}.azure.existing]: {resource.kind} {resource.name!r} is "
            f"{form.upper()} in the stage's resource group, or a resource id, not {given!r}"
        )
    return Existing(type_, tuple(parts[place] if isinstance(place, int) else place for place in places))
