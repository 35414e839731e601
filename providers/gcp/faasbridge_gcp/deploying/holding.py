"""Data of a user's that a resource holds, which is destroyed only where that was asked for and is not forbidden."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage

from ..template.names import ARTIFACTS_PART
from . import tables
from .connection import Cloud
from .kinds import Found

PROBE_PART = "probe"  # a bucket that is made to try a location


def held(cloud: Cloud, kinds: Mapping[str, Any], found: Found, known: Collection[str] = ()) -> str:
    """`bucket 'files' holds 1 object`; empty where it holds nothing, or nothing of a user's. `known`: tables that are
    asked for themselves."""
    if found.type == "storage.bucket" and not is_own(found):
        count, more = kinds[found.type].objects(found.name)
        what = "object"
    elif found.type == "firestore.field":
        database = found.name.partition("/collectionGroups/")[0]
        count, more = tables.rows(cloud, database, found.owner["name"])
        what = "row"
    elif found.type == "firestore.database":
        others = sorted(set(tables.collections(cloud, found.name)) - set(known))
        return f"the database holds the collection {others[0]!r}, which is no table of the app" if others else ""
    else:
        return ""
    if not count:
        return ""
    counted = f"{'more than ' if more else ''}{count} {what}{'s' * (count != 1)}"
    return f"{found.owner['kind']} {found.owner['name']!r} holds {counted}"


def is_own(found: Found) -> bool:
    """Whether FaaSBridge itself has put there what is in it."""
    return found.owner.get("part") in (ARTIFACTS_PART, PROBE_PART)


def refuse_protected(gone: Iterable[Found], databases: Iterable[Found], stage: Stage, then: str) -> None:
    """Before anything is emptied: a protected database would stay, and its rows would be gone. Raises ConfigError."""
    if any(each.body.get("deleteProtectionState") == "DELETE_PROTECTION_ENABLED" for each in databases) and any(
        each.type in ("firestore.field", "firestore.database") for each in gone
    ):
        raise ConfigError(
            "the tables are protected from deletion: set deletion_protection = false in "
            f"[tool.faasbridge.stages.{stage.name}.gcp], deploy, then {then}"
        )
