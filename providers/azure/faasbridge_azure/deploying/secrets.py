"""Values of secrets in Key Vault. A secret without a value is not there at all.

A deleted one keeps its name until it is purged, which takes some seconds. Where it cannot be purged, since the vault is
protected from that or the right is missing, it is had back before it gets another value.
Source: Key Vault documentation, "Key Vault soft-delete overview"; REST API reference, "Secrets".
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from ..drivers.clients import Clients

_WAIT_S = 60.0
_REFUSED = (400, 403, 405, 409)  # as in `vaults`


def set_value(clients: Clients, address: str, value: str) -> None:
    vault, name = _at(clients, address)
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            vault.set_secret(name, value)
            return
        except ResourceExistsError:  # deleted and not purged
            if time.monotonic() > deadline:
                raise
        if not _forgotten(vault, name):
            with suppress(ResourceNotFoundError):
                vault.begin_recover_deleted_secret(name).wait()
        time.sleep(0.2)


def unset_value(clients: Clients, address: str) -> None:
    """Idempotent."""
    vault, name = _at(clients, address)
    try:
        vault.begin_delete_secret(name).wait()
    except ResourceNotFoundError:
        return
    _forgotten(vault, name)


def has_value(clients: Clients, address: str) -> bool:
    vault, name = _at(clients, address)
    try:
        return any(each.enabled for each in vault.list_properties_of_secret_versions(name))
    except ResourceNotFoundError:
        return False


def _forgotten(vault: Any, name: str) -> bool:
    """Whether it is, or was not there; else it stays recoverable until it goes by itself."""
    try:
        vault.purge_deleted_secret(name)
    except ResourceNotFoundError:
        return True
    except HttpResponseError as error:
        if error.status_code not in _REFUSED:
            raise
        return False
    return True


def _at(clients: Clients, address: str) -> tuple[Any, str]:
    vault, _, name = address.rstrip("/").partition("/secrets/")
    return clients.vault(vault), name
