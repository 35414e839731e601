"""What this package offers to the tools: for now the limits and options of Microsoft Azure."""

from __future__ import annotations

from collections.abc import Mapping

from faasbridge.hookspecs import hookimpl
from faasbridge.limits_only import LimitsOnlyProvider

from .limits import LIMITS
from .options import OPTIONS


@hookimpl
def faasbridge_providers() -> Mapping[str, str]:
    return {"azure": "faasbridge_azure.plugin:Azure"}


class Azure(LimitsOnlyProvider):
    """Microsoft Azure. Building, deploying and simulating come in a later release."""

    title = "Microsoft Azure"
    name = "azure"
    runtime = "faasbridge_azure"
    limits = LIMITS
    options = OPTIONS
