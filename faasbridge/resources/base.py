"""What every resource is: a name, its operations, and the way to its driver."""

from __future__ import annotations

from .._typing import TYPE_CHECKING
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from .._typing import Use
    from ..app import App


class Resource:
    """Something an app uses. Third parties subclass it and hand it to `app.add`.

    `operations` maps each method to the right it needs: `{"get": "get", "open": "get"}`.
    """

    kind: ClassVar[str]
    operations: ClassVar[Mapping[str, str]] = {}

    def __init__(self, name: str, *, existing: bool = False, **options: Any) -> None:
        self.name = name
        self.existing = existing
        self.options: dict[str, Any] = options
        self.app: App | None = None
        self.location = ""

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    def native(self) -> Any:
        """The vendor's own client. Needs every right of the resource (`uses=[photos]` or `uses=[photos.native]`)."""
        return self._driver("native").client

    def _driver(self, right: str) -> Any:
        if self.app is None:
            raise ConfigError(f"{self.kind} {self.name!r} belongs to no app; hand it to app.add()")
        from ..dispatch import driver_for

        return driver_for(self, right)

    async def _call(self, right: str, method: str, *args: Any) -> Any:
        """The driver's asynchronous `method` where it has one, else the synchronous one in a thread."""
        driver = self._driver(right)
        native = getattr(driver, "a" + method, None)
        if native is not None:
            return await native(*args)
        from asyncio import to_thread

        return await to_thread(getattr(driver, method), *args)

    def _declare(self, trigger: str, handler: Any, options: dict[str, Any]) -> Any:
        if self.app is None:
            raise ConfigError(f"{self.kind} {self.name!r} belongs to no app; hand it to app.add()")
        return self.app._handler(trigger, self, handler, options)


def operation_of(use: Use) -> tuple[Resource, frozenset[str]]:
    """`photos.get`, `photos.aget` -> (photos, {"get"}); `photos` -> (photos, all of them). Raises ConfigError."""
    if isinstance(use, Resource):
        return use, frozenset((*use.operations.values(), "native"))
    owner, name = getattr(use, "__self__", None), getattr(use, "__name__", "")
    if isinstance(owner, Resource):
        if name == "native":
            return owner, frozenset((*owner.operations.values(), "native"))
        if name in owner.operations:
            return owner, frozenset((owner.operations[name],))
    raise ConfigError(f"uses= takes a resource or one of its methods, such as photos.get, not {use!r}")


def operations(names: str, **more: str) -> dict[str, str]:
    """Each name and its `a` twin -> the right of that name; `more` adds methods that need another one's right."""
    rights = {method: name for name in names.split() for method in (name, "a" + name)}
    for method, right in more.items():
        rights[method] = rights["a" + method] = right
    return rights


def check_key(what: str, key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{what} is a string, not {type(key).__name__}")
    if not key:
        raise ValueError(f"{what} is empty")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{what} holds a lone surrogate, which is no valid Unicode") from None
    return key
