"""What `gcp={...}` takes. Tool time only; a type checker reads it through `faasbridge`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict


class FunctionOptions(TypedDict, total=False):
    """Options of a Cloud Function of the second generation."""

    min_instances: int
    max_instances: int
    concurrency: int  # requests at a time in one instance
    cpu: str  # "1", "0.5"
    vpc_connector: str
    vpc_egress: Literal["all", "private-ranges"]


class ApiOptions(FunctionOptions, total=False):
    """Those of a function that serves HTTP."""

    ingress: Literal["all", "internal", "internal-and-load-balancer"]


OPTIONS: Mapping[str, type] = {"function": FunctionOptions, "api": ApiOptions}
