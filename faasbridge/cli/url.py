"""`faasbridge url`: the address of an api, alone on a line, for scripts."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import NotFound
from ..suggest import nearest
from .options import Session, session


@session(target=True)
def command(
    session: Session,
    *,
    api: Annotated[str | None, typer.Argument(metavar="API", show_default=False, help="Which api.")] = None,
) -> None:
    """Print the address of an api."""
    endpoints = dict(session.target.deployer().outcome().endpoints)
    app = session.target.stage.app
    if not endpoints:
        raise NotFound(f"{app} has no address, {session.place}: start it with `faasbridge deploy` or `faasbridge dev`")
    if api is not None and api not in endpoints:
        raise NotFound(f"{app} has no api {api!r}{nearest(api, endpoints)}")
    if session.out.json:
        session.out.data({api: endpoints[api]} if api else endpoints)
    elif api is not None or len(endpoints) == 1:
        session.out.line(endpoints[api] if api else next(iter(endpoints.values())))
    else:
        for name, address in endpoints.items():
            session.out.line(f"{name}\t{address}")
