"""What `azure={...}` takes, and `[tool.faasbridge.stages.<stage>.azure]`. Tool time only; type checkers read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict


class CommonOptions(TypedDict, total=False):
    """Options of a function app on the Flex Consumption plan; each function has one of its own."""

    app: str
    """What functions share that name the same one here: rights, memory, time and attempts."""
    instance_memory_mb: Literal[512, 2048, 4096]
    """The least that has `memory_mb` where it is not given."""
    max_instances: int
    """1 to 1,000; 100 where it is not given."""
    always_ready: int
    """Instances that never sleep."""
    subnet_id: str
    """The function app reaches that network."""


class EventOptions(CommonOptions, total=False):
    """Those of a function that handles events."""

    concurrency: int
    """Messages at a time in one instance, 1 where it is not given. More is cheaper, but a crash costs each an
    attempt."""


class ApiOptions(CommonOptions, total=False):
    """Those of a function that serves HTTP."""

    http_concurrency: int
    """Requests at a time in one instance, up to 1,000."""


class FunctionOptions(EventOptions, ApiOptions, total=False):
    """All of them, for type checkers; `faasbridge check` knows which function takes which."""


class StorageSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.azure.storage]`, of the account that buckets and queues are in."""

    redundancy: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS", "Standard_RAGRS"]
    versioning: bool


class VaultSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.azure.vault]`"""

    retention_days: int
    """How long a deleted secret can be had back, 7 to 90; 7 where it is not given."""
    purge_protection: bool
    """Nobody can end that time. It cannot be taken back, and the vault's name stays taken after `destroy`."""


class LogSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.azure.logs]`"""

    retention_days: int
    """30 to 730; 30 where it is not given."""


class StageSettings(TypedDict, total=False):
    """`[tool.faasbridge.stages.<stage>.azure]`"""

    subscription: str
    tenant: str
    """Whose the subscription is, where it is not the one that is logged in to."""
    resource_group: str
    """`<app>-<stage>` where it is not given."""
    location: str
    platform: str
    """What wheels must fit, in uv's words, where the one of Azure's images is not it."""
    existing: dict[str, str]
    storage: StorageSettings
    vault: VaultSettings
    logs: LogSettings
    resource_manager: str
    """The address of another cloud's than the public one's; so is the next."""
    log_analytics: str


OPTIONS: Mapping[str, type] = {"function": EventOptions, "api": ApiOptions, "stage": StageSettings}
