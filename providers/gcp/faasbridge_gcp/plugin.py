"""What this package offers to the tools: for now the limits and options of Google Cloud."""

from __future__ import annotations

from collections.abc import Mapping

from faasbridge.hookspecs import hookimpl
from faasbridge.limits_only import LimitsOnlyProvider

from .limits import LIMITS
from .options import OPTIONS


@hookimpl
def faasbridge_providers() -> Mapping[str, str]:
    return {"gcp": "faasbridge_gcp.plugin:Gcp"}


class Gcp(LimitsOnlyProvider):
    """Google Cloud. Building, deploying and simulating come in a later release."""

    title = "Google Cloud"
    name = "gcp"
    runtime = "faasbridge_gcp"
    limits = LIMITS
    options = OPTIONS
