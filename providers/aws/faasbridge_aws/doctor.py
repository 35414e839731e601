"""What this machine needs to deploy to AWS and to simulate it. Asks no service and prints no credential."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from faasbridge.provider import Finding, Stage

_LOG_IN = "set AWS_PROFILE or the AWS_ACCESS_KEY_ID variables, or log in with `aws sso login`"


def findings(stage: Stage) -> Iterator[Finding]:
    yield from _account(stage)
    yield from _tools()


def _account(stage: Stage) -> Iterator[Finding]:
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError:
        yield Finding("aws.sdk", "boto3 is not installed: pip install 'faasbridge[aws]'")
        return
    session: Any = Session(profile=stage.settings.get("profile"))
    try:
        region = stage.settings.get("region") or session.get_config_variable("region")
        # Asking the metadata service of a machine that has none would take seconds.
        session.set_config_variable("metadata_service_num_attempts", 0)
        for name in ("iam-role", "container-role"):
            session.get_component("credential_provider").remove(name)
        found = session.get_credentials()
    except BotoCoreError as error:
        yield Finding("aws.credentials", f"the AWS settings cannot be read: {error}", "warning")
        return
    if found is None:
        yield Finding("aws.credentials", f"no AWS credentials on this machine: {_LOG_IN}", "warning")
    else:
        yield Finding("aws.credentials", f"AWS credentials found ({found.method})", "ok")
    if region:
        yield Finding("aws.region", f"region {region}", "ok")
    else:
        text = f"no AWS region: set `region` in [tool.faasbridge.stages.{stage.name}.aws], or AWS_REGION"
        yield Finding("aws.region", text, "warning")


def _tools() -> Iterator[Finding]:
    try:
        yield Finding("aws.cfn-lint", f"cfn-lint {version('cfn-lint')}", "ok")
    except PackageNotFoundError:
        yield Finding("aws.cfn-lint", "cfn-lint is not installed: pip install 'faasbridge[aws]'")
    if shutil.which("uv"):
        yield Finding("aws.uv", "uv is there, which gets wheels and the simulator's tools", "ok")
    else:
        yield Finding("aws.uv", "uv is not on the PATH: https://docs.astral.sh/uv/ says how to install it")
    if sys.platform == "win32":
        yield Finding("aws.simulator", "the simulator needs Linux or macOS; deploying works", "warning")
