"""What `aws={...}` takes, and `[tool.faasbridge.stages.<stage>.aws]`. Tool time only; type checkers read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict


class CommonOptions(TypedDict, total=False):
    """Options of every Lambda function."""

    architecture: Literal["arm64", "x86_64"]
    """The same for all functions of an app, which share an artifact; arm64 where none says otherwise."""
    snap_start: bool
    """Start from a snapshot of the initialised function: Python 3.12 and later."""
    reserved_concurrency: int
    """At most so many invocations at a time, taken from what the account has."""
    ephemeral_storage_mb: int
    """Of /tmp, 512 to 10,240."""
    log_retention_days: int
    """30 where it is not given; a number of days that CloudWatch Logs offers."""
    recursive_loop: bool
    """The function may cause itself to run, by a message to its own queue for instance, any number of times in a row.
    Lambda ends such a chain after about 16 otherwise, and the message is a dead letter."""
    layers: list[str]
    """ARNs of layer versions."""
    subnet_ids: list[str]
    """With `security_group_ids`: the function runs in that network."""
    security_group_ids: list[str]


class EventOptions(CommonOptions, total=False):
    """Those of a function that handles events."""

    batch_size: int
    """Messages an invocation gets, 1 where it is not given. More is cheaper, but a crash costs each an attempt."""
    max_concurrency: int
    """At most so many invocations of this function at a time for its inbox, 2 to 1,000."""


class ApiOptions(CommonOptions, total=False):
    """Those of a function that serves HTTP."""

    endpoint: Literal["http-api", "function-url"]
    """`http-api` where it is not given. A function URL costs nothing more, and keeps `%2F` in paths."""
    requests_per_s: float
    """Of an HTTP API: above that, and a `burst`, clients get 429."""
    burst: int


class FunctionOptions(EventOptions, ApiOptions, total=False):
    """All of them, for type checkers; `faasbridge check` knows which function takes which."""


class BucketSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.aws.buckets.<name>]`"""

    versioning: bool


class TableSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.aws.tables.<name>]`"""

    point_in_time_recovery: bool
    deletion_protection: bool
    stream: str
    """The stream's ARN, for handlers of a table that is declared with `existing=True`."""


class StageSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.aws]`"""

    region: str
    profile: str
    architecture: Literal["arm64", "x86_64"]
    platform: str
    """What wheels must fit, in uv's words, where the one of Lambda's runtime is not it."""
    existing: dict[str, str]
    buckets: dict[str, BucketSettings]
    tables: dict[str, TableSettings]


OPTIONS: Mapping[str, type] = {"function": EventOptions, "api": ApiOptions, "stage": StageSettings}
