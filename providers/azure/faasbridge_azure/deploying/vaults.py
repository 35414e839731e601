"""Key vaults that are deleted and still hold their names, purged so that the stage can be deployed again.

Source: Key Vault documentation, "Key Vault soft-delete overview" (names stay taken for 7 to 90 days).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from .connection import Cloud

_REFUSED = (400, 403, 405, 409)  # no right to, or the vault is protected from it


def purge(cloud: Cloud) -> list[str]:
    """Those of this app and stage; the names of those that stay, since the right to purge them is missing or the vault
    is protected."""
    stay = []
    try:
        listed = list(cloud.vaults.list_deleted())
    except HttpResponseError as error:
        if error.status_code not in _REFUSED:
            raise
        return []
    for each in listed:
        properties = each.properties
        here = str(properties.vault_id or "").lower().startswith(f"{cloud.scope}/".lower())
        if here and cloud.is_ours(properties.tags) and not _purged(cloud, each.name, properties.location):
            stay.append(each.name)
    return stay


def recovering(template: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The template that has vaults of these names back, with what is in them."""
    known = {name.lower() for name in names}

    def made(each: Mapping[str, Any]) -> Mapping[str, Any]:
        if each["type"].lower() != "microsoft.keyvault/vaults" or str(each["name"]).lower() not in known:
            return each
        return {**each, "properties": {**(each.get("properties") or {}), "createMode": "recover"}}

    return {**template, "resources": [made(each) for each in template["resources"]]}


def _purged(cloud: Cloud, name: str, location: str) -> bool:
    try:
        cloud.vaults.begin_purge_deleted(name, location).result()
    except ResourceNotFoundError:
        return True
    except HttpResponseError as error:
        if error.status_code not in _REFUSED:
            raise
        return False
    return True
