"""`faasbridge run -- CMD`: a command whose Python code uses the app's resources as if it were deployed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import autobind
from ..errors import ConfigError
from .options import Session, session


@session(target=True)
def command(
    session: Session,
    *,
    words: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command and its arguments.")],
) -> None:
    """Run a command with the app's resources bound to a deployment."""
    environment = bound_environment(session)
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        raise ConfigError(f"there is no command {words[0]!r}")
    sys.stdout.flush()
    # In place of this process, so that signals and the exit code are the command's own.
    os.execvpe(program, words, environment)  # noqa: S606 - no shell is the point


def bound_environment(session: Session) -> dict[str, str]:
    """The stage's variables, the project importable, this Python first, and which deployment the resources are of."""
    stage = session.target.stage
    root = session.project.root
    folders = [str(root), *([str(root / "src")] if (root / "src").is_dir() else [])]
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        **stage.env,
        "PYTHONPATH": os.pathsep.join([*folders, *([inherited] if inherited else [])]),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "FAASBRIDGE_PROVIDER": stage.provider,
        "FAASBRIDGE_STAGE": stage.name,
        autobind.VARIABLE: autobind.value(stage.provider, stage.name, root, simulate=session.simulate),
    }
