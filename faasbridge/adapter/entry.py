"""The runner behind a vendor's entry point, with the drivers that the provider's package brings."""

from __future__ import annotations

import os

from .._typing import TYPE_CHECKING
from ..dispatch import Runner
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..app import App
    from ..resources import Resource


def runner_for(
    app: App, function_name: str, package: str, driver_of: Callable[[Resource], Any] | None = None
) -> Runner:
    """Of the provider in `package`, `faasbridge_<name>`, on the stage that FAASBRIDGE_STAGE names, `dev` if unset.

    `driver_of` gives a resource's driver; by default it is `<package>.bind.driver_of`, which reads the function's
    environment. Raises ConfigError.
    """
    stage = os.environ.get("FAASBRIDGE_STAGE", "dev")

    def deployed(resource: Resource) -> Any:
        return _bind(package, resource)(resource)

    provider = package.removeprefix("faasbridge_")
    return Runner(app, function_name, provider=provider, stage=stage, driver_of=driver_of or deployed)


def _bind(package: str, resource: Resource) -> Callable[[Resource], Any]:
    from importlib import import_module

    try:
        module = import_module(f"{package}.bind")
    except ModuleNotFoundError as error:
        if error.name != f"{package}.bind":
            raise
        raise ConfigError(
            f"no driver for {resource.kind} {resource.name!r}: {package} is installed without its drivers"
        ) from None
    driver_of: Callable[[Resource], Any] = module.driver_of
    return driver_of
