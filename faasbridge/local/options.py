"""What `[tool.faasbridge.stages.<stage>.local]` takes. Tool time and the server only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypedDict, TypeGuard

from ..errors import ConfigError
from ..provider import Stage

DEFAULT_PORT = 8080
DEFAULT_WORKERS = 4


class StageSettings(TypedDict, total=False):
    port: int
    """Of the first api, the others are on the next free ones; 8080 where it is not given, any free one where it is
    0."""
    workers: int
    """Processes of one function at most; 4 where it is not given."""
    existing: dict[str, str]


OPTIONS: Mapping[str, type] = {"stage": StageSettings}

_LEAST: Mapping[str, int] = {"port": 0, "workers": 1}
_MOST: Mapping[str, int] = {"port": 65535}


def port_of(stage: Stage) -> int:
    """Raises ConfigError."""
    return _number(stage, "port", DEFAULT_PORT)


def workers_of(stage: Stage) -> int:
    """Raises ConfigError."""
    return _number(stage, "workers", DEFAULT_WORKERS)


def check_settings(stage: Stage) -> None:
    """Raises ConfigError with the first setting that is wrong."""
    port_of(stage)
    workers_of(stage)


def out_of_range(stage: Stage) -> Iterator[str]:
    """A sentence for each number that is too small or too large; what is no number is found by its type."""
    for name in _LEAST:
        value = stage.settings.get(name)
        if _is_number(value) and not _fits(name, value):
            yield _wrong(stage, name, value)


def _number(stage: Stage, name: str, default: int) -> int:
    value = stage.settings.get(name, default)
    if not _is_number(value) or not _fits(name, value):
        raise ConfigError(_wrong(stage, name, value))
    return value


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _fits(name: str, value: int) -> bool:
    return _LEAST[name] <= value and (name not in _MOST or value <= _MOST[name])


def _wrong(stage: Stage, name: str, value: object) -> str:
    numbers = f"from {_LEAST[name]} to {_MOST[name]}" if name in _MOST else f"of {_LEAST[name]} or more"
    return f"[tool.faasbridge.stages.{stage.name}.local]: {name} is a whole number {numbers}, not {value!r}"
