"""`faasbridge shell`: a Python prompt with the app and its resources, bound to a deployment."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Any

from .options import Session, session


@session(target=True, path=True)
def command(session: Session) -> None:
    """Open a Python prompt with the app's resources."""
    import code

    from ..config import load_app

    stage = session.target.stage
    os.environ.update(stage.env)
    app = load_app(session.project.app_ref, session.project.root).load()
    session.target.bind(app)
    names = {resource.name.replace("-", "_"): resource for resource in app.resources.values()}
    scope: dict[str, Any] = {"__name__": "__console__", **names, "app": app}
    with contextlib.suppress(ImportError):
        import_module("readline")  # gives the prompt a history and line editing
    listed = ", ".join(sorted(names)) or "no resources"
    code.interact(banner=f"{stage.app}, {session.place}: app, {listed}", local=scope, exitmsg="")
