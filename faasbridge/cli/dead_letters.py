"""`faasbridge dead-letters`: events that their handler could not handle: listed, sent again, or thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError, NotFound
from .faults import UsageError
from .human import count
from .options import Session, Yes, session
from .output import Output

if TYPE_CHECKING:
    from ..deploy import DeadLetter


@session(target=True)
def command(
    session: Session,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The function.")],
    replay: Annotated[bool, typer.Option("--replay", help="Send them to the function again.")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Throw them away.")] = False,
    ids: Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="Only this one; can be repeated.")] = None,
    yes: Yes = False,
) -> None:
    """List, replay or purge what a function could not handle."""
    if replay and purge:
        raise UsageError("--replay and --purge exclude each other")
    out = session.out
    spec = session.readable_spec()
    if spec is not None and spec.function(name).inbox is None:
        raise ConfigError(f"{name!r} answers HTTP requests, which have no dead letters: the caller sees the failure")
    deployer = session.target.deployer()
    if not replay and not purge:
        letters = [each for each in deployer.dead_letters(name) if not ids or each.id in ids]
        show(name, letters, out)
        return
    if purge and not out.confirm(f"Throw away {'these' if ids else 'all'} dead letters of {name}?", yes=yes):
        out.line("Nothing was changed.")
        raise typer.Exit(1)
    number = deployer.replay(name, ids or None) if replay else deployer.purge(name, ids or None)
    if ids and number < len(set(ids)):
        raise NotFound(f"{name} has only {number} of the {len(set(ids))} dead letters that --id names")
    if out.json:
        out.data({"function": name, "replayed" if replay else "purged": number})
    else:
        out.line(f"{count(number, 'dead letter')} of {name} {'sent again' if replay else 'thrown away'}.")


def show(name: str, letters: list[DeadLetter], out: Output) -> None:
    if out.json:
        out.data(letters)
        return
    if not letters:
        out.line(f"{name} has no dead letters.")
        return
    rows = [(each.id, each.died_at, str(each.attempts), " ".join(each.reason.split())) for each in letters]
    out.table(("id", "died at", "attempts", "reason"), rows, styles=("cyan", "dim"))
    out.line(f"{count(len(letters), 'dead letter')} of {name}; --replay sends them again, --purge throws them away.")
