"""Secret: a value that is set outside the code."""

from __future__ import annotations

from .._typing import TYPE_CHECKING
from .base import Resource, operations

if TYPE_CHECKING:
    from typing import Any

CACHE_S = 300.0


class Secret(Resource):
    """A text that stands in no template, artifact or log; `faasbridge secrets set NAME` sets it."""

    kind = "secret"
    operations = operations("get")

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._cached: tuple[Any, float, str] | None = None  # driver, good until, value

    def get(self) -> str:
        """The value, at most 300 seconds old. Raises NotFound where it was never set."""
        driver = self._driver("get")
        value = self._fresh(driver)
        return self._keep(driver, driver.get()) if value is None else value

    async def aget(self) -> str:
        driver = self._driver("get")
        value = self._fresh(driver)
        return self._keep(driver, await self._call("get", "get")) if value is None else value

    def _fresh(self, driver: Any) -> str | None:
        from time import monotonic

        cached = self._cached
        return cached[2] if cached and cached[0] is driver and monotonic() < cached[1] else None

    def _keep(self, driver: Any, value: str) -> str:
        from time import monotonic

        self._cached = driver, monotonic() + getattr(driver, "cache_s", CACHE_S), value
        return value
