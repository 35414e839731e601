"""A function app with what is its own alone: plan, identity, the container of its code, settings. Pure.

Sources: Azure Functions documentation, "Automate resource deployment for your function app" (Flex Consumption),
"App settings reference", "Connect to host storage with an identity", "host.json reference" (app settings override it),
"Flex Consumption plan" (site properties that it has none of).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage

from ..entry import CONNECTION
from . import logs, names, roles, storage
from .apps import FunctionApp

PLANS = "Microsoft.Web/serverfarms"
_MOST_INSTANCES, _INSTANCES = 100, (1, 1000)
_AGAIN_S = 10  # from a failed attempt to the next
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")  # Source: App Service documentation, "Configure an App Service app"
# Source: Azure Functions documentation, "App settings reference" and "Flex Consumption plan deprecated settings".
_RESERVED = re.compile(
    r"FAASBRIDGE_.*|FUNCTIONS_.*|WEBSITE_.*|WEBSITES_.*|SCM_.*|AzureWebJobs.*|AzureFunctions(JobHost|WebHost)_.*|"
    r"APPLICATIONINSIGHTS_(CONNECTION|AUTHENTICATION)_STRING|APPINSIGHTS_.*|IDENTITY_.*|MSI_.*|AZURE_CLIENT_ID|"
    r"ENABLE_ORYX_BUILD|PYTHONPATH|PORT",
    re.IGNORECASE,
)


def client_id(app: FunctionApp, stage: Stage) -> str:
    """Without brackets."""
    return names.reference(names.IDENTITIES, names.identity(app.name, stage), "clientId")


def code_container(app: FunctionApp, stage: Stage) -> str:
    return names.code(app.name, stage)


def resources(app: FunctionApp, stage: Stage, settings: Mapping[str, Any], grants: list[str]) -> dict[str, Any]:
    """`settings`: what leads to its resources; `grants`: ids, without brackets, of the role assignments that it needs
    before it starts."""
    site, plan, identity = (
        names.site(app.name, stage),
        names.plan(app.name, stage),
        names.identity(app.name, stage),
    )
    identity_id = names.resource_id(names.IDENTITIES, identity)
    plan_id = names.resource_id(PLANS, plan)
    properties: dict[str, Any] = {
        "serverFarmId": f"[{plan_id}]",
        "httpsOnly": True,
        "functionAppConfig": {
            "deployment": {
                "storage": {
                    "type": "blobContainer",
                    "value": storage.blob_url(code_container(app, stage), stage),
                    "authentication": {
                        "type": "UserAssignedIdentity",
                        "userAssignedIdentityResourceId": f"[{identity_id}]",
                    },
                }
            },
            "runtime": {"name": "python", "version": stage.python},
            "scaleAndConcurrency": _scale(app),
        },
        "siteConfig": {
            "minTlsVersion": "1.2",
            "appSettings": [
                {"name": name, "value": value} for name, value in sorted(_settings(app, stage, settings).items())
            ],
        },
    }
    subnet = app.one("subnet_id")
    if subnet:
        properties["virtualNetworkSubnetId"] = subnet
    made = {
        "type": names.SITES,
        "name": names.text(site),
        "kind": "functionapp,linux",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {f"[{identity_id}]": {}}},
        "dependsOn": [f"[{each}]" for each in (plan_id, identity_id, *grants)],
        "properties": properties,
    }
    return {
        "resources": [
            {"type": names.IDENTITIES, "name": identity},
            storage.container(code_container(app, stage), stage),
            {
                "type": PLANS,
                "name": plan,
                "kind": "functionapp",
                "sku": {"name": "FC1", "tier": "FlexConsumption"},
                "properties": {"reserved": True},
            },
            made,
            *(_no_password(way, site) for way in ("ftp", "scm")),
        ]
    }


def own_grants(app: FunctionApp, stage: Stage) -> list[dict[str, Any]]:
    """What the host needs: its code, its leases and keys, its logs."""
    return [
        roles.blobs(storage.container_name(code_container(app, stage), stage), ("read", "write", "delete")),
        *(roles.blobs(storage.container_name(each, stage), ("read", "write", "delete")) for each in storage.HOST),
        logs.grant(stage),
    ]


def drivers_setting(drivers: Mapping[str, str]) -> dict[str, str]:
    """Where a function finds the drivers of third parties' kinds."""
    return {"FAASBRIDGE_DRIVERS": json.dumps(dict(sorted(drivers.items())), separators=(",", ":"))} if drivers else {}


def _settings(app: FunctionApp, stage: Stage, more: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ConfigError for variables that belong to the platform."""
    for variable in stage.env:
        if not _VARIABLE.fullmatch(variable) or _RESERVED.fullmatch(variable):
            raise ConfigError(
                f"[tool.faasbridge.stages.{stage.name}.env]: Azure Functions takes no variable {variable!r}: names "
                "have letters, digits, underscores and full stops, no digit first, and those of its own are taken"
            )
    client = client_id(app, stage)
    inboxes = any(each.inbox is not None for each in app.functions)
    found: dict[str, Any] = {
        **{name: names.literal(value) for name, value in stage.env.items()},
        "AZURE_CLIENT_ID": f"[{client}]",
        f"{CONNECTION}__accountName": names.text(names.storage_account(stage)),
        f"{CONNECTION}__clientId": f"[{client}]",
        f"{CONNECTION}__credential": "managedidentity",
        "AzureFunctionsJobHost__functionTimeout": _span(app.timeout_s),
        "AzureFunctionsWebHost__hostid": names.host_id(app.name, stage),
        "FAASBRIDGE_FUNCTION": ",".join(each.name for each in app.functions),
        "FAASBRIDGE_STAGE": stage.name,
        **logs.settings(stage, client),
        **more,
    }
    if inboxes:
        found.update(
            {
                "AzureFunctionsJobHost__extensions__queues__batchSize": str(app.whole("concurrency", 1, 32, 1)),
                "AzureFunctionsJobHost__extensions__queues__maxDequeueCount": str(app.attempts),
                "AzureFunctionsJobHost__extensions__queues__newBatchThreshold": "0",
                "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": _span(_AGAIN_S),
            }
        )
    return found


def _scale(app: FunctionApp) -> dict[str, Any]:
    found: dict[str, Any] = {
        "instanceMemoryMB": app.memory_mb,
        "maximumInstanceCount": app.whole("max_instances", *_INSTANCES, _MOST_INSTANCES),
    }
    ready = app.whole("always_ready", 0, _INSTANCES[1], 0)
    if ready:
        apis = any(each.inbox is None for each in app.functions)
        kinds = ["http"] if apis else []
        kinds += [f"function:{each.name}" for each in app.functions if each.inbox is not None]
        found["alwaysReady"] = [{"name": kind, "instanceCount": ready} for kind in kinds]
    concurrency = app.whole("http_concurrency", 1, 1000)
    if concurrency is not None:
        found["triggers"] = {"http": {"perInstanceConcurrency": concurrency}}
    return found


def _no_password(way: str, site: str) -> dict[str, Any]:
    """Who publishes is who is logged in to Azure."""
    return {
        "type": f"{names.SITES}/basicPublishingCredentialsPolicies",
        "name": names.text(f"{site}/{way}"),
        "dependsOn": [f"[{names.resource_id(names.SITES, site)}]"],
        "properties": {"allow": False},
    }


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"
