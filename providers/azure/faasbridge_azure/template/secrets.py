"""Secrets: those of one Key Vault, which have no value in the template: the deployer puts versions. Pure.

The scope of a right is the secret by its name, whether it has a value yet or not.
Sources: Key Vault documentation, "Provide access to Key Vault keys, certificates, and secrets with Azure role-based
access control", "Azure Key Vault soft-delete overview".
"""

from __future__ import annotations

from typing import Any

from faasbridge.provider import Stage
from faasbridge.spec import ResourceSpec

from . import names, roles
from .settings import of_stage, whole


def vault(stage: Stage) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        "publicNetworkAccess": "Enabled",
        "sku": {"family": "A", "name": "standard"},
        "softDeleteRetentionInDays": whole(stage, "vault", "retention_days", 7, 7, 90),
        "tenantId": "[subscription().tenantId]",
    }
    if of_stage(stage, "vault").get("purge_protection"):
        properties["enablePurgeProtection"] = True
    return {"resources": [{"type": names.VAULTS, "name": names.text(names.vault(stage)), "properties": properties}]}


def grants(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    if "get" not in rights:
        return []
    name = f"{names.vault(stage)}/{resource.name}"
    needs = names.resource_id(names.VAULTS, names.vault(stage))
    return [roles.grant(f"{names.VAULTS}/secrets", name, roles.SECRETS_USER, needs=needs)]


def address(resource: ResourceSpec, stage: Stage) -> str:
    endpoint = names.reference(names.VAULTS, names.vault(stage), "vaultUri")
    return f"[uri({endpoint}, {names.quoted(f'secrets/{resource.name}')})]"
