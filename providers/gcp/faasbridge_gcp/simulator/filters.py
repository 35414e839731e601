"""Filters as Google writes them: which messages a subscription takes, which log entries a reader wants.

A filter is parsed once into a function of what looks a field up. The grammar is the common part of both:
`a = "b" AND (c != d OR NOT hasPrefix(e, "f"))`, with `:` for "has" and ordering for log entries.
Sources: https://cloud.google.com/pubsub/docs/subscription-message-filter,
https://cloud.google.com/logging/docs/view/logging-query-language.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Lookup = Callable[[str], Any]
Filter = Callable[[Lookup], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<sign>!=|>=|<=|=~|!~|[=<>:(),])|(?P<minus>-(?=[A-Za-z(]))"""
    r"""|(?P<word>[^\s"=<>:(),!]+))"""
)


class FilterError(ValueError):
    """Says what is wrong with a filter."""


def compiled(text: str, *, implicit_and: bool = False) -> Filter:
    """`implicit_and`: clauses may stand beside one another, as in the log's filters. Raises FilterError."""
    parser = _Parser(text, implicit_and=implicit_and)
    if not parser.tokens:
        return lambda lookup: True
    found = parser.either()
    if parser.tokens:
        raise FilterError(f"the filter {text!r} ends before {parser.tokens[0][1]!r}")
    return found


class _Parser:
    def __init__(self, text: str, *, implicit_and: bool) -> None:
        self._text = text
        self._implicit_and = implicit_and
        self.tokens: list[tuple[str, str]] = []
        at = 0
        stripped = re.sub(r"(?m)^\s*--.*$", "", text).rstrip()
        while at < len(stripped):
            found = _TOKEN.match(stripped, at)
            if found is None:
                raise FilterError(f"the filter {text!r} cannot be read at {stripped[at : at + 20]!r}")
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind]))
            at = found.end()

    def _next(self, what: str = "more") -> tuple[str, str]:
        if not self.tokens:
            raise FilterError(f"the filter {self._text!r} ends where {what} should be")
        return self.tokens.pop(0)

    def _takes(self, *values: str) -> bool:
        if self.tokens and self.tokens[0][0] != "string" and self.tokens[0][1] in values:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Filter:
        clauses = [self._both()]
        while self._takes("OR"):
            clauses.append(self._both())
        return clauses[0] if len(clauses) == 1 else lambda lookup: any(each(lookup) for each in clauses)

    def _both(self) -> Filter:
        clauses = [self._not()]
        while self._takes("AND") or (self._implicit_and and self.tokens and self.tokens[0][1] not in ("OR", ")")):
            clauses.append(self._not())
        return clauses[0] if len(clauses) == 1 else lambda lookup: all(each(lookup) for each in clauses)

    def _not(self) -> Filter:
        if self._takes("NOT", "-"):
            inner = self._not()
            return lambda lookup: not inner(lookup)
        if self._takes("("):
            inner = self.either()
            if not self._takes(")"):
                raise FilterError(f"a bracket is open in the filter {self._text!r}")
            return inner
        return self._clause()

    def _clause(self) -> Filter:
        kind, name = self._next("a field")
        if kind == "string" and self._implicit_and:
            wanted = _plain(name).lower()
            return lambda lookup: wanted in str(lookup("*")).lower()
        if name == "hasPrefix" and self._takes("("):
            field = self._next("a field")[1]
            if not self._takes(","):
                raise FilterError(f"hasPrefix takes a field and a text in {self._text!r}")
            prefix = _value(*self._next("a text"))
            if not self._takes(")"):
                raise FilterError(f"a bracket is open in the filter {self._text!r}")
            return lambda lookup: isinstance(lookup(field), str) and lookup(field).startswith(prefix)
        kind, sign = self._next("a comparison")
        if kind != "sign":
            raise FilterError(f"a comparison should follow {name!r} in the filter {self._text!r}")
        if sign == ":" and not self._implicit_and:
            key = f"{name}.{_value(*self._next('a key'))}"
            return lambda lookup: lookup(key) is not None
        if self._takes("("):
            return self._one_of(name, sign)
        return _compare(name, sign, _value(*self._next("a value")))

    def _one_of(self, name: str, sign: str) -> Filter:
        """`severity = (ERROR OR WARNING)`."""
        clauses = [_compare(name, sign, _value(*self._next("a value")))]
        while not self._takes(")"):
            if not self._takes("OR"):
                raise FilterError(f"OR should stand between the values of {name!r} in {self._text!r}")
            clauses.append(_compare(name, sign, _value(*self._next("a value"))))
        return lambda lookup: any(each(lookup) for each in clauses)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _value(kind: str, text: str) -> str:
    if kind not in ("string", "word"):
        raise FilterError(f"a value should stand where {text!r} is")
    return _plain(text) if kind == "string" else text


def _compare(name: str, sign: str, value: str) -> Filter:
    def matches(lookup: Lookup) -> bool:
        found = lookup(name)
        if sign == "!=":
            return found is None or not _equal(found, value)
        if found is None:
            return False
        if sign == "=":
            return _equal(found, value)
        if sign == ":":
            return value == "*" or value.lower() in str(found).lower()
        if sign in ("=~", "!~"):
            return (re.search(value, str(found)) is not None) == (sign == "=~")
        ours, theirs = _comparable(found, value)
        return bool(
            ours > theirs
            if sign == ">"
            else ours < theirs
            if sign == "<"
            else ours >= theirs
            if sign == ">="
            else ours <= theirs
        )

    return matches


def _equal(found: Any, value: str) -> bool:
    ours, theirs = _comparable(found, value)
    return bool(ours == theirs)


def _comparable(found: Any, value: str) -> tuple[Any, Any]:
    """Both as what the field is: a field may know how to read a value itself."""
    reads = getattr(found, "reads", None)
    if reads is not None:
        return found, reads(value)
    if isinstance(found, bool):
        return found, value.lower() == "true"
    if isinstance(found, int | float):
        try:
            return found, float(value)
        except ValueError:
            return str(found), value
    return str(found), value
