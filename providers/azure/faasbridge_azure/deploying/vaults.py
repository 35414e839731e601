"""Key vaults that are deleted and still hold their names, purged so that the stage can be deployed again.

Source: Key Vault documentation, "Key Vault soft-delete overview" (names stay taken for 7 to 90 days).
"""

from __future__ import annotations

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from .connection import Cloud

_FORBIDDEN = (401, 403)


def purge(cloud: Cloud) -> list[str]:
    """Those of this app and stage; their names. Where the right to do so is missing they stay, which the name of a new
    one would then run into."""
    names = []
    try:
        for each in list(cloud.vaults.list_deleted()):
            properties = each.properties
            here = str(properties.vault_id or "").lower().startswith(f"{cloud.scope}/".lower())
            if here and cloud.is_ours(properties.tags):
                _purge(cloud, each.name, properties.location)
                names.append(each.name)
    except HttpResponseError as error:
        if error.status_code not in _FORBIDDEN:
            raise
    return names


def _purge(cloud: Cloud, name: str, location: str) -> None:
    try:
        cloud.vaults.begin_purge_deleted(name, location).result()
    except ResourceNotFoundError:
        return
