"""`faasbridge plan`: what a deployment would do. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..deploy import Plan
from .human import count
from .options import Session, session
from .output import Output

if TYPE_CHECKING:
    from ..provider import Deployer

MARKS = {"create": "+", "update": "~", "replace": "!", "delete": "-", "none": " "}
COLOURS = {"create": "green", "update": "yellow", "replace": "red", "delete": "red", "none": "dim"}


@session(target=True, path=True)
def command(session: Session) -> None:
    """Show what a deployment would do."""
    with planned(session) as (_, plan):
        show(plan, session.out)


@contextmanager
def planned(session: Session) -> Iterator[tuple[Deployer, Plan]]:
    """The deployer and its plan. What planning had to start ends with the block where nothing was deployed there."""
    with session.out.progress("reading the app") as note:
        deployer, plan = session.target.plan(note)
    try:
        yield deployer, plan
    finally:
        getattr(deployer, "release", lambda: None)()


def show(plan: Plan, out: Output) -> None:
    """The table, the same on every vendor, and a sentence that sums it up."""
    if out.json:
        out.data({"app": plan.app, "stage": plan.stage, "provider": plan.provider, "steps": plan.steps})
        return
    rows = [
        (
            out.paint(f"{MARKS[step.action]} {step.action}", COLOURS[step.action]),
            step.kind,
            step.name,
            step.reason + (out.paint("  DATA IS LOST", "red", "bold") if step.data_loss else ""),
        )
        for step in plan.steps
    ]
    if rows:
        out.table(("action", "kind", "name", "reason"), rows)
    out.line(f"{plan.app}, stage {plan.stage} on {plan.provider}: {summary(plan)}")


def summary(plan: Plan) -> str:
    if not plan.changes:
        return "nothing to change"
    numbers = {action: sum(step.action == action for step in plan.steps) for action in MARKS if action != "none"}
    text = ", ".join(f"{number} to {action}" for action, number in numbers.items() if number)
    losses = sum(step.data_loss for step in plan.changes)
    return f"{text}; data of {count(losses, 'resource')} is lost" if losses else text
