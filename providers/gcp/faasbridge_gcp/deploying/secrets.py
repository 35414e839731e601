"""Values of secrets in Secret Manager: versions, of which the newest that is enabled is the value.

Source: Secret Manager documentation, "Secret version states"; `latest` is the newest version, whatever its state.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

from .connection import Cloud


def set_value(cloud: Cloud, secret: str, value: str) -> None:
    """The older versions are destroyed: nobody reads them any more."""
    api = cloud.get("secretmanager")
    before = _enabled(api, secret)
    api.add_secret_version(parent=secret, payload={"data": value.encode()})
    for each in before:
        api.destroy_secret_version(name=each.name)


def unset_value(cloud: Cloud, secret: str) -> None:
    """Idempotent."""
    api = cloud.get("secretmanager")
    for each in _enabled(api, secret):
        api.destroy_secret_version(name=each.name)


def has_value(cloud: Cloud, secret: str) -> bool:
    return bool(_enabled(cloud.get("secretmanager"), secret))


def make_value(cloud: Cloud, secret: str) -> None:
    """A random one where there is none."""
    if not has_value(cloud, secret):
        cloud.get("secretmanager").add_secret_version(parent=secret, payload={"data": token_urlsafe(32).encode()})


def _enabled(api: Any, secret: str) -> list[Any]:
    return list(api.list_secret_versions(request={"parent": secret, "filter": "state:ENABLED"}))
