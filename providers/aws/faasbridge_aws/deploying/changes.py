"""From CloudFormation's resources to the steps of a plan, one for each thing that the app declares. Pure.

A declared thing is several resources: a function has a role, a log group, an inbox. What changes in any of them is a
change of the thing; replaced or lost is it only where its main resource is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faasbridge.deploy import Action, Step

from .stack import Owner, owners, parts

_HOLD_DATA = frozenset({"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SecretsManager::Secret"})
_LOST_WHEN_REMOVED = frozenset({"AWS::S3::Bucket", "AWS::DynamoDB::Table"})
_KEPT = ("Retain", "ReplaceAndRetain", "Snapshot", "ReplaceAndSnapshot")
_STRENGTH: tuple[Action, ...] = ("none", "update", "create", "delete", "replace")


def creations(template: Mapping[str, Any], reason: str = "") -> tuple[Step, ...]:
    """Everything of the template."""
    return tuple(Step("create", kind, name, reason) for kind, name in _in_order(template))


def steps(
    changes: Iterable[Mapping[str, Any]],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    recoded: Iterable[Owner] = (),
) -> tuple[Step, ...]:
    """Those of a change set between two templates, untouched things as `none`. `recoded` get other code besides."""
    before, after = owners(old), owners(new)
    of_others = parts(old) | parts(new)
    found: dict[Owner, list[Step]] = {owner: [] for owner in dict.fromkeys((*_in_order(new), *_in_order(old)))}
    for each in changes:
        change = each.get("ResourceChange")
        if change is None:
            continue
        logical_id = change["LogicalResourceId"]
        owner = after.get(logical_id) or before.get(logical_id)
        if owner is not None:
            found[owner].append(
                _step(
                    change,
                    owner,
                    is_part=logical_id in of_others,
                    stays=owner in after.values(),
                    is_new=owner not in before.values(),
                )
            )
    for owner in recoded:
        found[owner].append(Step("update", *owner, "code"))
    return tuple(_strongest(owner, of_owner) for owner, of_owner in found.items())


def touched(changes: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The logical ids that a change set names."""
    return frozenset(each["ResourceChange"]["LogicalResourceId"] for each in changes if "ResourceChange" in each)


def lost(changes: Iterable[Mapping[str, Any]], type_: str) -> tuple[str, ...]:
    """The physical ids of resources of that type that would go."""
    return tuple(
        change["PhysicalResourceId"]
        for each in changes
        if (change := each.get("ResourceChange", {})).get("ResourceType") == type_
        and (change["Action"] == "Remove" or change.get("Replacement") == "True")
        and change.get("PolicyAction") not in _KEPT
        and change.get("PhysicalResourceId")
    )


def protected_tables(changes: Iterable[Mapping[str, Any]], old: Mapping[str, Any]) -> tuple[str, ...]:
    """The tables that would go and may not: CloudFormation would leave them behind, in no stack any more."""
    gone = [
        change["LogicalResourceId"]
        for each in changes
        if (change := each.get("ResourceChange", {})).get("ResourceType") == "AWS::DynamoDB::Table"
        and (change["Action"] == "Remove" or change.get("Replacement") == "True")
    ]
    known = old.get("Resources", {})
    return tuple(
        owners(old)[id][1] for id in gone if known.get(id, {}).get("Properties", {}).get("DeletionProtectionEnabled")
    )


def _step(change: Mapping[str, Any], owner: Owner, *, is_part: bool, stays: bool, is_new: bool) -> Step:
    kind, name = owner
    type_ = change["ResourceType"]
    what = type_.rpartition("::")[2] if is_part else ""
    kept = change.get("PolicyAction") in _KEPT
    if change["Action"] == "Add":
        return Step("create", kind, name) if is_new else Step("update", kind, name, f"new {what or kind}")
    if change["Action"] == "Remove":
        if not stays:
            return Step("delete", kind, name, data_loss=type_ in _LOST_WHEN_REMOVED and not kept)
        return Step("update", kind, name, f"no {what or kind} any more")
    reason = _reason(change)
    replacement = change.get("Replacement", "False")
    lost = type_ in _HOLD_DATA and not kept
    if replacement in ("True", "Conditional") and (not what or lost):
        sure = "must" if replacement == "True" else "may have to"
        said = f"{what + ': ' if what else ''}{reason}, {'it ' + sure} be made anew"
        return Step("replace" if not what else "update", kind, name, said, data_loss=lost)
    return Step("update", kind, name, f"{what}: {reason}" if what else reason)


def _reason(change: Mapping[str, Any]) -> str:
    """The names of the properties that differ."""
    names = dict.fromkeys(
        target.get("Name") or target.get("Attribute", "")
        for detail in change.get("Details", ())
        if (target := detail.get("Target"))
    )
    said = ["code" if name == "Code" else name for name in names if name]
    return ", ".join(said) or ", ".join(scope.lower() for scope in change.get("Scope", ())) or "changed"


def _strongest(owner: Owner, found: list[Step]) -> Step:
    if not found:
        return Step("none", *owner)
    strongest = max(found, key=lambda step: _STRENGTH.index(step.action))
    reasons = dict.fromkeys(step.reason for step in found if step.reason)
    if strongest.action in ("create", "delete"):
        reasons = {}
    return Step(strongest.action, *owner, "; ".join(reasons), any(step.data_loss for step in found))


def _in_order(template: Mapping[str, Any]) -> list[Owner]:
    """The owners, each once."""
    return list(dict.fromkeys(owners(template).values()))
