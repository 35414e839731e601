from __future__ import annotations

from collections.abc import Mapping

from faasbridge.hookspecs import hookimpl
from faasbridge.provider import ResourceKit

from .kits import Kit


@hookimpl
def faasbridge_providers() -> Mapping[str, str]:
    return {"acme": "acme_cloud.provider:Acme"}


@hookimpl
def faasbridge_resource_kits(provider: str) -> list[ResourceKit]:
    return [Kit("acme.cache", "acme_cloud.cache:CacheDriver")] if provider in ("acme", "local") else []
