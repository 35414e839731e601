"""Where the function apps' logs go: Application Insights over a workspace, written with their identities. Pure.

Source: Azure Monitor documentation, "Microsoft Entra authentication for Application Insights".
"""

from __future__ import annotations

from typing import Any

from faasbridge.provider import Stage

from . import names, roles
from .settings import whole

COMPONENTS, WORKSPACES = "Microsoft.Insights/components", "Microsoft.OperationalInsights/workspaces"


def resources(stage: Stage) -> dict[str, Any]:
    kept = whole(stage, "logs", "retention_days", 30, 30, 730)
    workspace, component = workspace_name(stage), component_name(stage)
    return {
        "resources": [
            {
                "type": WORKSPACES,
                "name": workspace,
                "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": kept},
            },
            {
                "type": COMPONENTS,
                "name": component,
                "kind": "web",
                "dependsOn": [f"[{names.resource_id(WORKSPACES, workspace)}]"],
                "properties": {
                    "Application_Type": "web",
                    "DisableLocalAuth": True,
                    "WorkspaceResourceId": f"[{names.resource_id(WORKSPACES, workspace)}]",
                },
            },
        ]
    }


def grant(stage: Stage) -> dict[str, Any]:
    return roles.grant(COMPONENTS, component_name(stage), roles.METRICS_PUBLISHER)


def settings(stage: Stage, client_id: str) -> dict[str, str]:
    """Of a function app. The connection string holds no secret: the component takes identities only."""
    connection = names.reference(COMPONENTS, component_name(stage), "ConnectionString")
    return {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"[{connection}]",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"[concat('ClientId=', {client_id}, ';Authorization=AAD')]",
    }


def workspace_id(stage: Stage) -> str:
    """What queries go to."""
    return f"[{names.reference(WORKSPACES, workspace_name(stage), 'customerId')}]"


def workspace_name(stage: Stage) -> str:
    return stage.physical_name("logs", names.WORKSPACE_CHARS)


def component_name(stage: Stage) -> str:
    return stage.physical_name("logs", names.COMPONENT_CHARS)
