"""Data of a user's that a resource holds, which is destroyed only where that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..template.names import ARTIFACTS_PART
from . import tables
from .connection import Cloud
from .kinds import Found


def held(cloud: Cloud, kinds: Mapping[str, Any], found: Found) -> str:
    """`bucket 'files' holds 1 object`; empty where it holds nothing, or nothing of a user's."""
    if found.type == "storage.bucket" and not is_own(found):
        count, more = kinds[found.type].objects(found.name)
        what = "object"
    elif found.type == "firestore.field":
        database = found.name.partition("/collectionGroups/")[0]
        count, more = tables.rows(cloud, database, found.owner["name"])
        what = "row"
    else:
        return ""
    if not count:
        return ""
    counted = f"{'more than ' if more else ''}{count} {what}{'s' * (count != 1)}"
    return f"{found.owner['kind']} {found.owner['name']!r} holds {counted}"


def is_own(found: Found) -> bool:
    """Whether FaaSBridge itself has put there what is in it."""
    return found.owner.get("part") == ARTIFACTS_PART
