"""The words of a deployment, the same for every vendor: what will be done, what was done, what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["create", "update", "replace", "delete", "none"]


@dataclass(frozen=True)
class Step:
    """One thing that a deployment does to one resource. `data_loss` where going on destroys a user's data."""

    action: Action
    kind: str
    name: str
    reason: str = ""
    data_loss: bool = False


@dataclass(frozen=True)
class Plan:
    """What `apply` would do; made by reading only. `token` is the provider's own handle (a change set's id, say)."""

    app: str
    stage: str
    provider: str
    steps: tuple[Step, ...]
    token: Any = None

    @property
    def changes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action != "none")


@dataclass(frozen=True)
class Progress:
    """A step as it goes: `state` is `started`, `done` or `failed`; `detail` a human word about it."""

    step: Step
    state: Literal["started", "done", "failed"]
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a deployment left behind: endpoints by api name, and further outputs to show."""

    app: str
    stage: str
    provider: str
    endpoints: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeadLetter:
    """A message that its handler could not handle. `event` is the neutral event as `events_json.to_dict` gives it."""

    id: str
    inbox: str
    event: Mapping[str, Any]
    reason: str
    attempts: int
    died_at: str  # ISO 8601, UTC
