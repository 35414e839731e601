"""What `aws={...}` takes. Tool time only; a type checker reads it through `faasbridge`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict


class FunctionOptions(TypedDict, total=False):
    """Options of a Lambda function."""

    architecture: Literal["arm64", "x86_64"]
    snap_start: bool
    reserved_concurrency: int
    ephemeral_storage_mb: int  # 512 to 10,240
    log_retention_days: int
    layers: list[str]  # ARNs
    subnet_ids: list[str]
    security_group_ids: list[str]


class ApiOptions(FunctionOptions, total=False):
    """Those of a function that serves HTTP."""

    endpoint: Literal["http-api", "function-url"]


OPTIONS: Mapping[str, type] = {"function": FunctionOptions, "api": ApiOptions}
