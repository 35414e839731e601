"""What this machine needs to deploy to Google Cloud and to simulate it. Asks no service and prints no credential."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

from faasbridge.errors import ConfigError
from faasbridge.provider import Finding, Stage

_LOG_IN = "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"


def findings(stage: Stage) -> Iterator[Finding]:
    yield from _account(stage)
    yield from _simulator()


def _account(stage: Stage) -> Iterator[Finding]:
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        yield Finding("gcp.sdk", "Google's libraries are not installed: pip install 'faasbridge[gcp]'")
        return
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    # Asking the metadata service of a machine that has none would take seconds.
    before = os.environ.get("NO_GCE_CHECK")
    os.environ["NO_GCE_CHECK"] = "true"
    try:
        found, project = google.auth.default()  # type: ignore[no-untyped-call, unused-ignore]
    except GoogleAuthError:
        yield Finding("gcp.credentials", f"no Google Cloud credentials on this machine: {_LOG_IN}", "warning")
    else:
        yield Finding("gcp.credentials", f"Google Cloud credentials found ({type(found).__name__})", "ok")
    finally:
        if before is None:
            del os.environ["NO_GCE_CHECK"]
        else:
            os.environ["NO_GCE_CHECK"] = before
    where = f"[tool.faasbridge.stages.{stage.name}.gcp]"
    project = stage.settings.get("project") or project
    if project:
        yield Finding("gcp.project", f"project {project}", "ok")
    else:
        text = f"no Google Cloud project: set `project` in {where}, or GOOGLE_CLOUD_PROJECT"
        yield Finding("gcp.project", text, "warning")
    if region := stage.settings.get("region"):
        yield Finding("gcp.region", f"region {region}", "ok")
    else:
        yield Finding("gcp.region", f'no region: set `region` in {where}, for example "europe-west1"', "warning")


def _simulator() -> Iterator[Finding]:
    if sys.platform == "win32":
        yield Finding("gcp.simulator", "the simulator needs Linux or macOS; deploying works", "warning")
        return
    from .simulator.local_services import emulators

    try:
        emulators()
    except ConfigError as error:
        yield Finding("gcp.emulators", str(error), "warning")
    else:
        yield Finding("gcp.emulators", "Google's emulators are there, for the simulator", "ok")
    if shutil.which("uv"):
        yield Finding("gcp.uv", "uv is there, which gets wheels and the simulator's tools", "ok")
    else:
        yield Finding("gcp.uv", "uv is not on the PATH: https://docs.astral.sh/uv/ says how to install it")
