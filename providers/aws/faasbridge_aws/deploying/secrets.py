"""Values of secrets in Secrets Manager, where the stack made them without one.

A value cannot be taken away: AWSCURRENT can be moved to another version, not removed, and deleting the secret itself
would leave the stack without it. So unsetting puts a version whose id says that it is none, and takes the labels off
the others, which lets Secrets Manager delete them. Whether there is a value is told without reading it.
Source: Secrets Manager API Reference, UpdateSecretVersionStage and DeleteSecret.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from ..drivers.secret import UNSET
from .connection import Clients, code_of

_TIMEOUT_S = 30.0


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


def free_names(clients: Clients, names: Iterable[str], tags: Mapping[str, str]) -> None:
    """Of deleted secrets with those tags: what a rollback, an interrupted command or somebody else deleted is in its
    recovery window.

    Deleting one for good ends a while after the answer. Source: Secrets Manager API Reference, DeleteSecret.
    """
    for name in names:
        found = _described(clients, name)
        its_tags = {each["Key"]: each["Value"] for each in found.get("Tags", ())}
        if not found.get("DeletedDate") or not tags.items() <= its_tags.items():
            continue
        forget(clients, found["ARN"])
        deadline = time.monotonic() + _TIMEOUT_S
        while _described(clients, name) and time.monotonic() < deadline:
            time.sleep(0.5)


def names_in(template: Mapping[str, Any]) -> frozenset[str]:
    """Those that secrets have in a stack's template."""
    secrets = (each for each in template.get("Resources", {}).values() if each["Type"] == "AWS::SecretsManager::Secret")
    names = (each.get("Properties", {}).get("Name") for each in secrets)
    return frozenset(name for name in names if isinstance(name, str))


def has_value(clients: Clients, secret: str) -> bool:
    current = next((id for id, stages in _versions(clients, secret).items() if "AWSCURRENT" in stages), UNSET)
    return not current.startswith(UNSET)


def _versions(clients: Clients, secret: str) -> Mapping[str, list[str]]:
    return clients.get("secretsmanager").describe_secret(SecretId=secret).get("VersionIdsToStages") or {}


def _described(clients: Clients, secret: str) -> Mapping[str, Any]:
    """Empty where there is none."""
    from botocore.exceptions import ClientError

    try:
        return clients.get("secretsmanager").describe_secret(SecretId=secret)  # type: ignore[no-any-return]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return {}
        raise
