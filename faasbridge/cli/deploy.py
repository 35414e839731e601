"""`faasbridge deploy`: plan, question, progress, outputs. Interrupted, the next one goes on from what is there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING

import typer

from ..deploy import Outcome, Plan, Progress
from . import plan as plans
from .faults import Interrupted
from .human import bar, duration
from .options import Session, Yes, session
from .output import Output

if TYPE_CHECKING:
    from ..provider import Deployer

PAST = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted", "none": "kept"}


@session(target=True, path=True)
def command(session: Session, *, yes: Yes = False) -> None:
    """Deploy the app."""
    with plans.planned(session) as (deployer, plan):
        _deploy(session, deployer, plan, yes=yes)


def _deploy(session: Session, deployer: Deployer, plan: Plan, *, yes: bool) -> None:
    out, target = session.out, session.target
    if not out.json:
        plans.show(plan, out)
    if plan.changes:
        target.veto(plan)
        if not out.confirm("Deploy?", yes=yes):
            out.line("Nothing was changed.")
            raise typer.Exit(1)
        try:
            follow(target.apply(deployer, plan), out)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; run `faasbridge deploy` again, it goes on from what is there") from None
    outcome = deployer.outcome()
    if out.json:
        out.data(
            {"app": plan.app, "stage": plan.stage, "provider": plan.provider, "steps": plan.changes}
            | {"endpoints": dict(outcome.endpoints), "outputs": dict(outcome.outputs)}
        )
    else:
        show(outcome, out)


def follow(progress: Iterable[Progress], out: Output) -> int:
    """Prints steps as they end, and shows the one that runs; returns how many were done."""
    done = 0
    started: dict[tuple[str, str], float] = {}
    with out.progress("working") as note:
        for each in progress:
            step = each.step
            key = step.kind, step.name
            if each.state == "started":
                started[key] = monotonic()
                share = re.search(r"\b(\d{1,3}) %", each.detail)
                done_so_far = f"{bar(int(share[1]))} " if share else ""
                note(f"{done_so_far}{step.action} {step.kind} {step.name} {each.detail}".rstrip())
                continue
            elapsed = monotonic() - started.pop(key) if key in started else 0.0
            took = f"  {duration(elapsed)}" if elapsed >= 0.001 else ""  # less than that was told afterwards, at once
            detail = f"  {each.detail}" if each.detail else ""
            if each.state == "failed":
                out.line(out.paint(f"failed to {step.action} {step.kind} {step.name}{detail}", "red"))
            else:
                done += 1
                word = out.paint(PAST[step.action], plans.COLOURS[step.action])
                out.line(f"{word} {step.kind} {step.name}{detail}{out.paint(took, 'dim')}")
    return done


def show(outcome: Outcome, out: Output) -> None:
    for api, address in outcome.endpoints.items():
        out.line(f"{api}: {out.paint(address, 'cyan')}")
    for name, value in outcome.outputs.items():
        out.line(f"{name}: {value}")
