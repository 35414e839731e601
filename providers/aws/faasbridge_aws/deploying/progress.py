"""A stack's events as the progress of a plan's steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from faasbridge.deploy import Progress, Step

from .stack import Owner, StackEvent, owners

_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "DELETE_SKIPPED"})


class Tracker:
    """`touched`: the logical ids that change; empty where all of the new template's do. A step starts with the first of
    its resources and is done with the last."""

    def __init__(
        self,
        steps: tuple[Step, ...],
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        touched: frozenset[str] = frozenset(),
    ) -> None:
        self._owners = {**owners(old), **owners(new)}
        self._steps: dict[Owner, Step] = {(step.kind, step.name): step for step in steps if step.action != "none"}
        self._left: dict[Owner, set[str]] = {}
        for logical_id in touched or owners(new):
            owner = self._owners.get(logical_id)
            if owner in self._steps:
                self._left.setdefault(owner, set()).add(logical_id)
        self._started: set[Owner] = set()
        self._ended: set[Owner] = set()
        self._rolling_back = False

    def saw(self, event: StackEvent) -> Iterator[Progress]:
        if event.of_stack:
            self._rolling_back |= "ROLLBACK" in event.status
            return
        owner = self._owners.get(event.logical_id)
        step = self._steps.get(owner) if owner else None
        if owner is None or step is None or owner in self._ended or self._rolling_back:
            return
        if owner not in self._started:
            self._started.add(owner)
            yield Progress(step, "started")
        if event.failed:
            if "cancelled" not in event.reason:  # that is of another's failure
                self._ended.add(owner)
                yield Progress(step, "failed", " ".join(event.reason.split()))
        elif event.status in _DONE:
            left = self._left.get(owner, set())
            left.discard(event.logical_id)
            if not left:
                self._ended.add(owner)
                yield Progress(step, "done")

    def finish(self) -> Iterator[Progress]:
        """The steps that no event told the end of, once the whole has succeeded."""
        for owner, step in self._steps.items():
            if owner not in self._ended:
                if owner not in self._started:
                    yield Progress(step, "started")
                yield Progress(step, "done")
