"""The resource types that the simulator has, and the names that Azure takes for them.

Source: Azure documentation, "Naming rules and restrictions for Azure resources".
"""

from __future__ import annotations

import re

from .errors import ArmError

_ANY = r".{1,260}"
KINDS = {
    "Microsoft.Resources/deployments": r"[-\w.()]{1,64}",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices": r"default",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    "Microsoft.Storage/storageAccounts/queueServices": r"default",
    "Microsoft.Storage/storageAccounts/queueServices/queues": r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    "Microsoft.Storage/storageAccounts/managementPolicies": r"default",
    "Microsoft.DocumentDB/databaseAccounts": r"[a-z0-9][a-z0-9-]{1,42}[a-z0-9]",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases": _ANY,
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers": _ANY,
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions": _ANY,
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments": _ANY,
    "Microsoft.EventGrid/topics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.EventGrid/topics/eventSubscriptions": r"[A-Za-z0-9-]{3,64}",
    "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,128}",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": r"[A-Za-z0-9-]{3,64}",
    "Microsoft.EventGrid/eventSubscriptions": r"[A-Za-z0-9-]{3,64}",
    "Microsoft.KeyVault/vaults": r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "Microsoft.KeyVault/vaults/secrets": r"[A-Za-z0-9-]{1,127}",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
    "Microsoft.Web/sites/config": r"[a-z]+",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": r"ftp|scm",
    "Microsoft.Insights/components": _ANY,
    "Microsoft.Insights/diagnosticSettings": _ANY,
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "Microsoft.Authorization/roleAssignments": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "Microsoft.Authorization/roleDefinitions": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}
PROVIDERS = sorted({kind.partition("/")[0] for kind in KINDS})
_CODES = {"Microsoft.Storage/storageAccounts": "AccountNameInvalid", "Microsoft.KeyVault/vaults": "VaultNameNotValid"}


def check_name(kind: str, name: str) -> None:
    """Raises ArmError for a name that Azure refuses for a resource of that type."""
    for known, rule in KINDS.items():
        if known.lower() == kind.lower():
            last = name.rpartition("/")[2]
            if re.fullmatch(rule, last) is None:
                code = _CODES.get(known, "InvalidResourceName")
                raise ArmError(code, f"{last} is not a valid name for a resource of the type {known}.")
