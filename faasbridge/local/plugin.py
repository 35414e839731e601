"""The embedded local cloud as a plugin."""

from __future__ import annotations

from ..hookspecs import hookimpl


@hookimpl
def faasbridge_providers() -> dict[str, str]:
    return {"local": "faasbridge.local.provider:LocalProvider"}
