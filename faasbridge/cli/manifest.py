"""`faasbridge manifest`: the app's neutral model as JSON, and its schema."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Session, session


@session(path=True)
def command(
    session: Session,
    *,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of a manifest.")] = False,
) -> None:
    """Print the app's model as JSON."""
    from .. import spec

    if schema:
        session.out.data(spec.schema())
        return
    print(session.project.read_spec().to_json(indent=None if session.out.json else 2))
