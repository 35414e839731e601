"""From a portable resource to the driver of the embedded provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..drivers import Binding
from ..errors import ConfigError
from ..resources import Resource

DRIVERS: Mapping[str, str] = {
    kind: f"faasbridge.local.drivers.{kind}:{kind.capitalize()}Driver"
    for kind in ("bucket", "table", "queue", "topic", "secret")
}
"""Kind -> "module:class", imported on first use."""


def driver_of(
    spec_name: str,
    stage: str,
    folder: str | Path,
    kinds: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Callable[[Resource], Any]:
    """A function that gives a resource's driver, the same one each time.

    `kinds` names the drivers of third parties' kinds; `options` is added to those of every resource (`env_file`,
    `max_item_bytes`). Raises ConfigError for a kind that nobody brings a driver for.
    """
    drivers: dict[tuple[str, str], Any] = {}
    lock = threading.Lock()

    def find(resource: Resource) -> Any:
        key = resource.kind, resource.name
        with lock:
            if key not in drivers:
                merged = {**(options or {}), **resource.options}
                binding = Binding("local", spec_name, stage, *key, merged, str(folder))
                drivers[key] = _load(resource.kind, kinds or {})(binding)
            return drivers[key]

    return find


def _load(kind: str, kinds: Mapping[str, str]) -> Callable[[Binding], Any]:
    place = kinds.get(kind) or DRIVERS.get(kind)
    if place is None:
        raise ConfigError(f"no driver for resources of kind {kind!r} on local: install the package that brings it")
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]
