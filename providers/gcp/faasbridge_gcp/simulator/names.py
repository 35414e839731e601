"""Resource names: taken apart, checked, labelled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from .rpc import invalid

PROJECT_NUMBER = "123456789012"
# What a deployment labels its resources with.
APP_LABEL, STAGE_LABEL, KIND_LABEL = "faasbridge-app", "faasbridge-stage", "faasbridge-kind"

_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_PROJECT = re.compile(r"projects/([a-z][a-z0-9-]{4,28}[a-z0-9]|\d+)")


def part(name: str, collection: str) -> str:
    """`part("projects/p/locations/l", "locations")` is "l". Raises InvalidArgument where it is not there."""
    pieces = name.split("/")
    for key, value in pairwise(pieces):
        if key == collection and value:
            return value
    raise invalid(f"Invalid resource name '{name}': it should have '{collection}/...'")


def last(name: str) -> str:
    return name.rpartition("/")[2]


def check_project(name: str) -> str:
    """The project of a name. Raises InvalidArgument for what is no project id."""
    found = _PROJECT.match(name)
    if found is None or name[found.end() : found.end() + 1] not in ("", "/"):
        raise invalid(f"Invalid resource field value in the request: '{name}' names no project")
    return found[1]


def check(name: str, pattern: str, what: str) -> None:
    if not re.fullmatch(pattern, name):
        raise invalid(f"Invalid {what} '{name}': it must match {pattern}")


def check_labels(labels: Mapping[str, str]) -> None:
    """Source: https://cloud.google.com/resource-manager/docs/labels-overview, "Requirements for labels"."""
    if len(labels) > 64:
        raise invalid("a resource has at most 64 labels")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            raise invalid(f"Invalid label key '{key}': lower-case letters, digits, '-' and '_', a letter first")
        if not _LABEL_VALUE.fullmatch(value):
            raise invalid(f"Invalid value '{value}' of label '{key}': lower-case letters, digits, '-' and '_'")


def labels_match(filter: str, labels: Mapping[str, str], **fields: str) -> bool:
    """The part of the list filters that tells resources apart by label: `labels.app=shop AND labels.stage:dev`; and by
    the `fields` that are given."""
    known = {**{f"labels.{key}": value for key, value in labels.items()}, **fields}
    text = filter.strip()
    for clause in re.split(r"\s+AND\s+", text) if text else ():
        found = re.fullmatch(r"([\w.-]+)\s*([=:])\s*\"?([\w*-]*)\"?", clause.strip("() "))
        if found is None or not (found[1].startswith("labels.") or found[1] in fields):
            raise invalid(f"the simulator knows filters by label only, not '{clause}'")
        key, _, value = found.groups()
        if key not in known or value not in ("*", known[key]):
            return False
    return True
