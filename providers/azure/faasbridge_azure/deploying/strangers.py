"""Resources that somebody else made under names that the template has.

Resource Manager would change them as if they were the template's, and the stack, whose they were then, would delete
them with everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faasbridge.errors import ConfigError

from ..template.document import TAGGED
from .connection import Cloud
from .stack import Made, key_of, key_of_declared

_TAGGED = frozenset(each.lower() for each in TAGGED)


def refuse(cloud: Cloud, template: Mapping[str, Any], there: Iterable[Made]) -> None:
    """`there` is what the stack has. Raises ConfigError that names the resource."""
    known = {each.key for each in there}
    declared = (each for each in template["resources"] if each["type"].lower() in _TAGGED)
    wanted = {key_of_declared(each) for each in declared} - known
    if not wanted:
        return
    for each in cloud.resources.list_by_resource_group(cloud.group):
        if key_of(each.id) in wanted and not cloud.is_ours(each.tags):
            raise ConfigError(
                f"there is a {each.type} {each.name!r} in the resource group {cloud.group!r} that is not of this app "
                "and stage: delete it, or rename what is declared, or declare that with existing=True"
            )
