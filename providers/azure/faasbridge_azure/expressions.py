"""Template expressions, `[concat(parameters('a'), '-b')]`: parsed and evaluated.

The functions are those that templates of function apps use; another one is an error that names it.
Source: Azure Resource Manager documentation, "ARM template functions".
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+)|([A-Za-z_][A-Za-z0-9_]*)|([().,\[\]]))")
_GUID = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")  # the name space that Bicep's guid() is documented with

Function = Callable[..., Any]


class ExpressionError(Exception):
    """Says what Resource Manager would say."""


def evaluate(value: Any, functions: Mapping[str, Function]) -> Any:
    """`value` with every expression in it, however deep, replaced. `functions` are by lower-case name."""
    if isinstance(value, dict):
        return {evaluate(key, functions): evaluate(each, functions) for key, each in value.items()}
    if isinstance(value, list):
        return [evaluate(each, functions) for each in value]
    if not isinstance(value, str) or not value.startswith("[") or not value.endswith("]"):
        return value
    if value.startswith("[["):
        return value[1:]
    return _Parser(value[1:-1], functions).whole()


class _Parser:
    def __init__(self, text: str, functions: Mapping[str, Function]) -> None:
        self._text, self._functions = text, functions
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise ExpressionError(f"the template language expression '{text}' is not valid at position {at}")
            kind = ("string", "number", "name", "mark")[found.lastindex - 1 if found.lastindex else 3]
            self._tokens.append((kind, found[found.lastindex or 0]))
            at = found.end()
        self._at = 0

    def whole(self) -> Any:
        value = self._value()
        if self._at != len(self._tokens):
            raise ExpressionError(f"the template language expression '{self._text}' has something after its end")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise ExpressionError(f"the template language expression '{self._text}' lacks '{wanted}'")
        self._at += 1

    def _value(self) -> Any:
        if self._at >= len(self._tokens):
            raise ExpressionError(f"the template language expression '{self._text}' ends early")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "string":
            value: Any = text[1:-1].replace("''", "'")
        elif kind == "number":
            value = int(text)
        elif kind == "name":
            value = self._call(text)
        else:
            raise ExpressionError(f"the template language expression '{self._text}' has a '{text}' too many")
        while self._peek() in (".", "["):
            if self._peek() == ".":
                self._at += 1
                key: Any = self._peek()
                self._at += 1
            else:
                self._at += 1
                key = self._value()
                self._take("]")
            value = _member(value, key, self._text)
        return value

    def _call(self, name: str) -> Any:
        self._take("(")
        arguments = []
        while self._peek() != ")":
            arguments.append(self._value())
            if self._peek() == ",":
                self._at += 1
        self._take(")")
        function = self._functions.get(name.lower())
        if function is None:
            raise ExpressionError(f"the template function '{name}' is not valid, or not one that is known here")
        try:
            return function(*arguments)
        except (TypeError, ValueError, LookupError) as error:
            raise ExpressionError(f"the template function '{name}' cannot be evaluated: {error}") from error


def _member(value: Any, key: Any, text: str) -> Any:
    if isinstance(value, dict):
        for each, content in value.items():
            if each.lower() == str(key).lower():
                return content
    elif isinstance(value, list) and isinstance(key, int) and -1 < key < len(value):
        return value[key]
    raise ExpressionError(f"the language expression property '{key}' doesn't exist in '{text}'")


def _format(text: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)(?::[^}]*)?\}", lambda found: _text(values[int(found[1])]), text)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value)


def _concat(*values: Any) -> Any:
    if values and isinstance(values[0], list):
        return [each for value in values for each in value]
    return "".join(_text(value) for value in values)


def unique_string(*values: Any) -> str:
    """13 letters and digits that depend on the values only; Azure's own hash is not public."""
    digest = hashlib.sha256("-".join(map(str, values)).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def _union(*values: Any) -> Any:
    if isinstance(values[0], list):
        return list(dict.fromkeys(each for value in values for each in value))
    return {key: each for value in values for key, each in value.items()}


PURE: Mapping[str, Function] = {
    "concat": _concat,
    "format": _format,
    "uniquestring": unique_string,
    "guid": lambda *values: str(uuid.uuid5(_GUID, "-".join(values))),
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "substring": lambda text, start, length=None: text[start:] if length is None else text[start : start + length],
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, mark: (
        text.split(mark) if isinstance(mark, str) else re.split("|".join(map(re.escape, mark)), text)
    ),
    "take": lambda value, number: value[: max(0, number)],
    "skip": lambda value, number: value[max(0, number) :],
    "length": len,
    "string": _text,
    "int": int,
    "bool": lambda value: str(value).lower() in ("true", "1"),
    "json": json.loads,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "createarray": lambda *values: list(values),
    "createobject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "array": lambda value: value if isinstance(value, list) else [value],
    "first": lambda value: value[0],
    "last": lambda value: value[-1],
    "join": lambda values, mark: mark.join(map(_text, values)),
    "union": _union,
    "contains": lambda value, key: key in value,
    "empty": lambda value: not value,
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "equals": lambda one, other: one == other,
    "not": lambda value: not value,
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "if": lambda condition, yes, no: yes if condition else no,
    "add": lambda one, other: one + other,
    "sub": lambda one, other: one - other,
    "mul": lambda one, other: one * other,
    "greater": lambda one, other: one > other,
    "less": lambda one, other: one < other,
    "true": lambda: True,
    "false": lambda: False,
    "null": lambda: None,
    "range": lambda start, number: list(range(start, start + number)),
    "trim": lambda text: text.strip(),
    "startswith": lambda text, start: text.lower().startswith(start.lower()),
    "endswith": lambda text, end: text.lower().endswith(end.lower()),
    "uri": lambda base, path: base.rstrip("/") + "/" + path.lstrip("/"),
}
