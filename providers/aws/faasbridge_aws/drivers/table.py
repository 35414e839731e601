"""Tables: DynamoDB. The binding's address is the table's name; `attribute_value` says how rows are kept.

Conditions are DynamoDB's own, so they are atomic. Equality is not: to DynamoDB 1 and the tagged 1.0 differ, and so do
two texts of one instant. A condition is therefore sent as a guess first; where it fails, the answer holds the row,
Python compares, and what was found is the next guess. No read is needed, which a function may not be allowed.

A write that changes nothing makes no event. Source: DynamoDB Developer Guide, "Change data capture for DynamoDB
Streams": such a PutItem or UpdateItem writes no stream record.
"""

from __future__ import annotations

import random
import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import cursors
from faasbridge.adapter.matching import matches
from faasbridge.errors import Conflict, NotFound, Throttled
from faasbridge.resources import Page

from .. import attribute_value as av
from .clients import of
from .errors import call, code_of, translated
from .expressions import Expressions
from .updates import changes, needs_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from faasbridge.drivers import Binding

    Item = dict[str, dict[str, Any]]

_TURNS = 100  # of a write that others keep getting ahead of


class TableDriver:
    def __init__(self, binding: Binding) -> None:
        self._table = binding.address
        self._name = binding.name
        self._what = f"table {binding.name!r}"
        self._key: str = binding.options["key"]
        self._sort: str | None = binding.options.get("sort_key")
        self._indexes: Mapping[str, Sequence[str]] = binding.options.get("indexes") or {}
        self._indexed = {field for fields in self._indexes.values() for field in fields} - {self._key, self._sort}
        self.client: Any = of(binding.options).get("dynamodb")

    def get(self, key: str, sort: str | None) -> dict[str, Any] | None:
        item = self._read(key, sort)
        return None if item is None or _expired(item) else av.attributes_to_row(item)

    def put(
        self,
        item: dict[str, Any],
        if_absent: bool,
        if_match: Mapping[str, object] | None,
        expires_at: datetime | None,
    ) -> None:
        attributes = self._attributes(item, expires_at)
        key, sort = item[self._key], item[self._sort] if self._sort else None
        if if_match is not None:
            self._conditionally(
                key,
                sort,
                if_match,
                lambda expressions, condition, _: self._write(
                    self.client.put_item, Item=attributes, **expressions.parameters(ConditionExpression=condition)
                ),
            )
            return
        expressions = Expressions()
        condition = expressions.absent(self._key, _now_us()) if if_absent else ""
        try:
            self._write(self.client.put_item, Item=attributes, **expressions.parameters(ConditionExpression=condition))
        except _Unmet as unmet:
            raise Conflict(f"{self._what} has a row {self._label(key, sort)} already") from unmet.__cause__

    def update(
        self,
        key: str,
        sort: str | None,
        set: Mapping[str, object],
        increment: Mapping[str, int | float],
        remove: Sequence[str],
        if_match: Mapping[str, object] | None,
    ) -> dict[str, Any]:
        def write(expressions: Expressions, condition: str, known: Item | None) -> dict[str, Any]:
            update, more = changes(expressions, set, increment, remove, self._indexed, known, label)
            answer = self._write(
                self.client.update_item,
                Key=self._keys(key, sort),
                ReturnValues="ALL_NEW",
                **expressions.parameters(UpdateExpression=update, ConditionExpression=" AND ".join((condition, *more))),
            )
            return av.attributes_to_row(answer["Attributes"])

        label = f"row {self._label(key, sort)} of {self._what}"
        known = self._read(key, sort) or {} if needs_row(set, increment, remove, self._indexed) else None
        return self._conditionally(key, sort, if_match, write, known)  # type: ignore[no-any-return]

    def delete(self, key: str, sort: str | None, if_match: Mapping[str, object] | None) -> None:
        keys = self._keys(key, sort)
        if if_match is None:
            self._write(self.client.delete_item, Key=keys)
            return
        self._conditionally(
            key,
            sort,
            if_match,
            lambda expressions, condition, _: self._write(
                self.client.delete_item, Key=keys, **expressions.parameters(ConditionExpression=condition)
            ),
        )

    def query(
        self,
        key: str,
        index: str | None,
        begins_with: str | None,
        between: tuple[str, str] | None,
        reverse: bool,
        size: int,
        cursor: str | None,
    ) -> Page[dict[str, Any]]:
        key_field, sort_field = (self._key, self._sort) if index is None else self._indexes[index]
        expressions = Expressions()
        condition = f"{expressions.field(key_field)} = {expressions.value({'S': key})}"
        if begins_with is not None and sort_field is not None:
            condition += f" AND begins_with({expressions.field(sort_field)}, {expressions.value({'S': begins_with})})"
        elif between is not None and sort_field is not None:
            low, high = between
            if low > high or not high:  # which DynamoDB refuses
                return Page([], None)
            name, end = expressions.field(sort_field), expressions.value({"S": high})
            start = f"{name} BETWEEN {expressions.value({'S': low})} AND" if low else f"{name} <="
            condition += f" AND {start} {end}"
        parameters = expressions.parameters(
            KeyConditionExpression=condition, FilterExpression=expressions.live(_now_us())
        )
        parameters["ScanIndexForward"] = not reverse
        if index is None:
            parameters["ConsistentRead"] = True
        else:
            parameters["IndexName"] = index
        listing = ["query", self._table, key, index, begins_with, between, reverse]
        fields = [self._key, self._sort, *(() if index is None else (key_field, sort_field))]
        return self._page(self.client.query, parameters, listing, fields, size, cursor)

    def scan(self, size: int, cursor: str | None) -> Page[dict[str, Any]]:
        expressions = Expressions()
        parameters = expressions.parameters(FilterExpression=expressions.live(_now_us()))
        parameters["ConsistentRead"] = True
        return self._page(self.client.scan, parameters, ["scan", self._table], [self._key, self._sort], size, cursor)

    def _page(
        self,
        read: Callable[..., Any],
        parameters: dict[str, Any],
        listing: object,
        fields: Sequence[str | None],
        size: int,
        cursor: str | None,
    ) -> Page[dict[str, Any]]:
        """`fields` are those that say where a row stands in the listing."""
        places = list(dict.fromkeys(av.attribute_name(field) for field in fields if field is not None))
        if cursor is not None:
            position = cursors.decode(listing, cursor, len(places))
            start = {place: {"S": text} for place, text in zip(places, position, strict=True)}
            parameters = {**parameters, "ExclusiveStartKey": start}
        found: list[Item] = []
        while True:
            parameters["Limit"] = size + 1 - len(found)  # one more tells whether there is another page
            answer = call(self._what, read, TableName=self._table, **parameters)
            found += answer["Items"]
            last = answer.get("LastEvaluatedKey")
            if not last or len(found) > size:
                break
            parameters["ExclusiveStartKey"] = last
        rows = [av.attributes_to_row(item) for item in found[:size]]
        if len(found) <= size:
            return Page(rows, None)
        return Page(rows, cursors.encode(listing, [found[size - 1][place]["S"] for place in places]))

    def _conditionally(
        self,
        key: str,
        sort: str | None,
        if_match: Mapping[str, object] | None,
        write: Callable[[Expressions, str, Item | None], Any],
        known: Item | None = None,
    ) -> Any:
        """What `write(expressions, condition, row as far as it is known)` returns, once its condition holds."""
        expected = {field: av.from_attribute(av.to_attribute(value)) for field, value in (if_match or {}).items()}
        for field, value in expected.items():
            if not matches(value, value):
                raise Conflict(f"{field!r} is compared with {value!r}, which nothing equals")
        for turn in range(_TURNS):
            if known is not None:
                self._check(known, expected, if_match is not None, key, sort)
            expressions = Expressions()
            conditions = [expressions.present(self._key, _now_us())]
            for field, value in expected.items():
                if known is not None:
                    conditions.append(expressions.equals(field, known.get(av.attribute_name(field))))
                elif value is None:
                    conditions.append(expressions.is_null(field))
                else:
                    conditions.append(expressions.equals(field, av.to_attribute(value)))
            try:
                return write(expressions, " AND ".join(conditions), known)
            except _Unmet as unmet:
                known = unmet.item
                self._check(known, expected, if_match is not None, key, sort)
            if turn:
                time.sleep(random.uniform(0, min(0.001 * 2**turn, 0.1)))  # noqa: S311 - jitter
        raise Throttled(f"{self._what}: others write row {self._label(key, sort)} all the time")

    def _check(self, item: Item, expected: Mapping[str, Any], conditional: bool, key: str, sort: str | None) -> None:
        if not item or _expired(item):
            label = self._label(key, sort)
            if conditional:
                raise Conflict(f"{self._what} has no row {label} to compare with if_match")
            raise NotFound(f"{self._what} has no row {label}")
        row = av.attributes_to_row(item)
        for field, value in expected.items():
            if not matches(row.get(field), value):
                raise Conflict(f"{field!r} of row {self._label(key, sort)} of {self._what} is not {value!r}")

    def _write(self, method: Callable[..., Any], **parameters: Any) -> Any:
        """Raises _Unmet where the condition does not hold."""
        if "ConditionExpression" in parameters:
            parameters["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        try:
            return method(TableName=self._table, **parameters)
        except Exception as error:
            if code_of(error) == "ConditionalCheckFailedException":
                raise _Unmet(error.response.get("Item") or {}) from error  # type: ignore[attr-defined]
            raise translated(error, self._what, f"dynamodb:{getattr(error, 'operation_name', '')}") from error

    def _read(self, key: str, sort: str | None) -> Item | None:
        answer = call(
            self._what, self.client.get_item, TableName=self._table, Key=self._keys(key, sort), ConsistentRead=True
        )
        return answer.get("Item")  # type: ignore[no-any-return]

    def _keys(self, key: str, sort: str | None) -> Item:
        keys: Item = {av.attribute_name(self._key): {"S": key}}
        if self._sort is not None:
            keys[av.attribute_name(self._sort)] = {"S": sort}
        return keys

    def _attributes(self, row: Mapping[str, object], expires_at: datetime | None) -> Item:
        nulls = sorted(field for field in self._indexed if field in row and row[field] is None)
        attributes = av.row_to_attributes({field: row[field] for field in row if field not in nulls})
        if nulls:
            attributes[av.NULLS] = {"SS": nulls}
        if expires_at is not None:
            us = round(expires_at.timestamp() * 1_000_000)
            attributes[av.EXPIRY] = {"N": str(-(-us // 1_000_000))}
            attributes[av.EXPIRY_US] = {"N": str(us)}
        return attributes

    def _label(self, key: str, sort: str | None) -> str:
        return f"{key!r}, {sort!r}" if self._sort else repr(key)


class _Unmet(Exception):
    """A condition that does not hold, and the row as it is; empty where there is none."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


def _now_us() -> int:
    return time.time_ns() // 1000


def _expired(item: Item) -> bool:
    expiry = item.get(av.EXPIRY_US)
    return expiry is not None and int(expiry["N"]) <= _now_us()
