"""Whose a resource is, by its labels, or by the same in its description where a type has no labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from faasbridge.errors import DeployError

from ..template.document import APP_LABEL, KIND_LABEL, NAME_LABEL, PART_LABEL, STAGE_LABEL, Owner


def owner_of(labels: Mapping[str, str]) -> Owner:
    owner: Owner = {"kind": labels.get(KIND_LABEL, ""), "name": labels.get(NAME_LABEL, "")}
    if PART_LABEL in labels:
        owner["part"] = labels[PART_LABEL]
    return owner


def is_ours(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(key) == wanted[key] for key in (APP_LABEL, STAGE_LABEL))


def described(text: str) -> dict[str, str]:
    """The labels in a description."""
    return dict(re.findall(r"(faasbridge-[a-z]+)=(\S*)", text))


def refuse_foreign(name: str, there: Any, body: Mapping[str, Any]) -> None:
    """Of what is there already where `body` was to be made: this stage's it is only where an earlier request made it.

    Raises DeployError.
    """
    if "labels" in body:
        is_own = is_ours(there.labels, body["labels"])
    else:
        is_own = is_ours(described(there.description), described(body["description"]))
    if not is_own:
        raise DeployError(
            f"{name} exists and is not this stage's: rename what is declared, or remove it if nobody needs it"
        )
