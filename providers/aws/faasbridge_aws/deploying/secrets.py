"""Values of secrets in Secrets Manager, where the stack made them without one.

A value cannot be taken away: AWSCURRENT can be moved to another version, not removed, and deleting the secret itself
would leave the stack without it. So unsetting puts a version whose id says that it is none, and takes the labels off
the others, which lets Secrets Manager delete them. Whether there is a value is told without reading it.
Source: Secrets Manager API Reference, UpdateSecretVersionStage and DeleteSecret.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from ..drivers.secret import UNSET
from .connection import Clients, code_of


def set_value(clients: Clients, secret: str, value: str) -> None:
    clients.get("secretsmanager").put_secret_value(SecretId=secret, SecretString=value, ClientRequestToken=uuid4().hex)


def unset_value(clients: Clients, secret: str) -> None:
    """Idempotent."""
    api = clients.get("secretsmanager")
    if has_value(clients, secret):
        api.put_secret_value(SecretId=secret, SecretBinary=b"\0", ClientRequestToken=f"{UNSET}{uuid4().hex}")
    for version, stages in _versions(clients, secret).items():
        for stage in stages:
            if stage != "AWSCURRENT":
                api.update_secret_version_stage(SecretId=secret, VersionStage=stage, RemoveFromVersionId=version)


def forget(clients: Clients, secret: str) -> None:
    """One that a stack gave up: within its recovery window, up to a month, its name would be taken. Idempotent."""
    from botocore.exceptions import ClientError

    try:
        clients.get("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise


def has_value(clients: Clients, secret: str) -> bool:
    current = next((id for id, stages in _versions(clients, secret).items() if "AWSCURRENT" in stages), UNSET)
    return not current.startswith(UNSET)


def _versions(clients: Clients, secret: str) -> Mapping[str, list[str]]:
    return clients.get("secretsmanager").describe_secret(SecretId=secret).get("VersionIdsToStages") or {}
