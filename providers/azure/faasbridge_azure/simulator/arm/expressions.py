"""Template expressions, with Resource Manager's error for one that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import expressions
from ...expressions import PURE, Function
from .errors import template_error

__all__ = ["PURE", "evaluate"]


def evaluate(value: Any, functions: Mapping[str, Function]) -> Any:
    """As `expressions.evaluate`. Raises ArmError."""
    try:
        return expressions.evaluate(value, functions)
    except expressions.ExpressionError as error:
        raise template_error(str(error)) from error
