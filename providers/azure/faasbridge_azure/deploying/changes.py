"""What-if's changes as steps: one for each declared thing, which is usually several resources. Pure.

A what-if also tells of differences that are none, such as defaults and values only known when they are made ("noise").
So a modification counts only where the resource is declared otherwise than in the template that was sent last.
Source: Azure Resource Manager documentation, "Bicep what-if", "What-if results" and "Noise".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faasbridge.deploy import Action, Step

from ..template.document import nested
from .holdings import holds_data
from .stack import Made, Owner, key_of, key_of_declared, owner_in, owners, text

_STRENGTH: tuple[Action, ...] = ("none", "update", "create", "delete", "replace")
# What cannot be changed, so that the resource is made anew. Source: Cosmos DB documentation, "Partitioning".
FIXED: Mapping[str, frozenset[str]] = {
    "microsoft.documentdb/databaseaccounts/sqldatabases/containers": frozenset(
        {"properties.resource.partitionKey", "properties.resource.uniqueKeyPolicy"}
    ),
}


def declared(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Key -> resource."""
    given = template.get("resources") or ()
    listed = given.values() if isinstance(given, Mapping) else given
    return {key_of_declared(each): each for each in listed}


def _whole(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The same with what deployments within the deployment make, which Azure lists and compares like the rest."""
    found = declared(template)
    return {**found, **{key_of_declared(one): one for each in found.values() for one in nested(each)}}


def creations(template: Mapping[str, Any]) -> tuple[Step, ...]:
    return tuple(Step("create", *owner) for owner in _owners(template))


def steps(
    changes: Iterable[Any],
    before: Mapping[str, Any],
    wanted: Mapping[str, Any],
    there: Iterable[Made],
    recoded: Iterable[Owner],
) -> tuple[Step, ...]:
    """In the template's order, what goes at the end. `recoded`: owners of functions whose code differs."""
    known, old, new = owners(wanted), _whole(before), _whole(wanted)
    there = list(there)
    was = {each.owner for each in there}
    found: dict[Owner, list[Step]] = {owner: [] for owner in _owners(wanted)}
    for change in changes:
        key = key_of(change.resource_id)
        if key not in new:
            continue
        owner, part = owner_in(known, key)
        step = _step(change, key, owner, part, is_new=owner not in was, same=old.get(key) == new[key])
        if step is not None:
            found.setdefault(owner, []).append(step)
    for each in there:
        if each.key not in new:
            stays = each.owner in found
            name = each.part or each.type.rpartition("/")[2]
            loses = holds_data(each)
            found.setdefault(each.owner, []).append(
                Step("update", *each.owner, f"no {name} any more", loses)
                if stays and each.owner in _owners(wanted)
                else Step("delete", *each.owner, data_loss=loses)
            )
    for owner in recoded:
        if owner in found:
            found[owner].append(Step("update", *owner, "code"))
    return tuple(_strongest(owner, of_owner) for owner, of_owner in found.items())


def replaced(change: Any) -> bool:
    fixed = FIXED.get("/".join(key_of(change.resource_id).split("/")[:4]), frozenset())
    return kind_of(change) == "Modify" and any(_path(each).startswith(tuple(fixed)) for each in change.delta or ())


def kind_of(change: Any) -> str:
    return text(change.change_type)


def _step(change: Any, key: str, owner: Owner, part: str, *, is_new: bool, same: bool) -> Step | None:
    kind, what = kind_of(change), part or key.rsplit("/", maxsplit=1)[-1]
    if kind == "Create":
        return Step("create", *owner) if is_new else Step("update", *owner, f"new {part or what}")
    if same or kind in ("NoChange", "NoEffect"):
        return None
    reason = _reason(change)
    if replaced(change):
        return Step("replace", *owner, f"{reason} cannot be changed", not part)
    return Step("update", *owner, f"{part}: {reason}" if part else reason)


def _reason(change: Any) -> str:
    names = []
    for each in change.delta or ():
        path = _path(each)
        names.append(path.removeprefix("properties.").removeprefix("siteConfig.").removeprefix("resource."))
    return ", ".join(dict.fromkeys(names)) or "settings"


def _path(delta: Any) -> str:
    return str(delta.path or "")


def _owners(template: Mapping[str, Any]) -> dict[Owner, None]:
    known = owners(template)
    return dict.fromkeys(owner_in(known, key)[0] for key in declared(template))


def _strongest(owner: Owner, found: list[Step]) -> Step:
    if not found:
        return Step("none", *owner)
    strongest = max(found, key=lambda step: _STRENGTH.index(step.action))
    reasons = dict.fromkeys(step.reason for step in found if step.reason)
    if strongest.action in ("create", "delete"):
        reasons = {}
    return Step(strongest.action, *owner, "; ".join(reasons), any(step.data_loss for step in found))
