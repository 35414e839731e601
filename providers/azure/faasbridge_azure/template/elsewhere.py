"""What has to be made in another resource group, beside what is there: a deployment within the deployment. Pure.

Its expressions are evaluated in the outer one, so ids are whole and identities those of the app.
Source: Azure Resource Manager documentation, "Using linked and nested templates when deploying Azure resources" (scope
of expressions), "Set scope for extension resources in ARM templates".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faasbridge.provider import Stage

from . import names
from .document import SCHEMA, version

DEPLOYMENTS = "Microsoft.Resources/deployments"


def deployment(group: str, part: str, resources: Iterable[Mapping[str, Any]], stage: Stage) -> dict[str, Any]:
    """`group`: `/subscriptions/ID/resourceGroups/NAME`; `part` tells it from the others of the app."""
    _, _, subscription, _, name = group.split("/")
    made: list[dict[str, Any]] = []
    needs: set[str] = set()
    for each in resources:
        inner = {"apiVersion": version(each["type"]), **{key: each[key] for key in each if key != "owner"}}
        inner["dependsOn"] = [need for need in each.get("dependsOn", ()) if need.startswith(f"['{group}/")]
        needs.update(need for need in each.get("dependsOn", ()) if need not in inner["dependsOn"])
        made.append(inner)
    return {
        "type": DEPLOYMENTS,
        "name": names.nested(part, stage),
        "subscriptionId": subscription,
        "resourceGroup": name,
        "dependsOn": sorted(needs),
        "properties": {
            "mode": "Incremental",
            "template": {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": made},
        },
    }
