"""What an update asks of DynamoDB: the expression that changes the row, and what must hold for it. Pure.

A whole number is added by DynamoDB itself, so that writers do not wait for each other. Anything else is added here,
to the number that was read, on condition that it is still there.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.codec import MAX_INT
from faasbridge.errors import Conflict

from .. import attribute_value as av

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from .expressions import Expressions


def needs_row(
    set: Mapping[str, object], increment: Mapping[str, int | float], remove: Sequence[str], indexed: Collection[str]
) -> bool:
    """Whether the row has to be read first: what a float makes of a number is Python's to say, and an expression
    cannot both add to a set and delete from it."""
    floats = any(type(by) is not int for by in increment.values())
    return floats or sum(field in indexed for field in (*set, *remove)) > 1


def changes(
    expressions: Expressions,
    set: Mapping[str, object],
    increment: Mapping[str, int | float],
    remove: Sequence[str],
    indexed: Collection[str],
    known: Mapping[str, Any] | None,
    label: str,
) -> tuple[str, list[str]]:
    """The update expression, and conditions. `known`: the row as it was read, None where it was not.

    Raises Conflict for a field that is no number, ValueError for a sum beyond 2**53.
    """
    sets, removes, conditions = [], [expressions.field(field) for field in remove], []
    nulls = [field for field, value in set.items() if field in indexed and value is None]
    others = [field for field in (*set, *remove) if field in indexed and field not in nulls]
    for field, value in set.items():
        if field in nulls:
            removes.append(expressions.field(field))
        else:
            sets.append(f"{expressions.field(field)} = {expressions.value(av.to_attribute(value, field))}")
    for field, by in increment.items():
        name = expressions.field(field)
        old = None if known is None else known.get(av.attribute_name(field))
        if type(by) is int and _is_plain(old, by, known is not None):
            zero, added = expressions.value({"N": "0"}), expressions.value({"N": str(by)})
            sets.append(f"{name} = if_not_exists({name}, {zero}) + {added}")
            number = expressions.value({"S": "N"})
            ends = [expressions.value({"N": str(end)}) for end in (max(0, -by) - MAX_INT, MAX_INT - max(0, by))]
            within = f"{name} BETWEEN {ends[0]} AND {ends[1]}"
            conditions.append(f"(attribute_not_exists({name}) OR (attribute_type({name}, {number}) AND {within}))")
        else:
            sets.append(f"{name} = {expressions.value(av.to_attribute(_sum(old, by, field, label), field))}")
            conditions.append(expressions.equals(field, old))
    if known is not None and (nulls or others):
        old = known.get(av.NULLS)
        left = {*(old or {"SS": ()})["SS"], *nulls}.difference(others)
        place = expressions.name(av.NULLS)
        conditions.append(f"{place} = {expressions.value(old)}" if old else f"attribute_not_exists({place})")
        if left:
            sets.append(f"{place} = {expressions.value({'SS': sorted(left)})}")
        else:
            removes.append(place)
    clauses = []
    if sets:
        clauses.append(f"SET {', '.join(sets)}")
    if removes:
        clauses.append(f"REMOVE {', '.join(removes)}")
    if known is None and nulls:
        clauses.append(f"ADD {expressions.name(av.NULLS)} {expressions.value({'SS': sorted(nulls)})}")
    if known is None and others:
        clauses.append(f"DELETE {expressions.name(av.NULLS)} {expressions.value({'SS': sorted(others)})}")
    return " ".join(clauses), conditions


def _is_plain(old: Mapping[str, Any] | None, by: int, is_known: bool) -> bool:
    """Whether DynamoDB can add to it: what is not known is assumed to be such."""
    if not is_known or old is None:
        return abs(by) <= MAX_INT
    return "N" in old and abs(av.from_attribute(old) + by) <= MAX_INT


def _sum(old: Mapping[str, Any] | None, by: int | float, field: str, label: str) -> int | float:
    number = 0 if old is None else av.from_attribute(old, field)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise Conflict(f"{field!r} of {label} is {number!r}, no number to increment")
    return number + by
