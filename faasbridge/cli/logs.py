"""`faasbridge logs`: what the functions wrote, as it was and as it comes."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ..provider import LogLine
from .faults import UsageError
from .human import seconds
from .options import Session, session
from .output import Output

COLOURS = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow", "DEBUG": "dim"}


@session(target=True)
def command(
    session: Session,
    *,
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False, help="Only this function.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back: 45s, 10m, 2h, 1d.")] = "1h",
    grep: Annotated[str | None, typer.Option("--grep", metavar="REGEX", help="Only lines that match.")] = None,
) -> None:
    """Show what the functions wrote."""
    try:
        wanted = re.compile(grep or "")
    except re.error as error:
        raise UsageError(f"--grep {grep!r} is no regular expression: {error}") from None
    since_s = seconds(since)
    if name is not None:
        session.project.read_spec().function(name)
    try:
        for line in session.target.deployer().logs(name, since_s=since_s, follow=follow):
            if wanted.search(line.text):
                show(line, session.out)
    except KeyboardInterrupt:
        if not follow:
            raise


def show(line: LogLine, out: Output) -> None:
    if out.json:
        out.data(line, indent=None)
        return
    head = out.paint(f"{line.time} {line.function}", "dim")
    first, *more = line.text.splitlines() or [""]
    out.line(f"{head} {out.paint(line.level, COLOURS.get(line.level, 'dim'))} {first}")
    for each in more:
        out.line(f"    {each}")
