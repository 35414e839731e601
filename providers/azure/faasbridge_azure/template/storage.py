"""The app's storage account: containers, queues, what waits in it for the host and for Event Grid. Pure.

Nobody has a key to it. What is claimed by messages, and what Event Grid could not deliver, goes after a month.
Sources: Azure Storage documentation, "Prevent Shared Key authorization", "Optimize costs by automatically managing the
data lifecycle"; Azure Functions documentation, "Storage considerations for Azure Functions".
"""

from __future__ import annotations

from typing import Any

from faasbridge.provider import Stage

from . import names
from .settings import of_stage

CLAIMS, UNDELIVERED = "faasbridge-claims", "faasbridge-undelivered"
HOST = ("azure-webjobs-hosts", "azure-webjobs-secrets")
"""What the host calls the containers for its leases, timers and keys. Source: azure-functions-host, HostContainerNames;
azure-webjobs-sdk, HostContainerNames."""
KEPT_DAYS = 30
_REDUNDANCY = "Standard_LRS"


def account(stage: Stage) -> dict[str, Any]:
    """With rules for browsers: a signed URL may be used from any page; what it allows is in the signature."""
    name, settings = names.text(names.storage_account(stage)), of_stage(stage, "storage")
    made = {
        "type": names.STORAGE,
        "name": name,
        "kind": "StorageV2",
        "sku": {"name": settings.get("redundancy", _REDUNDANCY)},
        "properties": {
            "accessTier": "Hot",
            "allowBlobPublicAccess": False,
            "allowCrossTenantReplication": False,
            "allowSharedKeyAccess": False,
            "defaultToOAuthAuthentication": True,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
        },
    }
    cors = {
        "allowedOrigins": ["*"],
        "allowedMethods": ["GET", "HEAD", "PUT", "OPTIONS"],
        "allowedHeaders": ["*"],
        "exposedHeaders": ["ETag", "Content-Length", "Content-Range", "Accept-Ranges"],
        "maxAgeInSeconds": 600,
    }
    blobs: dict[str, Any] = {"cors": {"corsRules": [cors]}}
    if settings.get("versioning"):
        blobs["isVersioningEnabled"] = True
    return {
        "resources": [
            made,
            _child("blobServices", "default", stage, blobs),
            _child("managementPolicies", "default", stage, {"policy": {"rules": [_expiry()]}}),
            *(container(each, stage) for each in HOST),
            container(CLAIMS, stage),
        ]
    }


def container(name: str, stage: Stage) -> dict[str, Any]:
    """`name` is the container's own."""
    made = _child("blobServices/containers", f"default/{name}", stage, {"publicAccess": "None"})
    blobs = names.resource_id(f"{names.STORAGE}/blobServices", f"{names.storage_account(stage)}/default")
    return {**made, "dependsOn": [*made["dependsOn"], f"[{blobs}]"]}


def queue(name: str, stage: Stage) -> dict[str, Any]:
    return _child("queueServices/queues", f"default/{name}", stage, {})


def queues(name: str, stage: Stage) -> dict[str, Any]:
    """A queue and its poison queue."""
    return {"resources": [queue(name, stage), queue(name + names.POISON, stage)]}


def container_name(name: str, stage: Stage) -> str:
    """All of it, for `names.resource_id`."""
    return f"{names.storage_account(stage)}/default/{name}"


queue_name = container_name


def blob_url(container: str, stage: Stage) -> str:
    return _url("blob", container, stage)


def queue_url(queue: str, stage: Stage) -> str:
    return _url("queue", queue, stage)


def _url(service: str, name: str, stage: Stage) -> str:
    base = names.reference(names.STORAGE, names.storage_account(stage), f"primaryEndpoints.{service}")
    return f"[uri({base}, {names.quoted(name)})]"


def _child(type_: str, name: str, stage: Stage, properties: dict[str, Any]) -> dict[str, Any]:
    account = names.storage_account(stage)
    return {
        "type": f"{names.STORAGE}/{type_}",
        "name": names.text(f"{account}/{name}"),
        "dependsOn": [f"[{names.resource_id(names.STORAGE, account)}]"],
        "properties": properties,
    }


def _expiry() -> dict[str, Any]:
    delete = {"delete": {"daysAfterModificationGreaterThan": KEPT_DAYS}}
    return {
        "name": "faasbridge",
        "enabled": True,
        "type": "Lifecycle",
        "definition": {
            "actions": {"baseBlob": delete},
            "filters": {"blobTypes": ["blockBlob"], "prefixMatch": [f"{CLAIMS}/", f"{UNDELIVERED}/"]},
        },
    }
