"""`faasbridge destroy`: takes a deployment down; its data only with `--delete-data`."""

from __future__ import annotations

from typing import Annotated

import typer

from .deploy import follow
from .faults import Interrupted
from .options import Session, Yes, session


@session(target=True, path=True)
def command(
    session: Session,
    *,
    yes: Yes = False,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Also delete buckets, tables, queued messages and secrets.")
    ] = False,
) -> None:
    """Take a deployment down."""
    out = session.out
    deployer = session.target.deployer()
    data = ", with all its data" if delete_data else ""
    if not out.confirm(f"Destroy {session.target.stage.app}, {session.place}{data}?", yes=yes):
        out.line("Nothing was changed.")
        raise typer.Exit(1)
    try:
        done = follow(deployer.destroy(delete_data=delete_data), out)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; run `faasbridge destroy` again, it goes on from what is left") from None
    if out.json:
        out.data(
            {
                "app": session.target.stage.app,
                "stage": session.stage_name,
                "provider": session.provider_name,
                "deleted": done,
            }
        )
    elif not done:
        out.line(f"There is nothing to destroy: {session.target.stage.app} is not deployed, {session.place}.")
