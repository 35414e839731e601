"""`faasbridge simulator`: what runs on this machine, detached from any terminal, and how to end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Session, session

command = typer.Typer(help="List and stop what runs on this machine.", no_args_is_help=True, rich_markup_mode=None)


@command.command("list")
@session(path=True)
def list_(session: Session) -> None:
    """List the simulators and local servers that run for this project."""
    out = session.out
    found = [{key: value for key, value in each.items() if key != "stop"} for each in running(session)]
    if out.json:
        out.data(found)
    elif not found:
        out.line("Nothing is running.")
    else:
        rows = [(str(each["provider"]), str(each["stage"]), str(each["pid"]), str(each["address"])) for each in found]
        out.table(("provider", "stage", "pid", "address"), rows, styles=("bold", None, None, "cyan"))


@command.command("stop")
@session(path=True)
def stop(
    session: Session,
    *,
    provider: Annotated[
        str | None,
        typer.Option("--provider", "-p", metavar="NAME", envvar="FAASBRIDGE_PROVIDER", help="Only this provider's."),
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", "-s", metavar="NAME", envvar="FAASBRIDGE_STAGE", help="Only this stage.")
    ] = None,
) -> None:
    """Stop what runs for this project."""
    out = session.out
    stopped = []
    for each in running(session):
        if provider in (None, each["provider"]) and (stage is None or each["stage"] in (stage, "-")):
            if each["pid"] not in stopped:  # one server may have several stages
                each["stop"]()
                stopped.append(each["pid"])
            out.line(f"Stopped stage {each['stage']} on {each['provider']}, pid {each['pid']}.")
    if out.json:
        out.data({"stopped": stopped})
    elif not stopped:
        chosen = " of that provider and stage" if provider or stage else ""
        out.line(f"Nothing{chosen} is running.")


def running(session: Session) -> Iterator[Mapping[str, Any]]:
    """Provider, stage, pid, address and a function that stops it, of whatever runs for the project.

    A provider says so with `simulators(root)`, one such mapping for each.
    """
    from ..plugins import provider, providers

    yield from _local(session.project.root)
    for name in providers():
        listing = getattr(provider(name), "simulators", None)
        if listing is not None:
            yield from ({"provider": name, **each} for each in listing(session.project.root))


def _local(root: Path) -> Iterator[Mapping[str, Any]]:
    """Servers of the embedded local cloud, `dev`'s and deployed ones."""
    from ..local.launch import stop as stop_server
    from ..local.state import DEPLOYED, base_folder, running

    base = base_folder(root)
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
        found = running(folder)
        if found is not None:
            stage = folder.name.removesuffix(DEPLOYED)
            yield {
                "provider": "local",
                "stage": stage,
                "pid": found.pid,
                "address": found.storage,
                "stop": partial(stop_server, folder),
            }
