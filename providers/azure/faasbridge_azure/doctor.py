"""What this machine needs to deploy to Azure and to simulate it. Asks no service and prints no credential."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from faasbridge.errors import ConfigError
from faasbridge.provider import Finding, Stage

_LOG_IN = "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"


def findings(stage: Stage) -> Iterator[Finding]:
    yield from _account(stage)
    yield from _simulator()


def _account(stage: Stage) -> Iterator[Finding]:
    try:
        import azure.identity  # noqa: F401
    except ImportError:
        yield Finding("azure.sdk", "Azure's libraries are not installed: pip install 'faasbridge[azure]'")
        return
    profile = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure") / "azureProfile.json"
    if {"AZURE_TENANT_ID", "AZURE_CLIENT_ID"} <= os.environ.keys():
        yield Finding("azure.credentials", "Azure credentials found in the environment", "ok")
    elif profile.is_file() and shutil.which("az"):
        yield Finding("azure.credentials", "the Azure CLI has been logged in", "ok")
    else:
        yield Finding("azure.credentials", f"no Azure credentials on this machine: {_LOG_IN}", "warning")
    where = f"[tool.faasbridge.stages.{stage.name}.azure]"
    from .deploying.connection import logged_in_to

    if subscription := stage.settings.get("subscription") or os.environ.get("AZURE_SUBSCRIPTION_ID") or logged_in_to():
        yield Finding("azure.subscription", f"subscription {subscription}", "ok")
    else:
        text = f"no subscription: set `subscription` in {where}, or AZURE_SUBSCRIPTION_ID"
        yield Finding("azure.subscription", text, "warning")
    if location := stage.settings.get("location"):
        yield Finding("azure.location", f"location {location}", "ok")
    else:
        yield Finding("azure.location", f'no location: set `location` in {where}, for example "westeurope"', "warning")


def _simulator() -> Iterator[Finding]:
    if sys.platform == "win32":
        yield Finding("azure.simulator", "the simulator needs Linux or macOS; deploying works", "warning")
        return
    from .simulator.emulators import node_folder

    try:
        node_folder()
    except ConfigError as error:
        yield Finding("azure.node", str(error), "warning")
    else:
        yield Finding("azure.node", "Node.js is there, for the simulator's emulators", "ok")
    if shutil.which("uv"):
        yield Finding("azure.uv", "uv is there, which gets wheels and the simulator's tools", "ok")
    else:
        yield Finding("azure.uv", "uv is not on the PATH: https://docs.astral.sh/uv/ says how to install it")
