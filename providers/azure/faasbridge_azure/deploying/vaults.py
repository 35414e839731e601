"""Key vaults that are deleted and still hold their names: a deployment has them back, a destroy purges them.

Source: Key Vault documentation, "Key Vault soft-delete overview" (names stay taken for 7 to 90 days).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from .connection import Cloud
from .stack import Made, key_of_declared

_VAULTS = "microsoft.keyvault/vaults/"
_REFUSED = (400, 403, 405, 409)  # no right to, or the vault is protected from it


def deleted(cloud: Cloud) -> set[str]:
    """Names of those of this app and stage, in lower case; none where the right to look is missing."""
    return {each.name.lower() for each in _deleted(cloud)}


def new(template: Mapping[str, Any], there: Iterable[Made]) -> set[str]:
    """Names of vaults that the template has and the stack has not, in lower case."""
    known = {each.key for each in there}
    declared = (key_of_declared(each) for each in template["resources"])
    return {key.removeprefix(_VAULTS) for key in declared if key.startswith(_VAULTS) and key not in known}


def recovering(template: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The template that has vaults of these names back, with what is in them."""

    def made(each: Mapping[str, Any]) -> Mapping[str, Any]:
        key = key_of_declared(each)
        if not key.startswith(_VAULTS) or key.removeprefix(_VAULTS) not in names:
            return each
        return {**each, "properties": {**(each.get("properties") or {}), "createMode": "recover"}}

    return {**template, "resources": [made(each) for each in template["resources"]]}


def purge(cloud: Cloud) -> None:
    """Those of this app and stage, as far as the right to is there and the vault is not protected from it."""
    for each in _deleted(cloud):
        try:
            cloud.vaults.begin_purge_deleted(each.name, each.properties.location).result()
        except ResourceNotFoundError:
            continue
        except HttpResponseError as error:
            if error.status_code not in _REFUSED:
                raise


def _deleted(cloud: Cloud) -> list[Any]:
    try:
        listed = list(cloud.vaults.list_deleted())
    except HttpResponseError as error:
        if error.status_code not in _REFUSED:
            raise
        return []
    start = f"{cloud.scope}/".lower()
    return [
        each
        for each in listed
        if cloud.is_ours(each.properties.tags) and str(each.properties.vault_id or "").lower().startswith(start)
    ]
