"""What this package offers to the tools: for now the limits and options of Amazon Web Services."""

from __future__ import annotations

from collections.abc import Mapping

from faasbridge.hookspecs import hookimpl
from faasbridge.limits_only import LimitsOnlyProvider

from .limits import LIMITS
from .options import OPTIONS


@hookimpl
def faasbridge_providers() -> Mapping[str, str]:
    return {"aws": "faasbridge_aws.plugin:Aws"}


class Aws(LimitsOnlyProvider):
    """Amazon Web Services. Building, deploying and simulating come in a later release."""

    title = "Amazon Web Services"
    name = "aws"
    runtime = "faasbridge_aws"
    limits = LIMITS
    options = OPTIONS
