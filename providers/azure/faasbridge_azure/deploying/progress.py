"""A deployment's operations as the progress of a plan's steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from faasbridge.deploy import Progress, Step

from .changes import declared
from .stack import Operation, Owner, owner_in, owners


class Tracker:
    """A step starts with the first of its resources and is done with the last, and with its code where that changes.
    `recoded`: owners whose code is still to come."""

    def __init__(self, steps: Iterable[Step], template: Mapping[str, Any], recoded: Iterable[Owner]) -> None:
        self._known = owners(template)
        self._steps = {(step.kind, step.name): step for step in steps if step.action != "none"}
        self._left: dict[Owner, set[str]] = {}
        for key in declared(template):
            self._left.setdefault(owner_in(self._known, key)[0], set()).add(key)
        for owner in recoded:
            self._left.setdefault(owner, set()).add("code")
        self._started: set[Owner] = set()
        self._ended: set[Owner] = set()

    def saw(self, operation: Operation) -> Iterator[Progress]:
        owner, _ = owner_in(self._known, operation.key)
        if operation.error is not None:
            yield from self.failed(owner, operation.error[1])
        elif operation.state == "Succeeded":
            yield from self.done(owner, operation.key)
        else:
            yield from self.started(owner)

    def started(self, owner: Owner, detail: str = "") -> Iterator[Progress]:
        if owner in self._steps and owner not in self._started:
            self._started.add(owner)
            yield Progress(self._steps[owner], "started", detail)

    def done(self, owner: Owner, what: str) -> Iterator[Progress]:
        left = self._left.get(owner, set())
        left.discard(what)
        if owner not in self._steps or owner in self._ended:
            return
        yield from self.started(owner)
        if not left:
            self._ended.add(owner)
            yield Progress(self._steps[owner], "done")

    def failed(self, owner: Owner, text: str) -> Iterator[Progress]:
        if owner in self._steps and owner not in self._ended:
            self._ended.add(owner)
            yield Progress(self._steps[owner], "failed", " ".join(text.split()))

    def finish(self) -> Iterator[Progress]:
        """The steps whose end nothing told, once the whole has succeeded."""
        for owner, step in self._steps.items():
            if owner not in self._ended:
                yield from self.started(owner)
                self._ended.add(owner)
                yield Progress(step, "done")
