"""What a target promises and where it stops, and the floor of several: what a portable app may rely on. Tool time
only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Limits:
    """One provider's limits. None means: none known. Sizes in bytes, times in seconds.

    `sources` names for each field the vendor's page it was read from. `caveats` are what the vendor does not keep of
    the contract: a short id -> a sentence with its source; the conformance kit skips a case only by naming one of them.
    """

    message_bytes: int | None = None  # body of a queue or topic message, the envelope taken off
    item_bytes: int | None = None  # a table's row, encoded
    http_request_bytes: int | None = None
    http_response_bytes: int | None = None
    http_timeout_s: float | None = None
    event_timeout_s: float | None = None
    delay_s: int | None = None  # longest `delay_s` of a message
    memory_mb: int | None = None
    object_key_bytes: int | None = None
    table_key_bytes: int | None = None
    sign_expires_s: int | None = None
    batch_size: int | None = None
    dead_letter_days: int | None = None
    zip_bytes: int | None = None
    unzipped_bytes: int | None = None  # of an artifact, whatever its zip has
    name_chars: int | None = None  # of a deployed function's name
    ordered: bool = True  # whether `ordered=True` can be kept
    sources: Mapping[str, str] = field(default_factory=dict)
    caveats: Mapping[str, str] = field(default_factory=dict)


_ENVELOPES = {"sources", "caveats", "ordered"}


def floor(targets: Mapping[str, Limits] | Iterable[tuple[str, Limits]]) -> Limits:
    """The strictest of each limit over all targets; `sources[field]` names the target that sets it."""
    named = dict(targets)
    values: dict[str, float | None] = {}
    sources: dict[str, str] = {}
    for each in fields(Limits):
        if each.name in _ENVELOPES:
            continue
        known = [
            (getattr(limits, each.name), name)
            for name, limits in named.items()
            if getattr(limits, each.name) is not None
        ]
        if known:
            values[each.name], sources[each.name] = min(known, key=lambda pair: pair[0])
    caveats = {f"{name}.{key}": text for name, limits in named.items() for key, text in limits.caveats.items()}
    ordered = all(limits.ordered for limits in named.values())
    return Limits(**values, ordered=ordered, sources=sources, caveats=caveats)  # type: ignore[arg-type]
