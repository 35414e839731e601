"""The options that commands share, and the session they make: which project, provider and stage, and how to print."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from ..errors import ConfigError
from .faults import UsageError
from .output import Output

if TYPE_CHECKING:
    from ..config import Project
    from ..pipeline import Target
    from ..spec import AppSpec

Directory = Annotated[Path | None, typer.Option("-C", metavar="DIR", help="The project's folder, instead of this one.")]
AppRef = Annotated[
    str | None, typer.Option("--app", metavar="MODULE:NAME", help="The app, instead of the one in pyproject.toml.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; errors too, on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
ProviderName = Annotated[
    str,
    typer.Option(
        "--provider", "-p", metavar="NAME", envvar="FAASBRIDGE_PROVIDER", show_default=True, help="Where it runs."
    ),
]
StageName = Annotated[
    str,
    typer.Option(
        "--stage", "-s", metavar="NAME", envvar="FAASBRIDGE_STAGE", show_default=True, help="Which deployment."
    ),
]
Simulate = Annotated[bool, typer.Option("--simulate", help="The provider's simulator on this machine, not its cloud.")]
ProjectPath = Annotated[Path | None, typer.Argument(metavar="PATH", help="The project's folder.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

P = ParamSpec("P")
# name -> (annotation, default); the commands' own parameters stand before these.
_COMMON: dict[str, tuple[Any, Any]] = {
    "directory": (Directory, None),
    "app": (AppRef, None),
    "as_json": (Json, False),
    "debug": (Debug, False),
}
_TARGET: dict[str, tuple[Any, Any]] = {
    "provider": (ProviderName, "local"),
    "stage": (StageName, "dev"),
    "simulate": (Simulate, False),
}


class Session:
    """What the shared options of one command said. Projects, providers and plugins are loaded on first use."""

    def __init__(
        self,
        *,
        directory: Path | None = None,
        app: str | None = None,
        as_json: bool = False,
        debug: bool = False,
        provider: str = "local",
        stage: str = "dev",
        simulate: bool = False,
    ) -> None:
        self.directory = directory or Path()
        self.app_ref = app
        self.debug = debug
        self.provider_name = provider
        self.stage_name = stage
        self.simulate = simulate
        self.out = Output(as_json=as_json)

    @cached_property
    def project(self) -> Project:
        from ..config import Project

        return Project.load(self.directory, app=self.app_ref)

    @cached_property
    def target(self) -> Target:
        from ..pipeline import Target

        return Target(self.project, self.provider_name, self.stage_name, simulate=self.simulate)

    def readable_spec(self) -> AppSpec | None:
        """The app's model; None where the app is broken right now, whose deployment must still be looked after."""
        target = self.target
        try:
            return target.spec()
        except ConfigError:
            return None

    @property
    def place(self) -> str:
        """`stage dev on local`, for sentences."""
        return f"stage {self.stage_name} on {self.provider_name}{' (simulated)' if self.simulate else ''}"


def session(
    *, target: bool = False, path: bool = False
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[..., None]]:
    """Gives a command the shared options and hands it the Session that they make.

    `target`: also `--provider`, `--stage` and `--simulate`. `path`: also the project's folder as an argument. Options
    given before the command's name count as well.
    """
    shared = {**_COMMON, **(_TARGET if target else {})}

    def decorate(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1:]

        @wraps(function)
        def command(ctx: typer.Context, **values: Any) -> None:
            given = {name: values.pop(name) for name in shared}
            before: dict[str, Any] = (ctx.find_root().obj or {}) if ctx.find_root() is not ctx else {}
            for name, value in before.items():
                if name in given and value and not given[name]:
                    given[name] = value
            folder = values.pop("path", None) if path else None
            if folder is not None:
                if given["directory"] is not None:
                    raise UsageError("the project's folder is given twice: as an argument and with -C")
                given["directory"] = folder
            function(Session(**given), **values)  # type: ignore[call-arg]

        parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
        if path:
            parameters.append(_parameter("path", ProjectPath, None))
        parameters += [each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        parameters += [_parameter(name, annotation, default) for name, (annotation, default) in shared.items()]
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [parameters[0], *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters[1:])]
        )
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        del command.__wrapped__  # or Typer reads the signature below
        return command

    return decorate


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
