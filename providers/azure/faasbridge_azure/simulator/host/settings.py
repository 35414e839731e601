"""What a function app is set to: host.json under its settings, expressions of bindings, the worker's environment."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def seconds(text: object) -> float | None:
    """Of `hh:mm:ss`, with days before a dot; None for what is not limited."""
    found = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", str(text or ""))
    if found is None:
        return None
    return int(found[1] or 0) * 86400 + int(found[2]) * 3600 + int(found[3]) * 60 + float(found[4])


def host_settings(folder: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """host.json, and what app settings `AzureFunctionsJobHost__a__b` put over it."""
    path = folder / "host.json"
    settings: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    for name, value in env.items():
        if name.startswith("AzureFunctionsJobHost__"):
            place = settings
            *parents, last = name.split("__")[1:]
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
    return settings


def resolved(text: object, env: Mapping[str, str]) -> str:
    """With `%NAME%` replaced by app settings, as in all of a binding's attributes."""
    return re.sub(r"%([^%]+)%", lambda found: env.get(found[1], found[0]), str(text or ""))


def environment(settings: Mapping[str, str], folder: Path, name: str, extra: Mapping[str, str]) -> dict[str, str]:
    """What the worker's process sees: the app's settings and what the platform adds, nothing of this machine's."""
    machine = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    platform = {
        "AzureWebJobsScriptRoot": str(folder),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "WEBSITE_SITE_NAME": name,
        "WEBSITE_SKU": "FlexConsumption",
    }
    return {**machine, **platform, **settings, **extra}
