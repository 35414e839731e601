"""`faasbridge build`: the artifact that a deployment would upload."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from .human import duration, size
from .options import Session, session


@session(target=True, path=True)
def command(
    session: Session,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = None,
) -> None:
    """Make the artifact, without deploying it."""
    started = monotonic()
    with session.out.progress("reading the app") as note:
        artifact = session.target.build(session.target.spec(), output, note=note)
    took = monotonic() - started
    if session.out.json:
        session.out.data(
            {"path": artifact.path, "size": artifact.size, "sha256": artifact.sha256, "seconds": round(took, 3)}
        )
        return
    session.out.line(f"{artifact.path}  {size(artifact.size)}  sha256 {artifact.sha256}  in {duration(took)}")
