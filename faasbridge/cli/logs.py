"""`faasbridge logs`: what the functions wrote, as it was and as it comes."""

from __future__ import annotations

import re
import sys
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
    function: Annotated[str | None, typer.Option("--function", metavar="NAME", help="The same, as an option.")] = None,
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
    if function is not None:
        if name not in (None, function):
            raise UsageError(f"the function is given twice: as {name} and with --function {function}")
        name = function
    if name is not None and (spec := session.readable_spec()) is not None:
        spec.function(name)  # says which it may have meant
    found = False
    try:
        for line in session.target.deployer().logs(name, since_s=since_s, follow=follow):
            if wanted.search(line.text):
                found = True
                show(line, session.out)
    except KeyboardInterrupt:
        if not follow:
            raise
    if not found and not follow and not session.out.json:
        whose = f"{name} wrote" if name is not None else "The functions wrote"
        print(f"{whose} {'no such line' if grep else 'nothing'} in the last {since}.", file=sys.stderr)


def show(line: LogLine, out: Output) -> None:
    if out.json:
        out.data(line, indent=None)
        return
    head = out.paint(f"{line.time} {line.function}", "dim")
    first, *more = line.text.splitlines() or [""]
    out.line(f"{head} {out.paint(line.level, COLOURS.get(line.level, 'dim'))} {first}")
    for each in more:
        out.line(f"    {each}")
