"""Azure's drivers of buckets and tables under the conformance suites, on emulators.

The provider under test is Azure with the app's resources bound straight to the emulators: no function runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from faasbridge import App
from faasbridge.conformance import Harness
from faasbridge.provider import Stage
from faasbridge.resources import Resource
from faasbridge_azure.bind import drivers_for
from faasbridge_azure.plugin import Azure

sys.path.insert(0, str(Path(__file__).parent))
from emulated_services import Services, running


class Emulated:
    """Implements as much of `provider.Simulator` as the suites of buckets and tables use."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._services: Services | None = None

    def start(self) -> None:
        self._services = self._stack.enter_context(running())

    def stop(self) -> None:
        self._stack.close()

    def reset(self) -> None:
        """Nothing: `bind` makes new containers, which is faster than emptying the old ones."""

    def bind(self, app: App) -> Callable[[Resource], Any]:
        assert self._services is not None
        services = self._services
        make = {"bucket": services.bucket, "table": services.table}
        places = {(each.kind, each.name): make[each.kind]() for each in app.resources.values() if each.kind in make}
        return drivers_for("conformance", "test", places, services.clients)

    def settle(self, timeout_s: float) -> None:
        pass

    def dead_letters(self, function: str) -> list[Any]:
        return []

    def logs(self) -> list[Any]:
        return []


class EmulatedAzure(Azure):
    def simulator(self, stage: Stage, *, test: bool = False) -> Any:
        return Emulated()


azure = Harness(EmulatedAzure(), suites=("buckets", "tables"), deploy=False)
