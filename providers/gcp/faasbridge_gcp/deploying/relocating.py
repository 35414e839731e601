"""Buckets that get another location: Cloud Storage cannot move one, so it is emptied, removed and made anew.

Nothing brings its objects back. So it comes after most of what may fail, and not before Cloud Storage has shown that
the new location is possible, which it does by making a bucket there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from ..template.document import PART_LABEL
from .connection import faults, patient
from .holding import PROBE_PART, is_own
from .kinds import Found
from .planning import Action


def relocated(actions: Iterable[Action]) -> list[Action]:
    """Not the artifacts' bucket, which is needed early and whose content is built again."""
    found = [each for each in actions if each.type == "storage.bucket" and each.verb == "replace"]
    return [each for each in found if each.found is not None and not is_own(each.found)]


def try_locations(buckets: Any, actions: Iterable[Action]) -> None:
    """`buckets` is the kind. Raises DeployError where one of the buckets cannot be made where it is to be."""
    tried = set()
    for action in actions:
        if action.body["location"] not in tried:
            tried.add(action.body["location"])
            with faults(f"{action.owner['kind']} {action.owner['name']!r}"):
                patient(_try, buckets, action)


def _try(buckets: Any, action: Action) -> None:
    """Its labels make it the stage's: one that stays, for the command was killed, goes with the next deployment."""
    name = f"projects/_/buckets/faasbridge-probe-{uuid4().hex}"
    body = {**action.body, "labels": {**action.body["labels"], PART_LABEL: PROBE_PART}}
    buckets.create(name, body)
    buckets.delete(Found("storage.bucket", name, body, {**action.owner, "part": PROBE_PART}))
