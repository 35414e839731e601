"""`faasbridge check`: what is wrong with an app and its settings, before anything runs."""

from __future__ import annotations

import typer

from .human import count
from .options import Session, session

COLOURS = {"error": "red", "warning": "yellow", "ok": "green"}


@session(target=True, path=True)
def command(session: Session) -> None:
    """Check the app and its settings."""
    spec = session.target.spec()
    findings = sorted(session.target.findings(spec), key=lambda each: list(COLOURS).index(each.severity))
    out = session.out
    if out.json:
        out.data(findings)
    else:
        for each in findings:
            where = f"{each.location}: " if each.location else ""
            out.line(f"{out.paint(each.severity, COLOURS[each.severity])}: {where}{each.message} [{each.code}]")
        errors = sum(each.severity == "error" for each in findings)
        warnings = sum(each.severity == "warning" for each in findings)
        targets = f", for {', '.join(session.project.targets)}" if session.project.targets else ""
        out.line(
            f"{spec.name}: {count(len(spec.functions), 'function')}, "
            f"{count(len(spec.resources), 'resource')}{targets}: {count(errors, 'error')}, {count(warnings, 'warning')}"
        )
    if any(each.severity == "error" for each in findings):
        raise typer.Exit(1)
