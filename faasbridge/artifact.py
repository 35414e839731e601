"""The app of an artifact, as a vendor's entry loads it: `faasbridge.json` says where it is. Standard library only."""

from __future__ import annotations

import json
from importlib import import_module

from ._typing import TYPE_CHECKING
from .errors import ConfigError

if TYPE_CHECKING:
    from .app import App


def load(folder: str, function: str | None = None) -> App:
    """The app in an unpacked artifact, which is on `sys.path`: with the modules of that function only, or all of them,
    and plugins' middleware outside of its own. Raises ConfigError."""
    with open(f"{folder}/faasbridge.json", encoding="utf-8") as stream:
        raw = json.load(stream)
    app: App = _attribute(raw["app"])
    if function is None:
        app.load()
    else:
        for each in raw["manifest"]["functions"]:
            if each["name"] == function:
                app.load(each["modules"])
                break
        else:
            raise ConfigError(f"the artifact has no function {function!r}")
    added = [_attribute(target) for target in raw["middleware"]]
    app.chain[:0] = [middleware for middleware in added if middleware not in app.chain]
    return app


def _attribute(target: str):  # type: ignore[no-untyped-def]  # whatever the module has there
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
