"""`faasbridge secrets`: values of the app's secrets, from a prompt or stdin, never from the command's arguments."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..errors import ConfigError
from .human import count
from .options import Session, session

command = typer.Typer(help="Set, list and unset the values of secrets.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The secret.")]


@command.command("set")
@session(target=True)
def set_(session: Session, *, name: Name) -> None:
    """Set a secret: asks for it, or reads standard input."""
    _declared(session, name)
    if sys.stdin.isatty():
        from getpass import getpass

        value = getpass(f"Value of {name}: ")
    else:
        try:
            value = sys.stdin.buffer.read().decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ConfigError(
                "standard input is not UTF-8 text, which a secret's value is; pipe binary data through `base64`"
            ) from None
    if not value:
        raise ConfigError(f"an empty value is no secret; `faasbridge secrets unset {name}` removes one")
    session.target.deployer().set_secret(name, value)
    if session.out.json:
        session.out.data({"secret": name, "set": True})
    else:
        session.out.line(f"{name} is set, {session.place}.")


@command.command("list")
@session(target=True)
def list_(session: Session) -> None:
    """List the app's secrets, and which have a value."""
    out = session.out
    secrets = dict(session.target.deployer().secrets())
    if out.json:
        out.data(secrets)
    elif not secrets:
        out.line("The app declares no secrets.")
    else:
        rows = [
            (name, out.paint("set", "green") if there else out.paint("missing", "red"))
            for name, there in sorted(secrets.items())
        ]
        out.table(("secret", "value"), rows)
        missing = sum(not there for there in secrets.values())
        if missing:
            out.line(f"{count(missing, 'secret')} without a value; `faasbridge secrets set NAME` gives it one.")


@command.command("unset")
@session(target=True)
def unset(session: Session, *, name: Name) -> None:
    """Remove a secret's value."""
    _declared(session, name)
    session.target.deployer().unset_secret(name)
    if session.out.json:
        session.out.data({"secret": name, "set": False})
    else:
        session.out.line(f"{name} has no value any more, {session.place}.")


def _declared(session: Session, name: str) -> None:
    """Raises ConfigError for what is no secret of the app, or of its deployment where the app is broken."""
    target = session.target
    try:
        spec = target.spec()
    except ConfigError:
        if name not in target.deployer().secrets():
            raise
    else:
        spec.resource("secret", name)
