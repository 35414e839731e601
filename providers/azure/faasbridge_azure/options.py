"""What `azure={...}` takes. Tool time only; a type checker reads it through `faasbridge`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict


class FunctionOptions(TypedDict, total=False):
    """Options of a function app on the Flex Consumption plan; each function has one of its own."""

    instance_memory_mb: Literal[512, 2048, 4096]
    max_instances: int  # 40 to 1,000
    always_ready: int  # instances that never sleep
    subnet_id: str


class ApiOptions(FunctionOptions, total=False):
    """Those of a function that serves HTTP."""

    http_concurrency: int  # requests at a time in one instance


OPTIONS: Mapping[str, type] = {"function": FunctionOptions, "api": ApiOptions}
