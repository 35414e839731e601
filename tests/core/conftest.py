from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from faasbridge import App
from faasbridge.dispatch import Runner


def _no_driver(resource: Any) -> Any:
    raise AssertionError(f"nobody should need a driver of {resource!r}")


@pytest.fixture
def run() -> Callable[..., Runner]:
    """A function of an app, ready to be given events; `driver_of` where it uses resources."""

    def make(app: App, function: str = "http", driver_of: Callable[[Any], Any] = _no_driver) -> Runner:
        return Runner(app, function, provider="test", stage="dev", driver_of=driver_of)

    return make
