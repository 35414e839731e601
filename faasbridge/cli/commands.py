"""All commands, in the order in which a project meets them, and those that plugins add."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from .options import AppRef, Debug, Directory, Json

SECTIONS: Final = {
    "Write": ("init", "dev", "check", "manifest", "shell", "run"),
    "Deploy": ("build", "plan", "deploy", "destroy", "secrets"),
    "Look after": ("status", "url", "invoke", "logs", "dead-letters"),
    "Machine": ("providers", "simulator", "doctor"),
}


class Commands(TyperGroup):
    """Lists commands by section; what plugins add comes last."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        known = {name for names in SECTIONS.values() for name in names}
        more = tuple(name for name in self.commands if name not in known)
        width = max((len(name) for name in self.commands), default=0)
        for title, names in {**SECTIONS, "Plugins": more}.items():
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(90))
                for name in names
                if name in self.commands
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def command_line() -> typer.Typer:
    """The whole command line. Commands import what they need when they run, so that `--help` is fast."""
    cli = typer.Typer(
        cls=Commands,
        help="Write a serverless app once; run it on this machine, AWS, Google Cloud and Azure.",
        no_args_is_help=True,
        rich_markup_mode=None,  # Rich's help takes longer to import than everything else together
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    cli.callback()(root)
    for names in SECTIONS.values():
        for name in names:
            module = import_module(f".{name.replace('-', '_')}", __package__)
            found: Callable[..., None] | typer.Typer = module.command
            if isinstance(found, typer.Typer):
                cli.add_typer(found, name=name)
            else:
                cli.command(name)(found)
    from ..plugins import manager

    manager().hook.faasbridge_commands(cli=cli)
    return cli


def version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"faasbridge {version('faasbridge')} (Python {sys.version.split()[0]})")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=version, is_eager=True)]


def root(
    ctx: typer.Context,
    directory: Directory = None,
    app: AppRef = None,
    as_json: Json = False,
    debug: Debug = False,
    show_version: Version = False,
) -> None:
    ctx.obj = {"directory": directory, "app": app, "as_json": as_json, "debug": debug}
