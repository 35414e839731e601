"""Field masks and times of the vendor's messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

import proto  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import field_mask_pb2  # type: ignore[import-untyped, unused-ignore]

from .rpc import invalid

M = TypeVar("M", bound=proto.Message)


def copy(message: M) -> M:
    """proto-plus messages share what is in them when they are assigned."""
    found: M = type(message)()
    type(message).pb(found).CopyFrom(type(message).pb(message))
    return found


def updated(current: M, new: M, mask: field_mask_pb2.FieldMask, *, fixed: tuple[str, ...] = ()) -> M:
    """`current` with those fields of `new`; an empty mask takes every field that `new` has. `fixed` never change."""
    result = copy(current)
    source, target = type(new).pb(new), type(result).pb(result)
    paths = [path for path in mask.paths if path != "*"]
    if not paths:
        paths = [field.name for field, _ in source.ListFields()]
    paths = [path for path in paths if path.partition(".")[0] not in fixed]
    wanted = field_mask_pb2.FieldMask(paths=paths)
    if not wanted.IsValidForDescriptor(source.DESCRIPTOR):
        raise invalid(f"Invalid update mask: {', '.join(paths)} of {source.DESCRIPTOR.full_name}")
    wanted.MergeMessage(source, target, replace_message_field=True, replace_repeated_field=True)
    return result


def now() -> datetime:
    return datetime.now(UTC)


def page(items: list[Any], size: int, token: str) -> tuple[list[Any], str]:
    """One page of a list, and the token of the next. Raises InvalidArgument for a token that is none."""
    try:
        start = int(token or 0)
    except ValueError:
        raise invalid(f"Invalid page token '{token}'") from None
    end = start + (size or len(items) or 1)
    return items[start:end], str(end) if end < len(items) else ""
