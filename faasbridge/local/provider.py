"""The embedded local cloud as a provider."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, cast

from ..limits import Limits
from ..provider import Deployer, Finding, Layout, ResourceKit, Simulator, Stage
from ..spec import AppSpec
from .kits import KITS
from .limits import LIMITS
from .options import OPTIONS
from .state import base_folder, running_folder


class LocalProvider:
    """Implements `provider.Provider`."""

    name = "local"
    runtime = "faasbridge.local"
    limits: Limits = LIMITS
    options: Mapping[str, type] = OPTIONS

    def kits(self) -> Iterable[ResourceKit]:
        return cast("Iterable[ResourceKit]", KITS)

    def layout(self, spec: AppSpec, stage: Stage) -> Layout:
        """The app's files alone: it runs in the environment that it is deployed from."""
        return Layout(packages=())

    def synthesize(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> Mapping[str, Any]:
        """What will run, as plain data."""
        resources = {(r.kind, r.name): r for r in spec.resources}
        functions = {}
        for function in spec.functions:
            trigger = function.trigger
            rights: dict[tuple[str, str], set[str]] = {}
            for right in function.rights:
                rights.setdefault((right.kind, right.name), set()).add(right.operation)
            source = resources.get((trigger.resource_kind, trigger.resource))
            functions[function.name] = {
                "trigger": trigger.kind,
                "memory_mb": function.memory_mb,
                "timeout_s": function.timeout_s,
                "max_attempts": function.max_attempts,
                "grants": [
                    dict(kits[key[0]].grant(resources[key], frozenset(names), stage))
                    for key, names in sorted(rights.items())
                ],
                "subscribe": dict(kits[source.kind].subscribe(source, function, stage)) if source else {},
            }
        made = [dict(kits[r.kind].synthesize(r, stage)) for r in spec.resources]
        return {"app": spec.name, "stage": stage.name, "resources": made, "functions": functions}

    def deployer(self, stage: Stage) -> Deployer:
        from .deployer import LocalDeployer

        return LocalDeployer(stage)

    def simulator(self, stage: Stage, *, test: bool = False) -> Simulator:
        from .simulator import LocalSimulator

        return LocalSimulator(stage, test=test)

    def doctor(self, stage: Stage) -> Iterable[Finding]:
        if sqlite3.sqlite_version_info < (3, 37, 0):
            yield Finding("sqlite", f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed")
        else:
            yield Finding("sqlite", f"SQLite {sqlite3.sqlite_version}", "ok")
        folder = base_folder(stage.root)
        place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        if os.access(place, os.W_OK):
            yield Finding("state", f"the state folder {folder} can be written", "ok")
        else:
            yield Finding(
                "state", f"{folder} cannot be written: make it writable, or set FAASBRIDGE_STATE to a folder that is"
            )
        found = running_folder(stage.root, stage.name)
        yield Finding("running", f"running: {found[1].storage} (pid {found[1].pid})" if found else "not running", "ok")
