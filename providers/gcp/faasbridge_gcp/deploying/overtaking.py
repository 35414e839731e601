"""Whether a plan is still what would be done: its actions against those of one made from what is there now.

There is no lock on a stage, so what somebody does in the moments after is not seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from faasbridge.errors import DeployError

from .planning import Action, Planned

_STALE = "what is deployed has changed since the plan was made: run `faasbridge deploy` again"


def refuse_overtaken(planned: Planned, now: Planned) -> None:
    """Raises DeployError. What was being changed while the plan was made, as by a command that was killed, may have
    ended since."""
    if now.moving - planned.moving:
        raise DeployError(_STALE)
    if set(_seen(planned, planned.moving)) != set(_seen(now, planned.moving)):
        raise DeployError(_STALE)


def _seen(planned: Planned, moving: frozenset[str]) -> Iterator[str]:
    for action in planned.actions:
        if action.name.replace("/services/", "/functions/") not in moving:
            verb = (action.verb, action.type, action.id, sorted(action.changed))
            yield json.dumps([*verb, _before(action)], sort_keys=True)
    for change in planned.changes:
        grants = [sorted(map(repr, some)) for some in (change.add, change.remove)]
        yield json.dumps([change.type, change.name, *grants])


def _before(action: Action) -> Any:
    """What was there of that which is compared, and labels, which say the code."""
    if action.found is None:
        return None
    there = action.found.body
    return [there.get("labels"), *(_part(action.body.get(name), there.get(name)) for name in sorted(action.changed))]


def _part(wanted: Any, there: Any) -> Any:
    """Without what Google adds by itself."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        return {name: _part(wanted[name], there.get(name)) for name in wanted}
    return there
