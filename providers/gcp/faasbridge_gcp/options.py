"""What `gcp={...}` and the settings of a stage take. Tool time only; a type checker reads it through `faasbridge`."""

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


class BucketSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.gcp.buckets.<name>]`"""

    versioning: bool


class StageSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.gcp]`"""

    project: str
    region: str
    bucket_location: str
    """The region's where it is not said; "EU" for example."""
    database_location: str
    """The region's where it is not said; it cannot be changed."""
    point_in_time_recovery: bool
    deletion_protection: bool
    build_service_account: str
    """The email of whom Cloud Build builds as, where it is not the project's default."""
    platform: str
    """What wheels must fit, in uv's words, where the one of Google's images is not it."""
    existing: dict[str, str]
    buckets: dict[str, BucketSettings]


OPTIONS: Mapping[str, type] = {"function": FunctionOptions, "api": ApiOptions, "stage": StageSettings}
