"""What declarations have in common: rights, checked options, and the place in the user's code that says it."""

from __future__ import annotations

import sys

from ._typing import TYPE_CHECKING
from .errors import ConfigError
from .resources.base import Resource, operation_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType
    from typing import Any

    from ._typing import Use
    from .app import App

TRIGGER_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "message": ("batch_size",),
    "batch": ("batch_size", "wait_s"),
    "create": ("prefix", "suffix"),
    "delete": ("prefix", "suffix"),
    "change": (),
    "tick": ("cron", "timezone"),
}
EVENT_OPTIONS = ("uses", "name", "memory_mb", "timeout_s", "max_attempts")
_OPTION_TYPES: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "memory_mb": (int,),
    "timeout_s": (int, float),
    "max_attempts": (int,),
    "batch_size": (int,),
    "wait_s": (int, float),
    "prefix": (str,),
    "suffix": (str,),
    "cron": (str,),
    "timezone": (str,),
}


def rights_of(uses: Sequence[Use], location: str) -> dict[Resource, frozenset[str]]:
    if not isinstance(uses, (list, tuple)):
        raise ConfigError(f"{location}: uses= takes a list, such as uses=[photos.get], not {uses!r}")
    rights: dict[Resource, frozenset[str]] = {}
    for use in uses:
        try:
            owner, operations = operation_of(use)
        except ConfigError as error:
            raise ConfigError(f"{location}: {error}") from None
        rights[owner] = rights.get(owner, frozenset()) | operations
    return rights


def merge(into: dict[Resource, frozenset[str]], rights: Mapping[Resource, frozenset[str]]) -> None:
    for owner, operations in rights.items():
        into[owner] = into.get(owner, frozenset()) | operations


def is_async(handler: Any) -> bool:
    code = getattr(handler, "__code__", None)
    return code is not None and bool(code.co_flags & 0x80)  # inspect.CO_COROUTINE, without importing inspect


def takes(function: Any, count: int) -> bool:
    """Whether it can be called with that many arguments; True where that does not show, of a partial say."""
    code = getattr(function, "__code__", None)  # inspect.signature would do it all, and costs a cold start its import
    if code is None:
        return True
    count += hasattr(function, "__self__")  # a bound method
    required = code.co_argcount - len(function.__defaults__ or ())
    return required <= count and (count <= code.co_argcount or bool(code.co_flags & 0x04))  # inspect.CO_VARARGS


def check_options(options: Mapping[str, Any], known: Sequence[str], location: str) -> None:
    for name, value in options.items():
        if name in known:
            types = _OPTION_TYPES.get(name)
            if types and (not isinstance(value, types) or isinstance(value, bool)):
                raise ConfigError(f"{location}: {name}= takes {types[0].__name__}, not {value!r}")
        elif not isinstance(value, dict):  # a dict is a vendor's own options, checked when its provider is there
            from .suggest import nearest

            raise ConfigError(f"{location}: there is no option {name}= here{nearest(name, known)}")


def caller() -> str:
    """`file:line` of the nearest frame outside this package."""
    frame = _outside()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def declaring_module(app: App | None) -> str:
    """The module that must be imported for what is being declared to be there.

    That is the nearest one in the stack that the app is in or includes: a handler may be of another module, or be
    declared by a helper function of another.
    """
    nearest = _outside()
    frame: FrameType | None = nearest if app is not None else None
    while frame is not None and app is not None:
        name = frame.f_globals.get("__name__", "")
        if name == app.module or name in app.modules:
            return str(name)
        frame = frame.f_back
    return str(nearest.f_globals.get("__name__", ""))


def _outside() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "") in _INSIDE:
        frame = frame.f_back
    return frame


_INSIDE = frozenset(
    "faasbridge.app faasbridge.declaring faasbridge.resources.base faasbridge.resources.bucket "
    "faasbridge.resources.queue faasbridge.resources.table".split()
)
