"""When a condition's value is a row's: the same on every provider."""

from __future__ import annotations

from .._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def matches(actual: Any, expected: Any) -> bool:
    """Equal as Python has it, 1 and 1.0 included, but True is not 1."""
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, dict) and isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(matches(actual[k], expected[k]) for k in actual)
    if isinstance(actual, list) and isinstance(expected, list):
        return len(actual) == len(expected) and all(map(matches, actual, expected))
    return bool(actual == expected)
