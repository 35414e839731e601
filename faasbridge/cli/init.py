"""`faasbridge init`: a new project that runs, with a test that passes."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer

from ..errors import ConfigError
from ..suggest import nearest
from .options import Debug, Json
from .output import Output

NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
SUFFIX: Final = ".tmpl"


def command(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="The project's folder; its last part names the app.")],
    template: Annotated[str, typer.Option("--template", "-t", metavar="NAME", help="pipeline or hello.")] = "pipeline",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a new project."""
    out = Output(as_json=as_json)
    name = check_name(folder.absolute().name)
    written = write(folder, name, template)
    if out.json:
        out.data({"name": name, "folder": folder.absolute(), "files": written})
        return
    out.line(f"Made {out.paint(name, 'bold')} in {folder}: {', '.join(written)}")
    out.line("Next:")
    out.line(f"  faasbridge dev {folder}    run it here, with live reload")
    out.line(f"  pytest {folder}            run its test")
    out.line(f"  cat {folder}/README.md     see what it does")


def check_name(name: str) -> str:
    """Raises ConfigError for what cannot name an app and its package."""
    if not NAME.fullmatch(name) or "--" in name:
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:40].strip("-")
        hint = f", such as {near!r}" if near and NAME.fullmatch(near) else ""
        raise ConfigError(
            f"{name!r} cannot name an app: use 1 to 40 of a-z, 0-9 and single hyphens, a letter first{hint}"
        )
    module = module_of(name)
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in ("faasbridge", "tests"):
        raise ConfigError(
            f"{name!r} cannot name an app: Python's own {module!r} would be hidden by its package; try '{name}-app'"
        )
    return name


def module_of(name: str) -> str:
    return name.replace("-", "_")


def write(folder: Path, name: str, template: str) -> list[str]:
    """The files written, from the folder on. Raises ConfigError for a folder that has something in it."""
    from importlib.resources import files

    templates = files("faasbridge") / "templates"
    known = sorted(each.name for each in templates.iterdir() if each.is_dir() and not each.name.startswith("_"))
    if template not in known:
        raise ConfigError(f"there is no template {template!r}{nearest(template, known)}")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: choose another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty: choose another name, or an empty folder")
    values = {"name": name, "module": module_of(name), "title": name.replace("-", " ")}
    source = Path(str(templates / template))
    written = []
    for path in sorted(source.rglob(f"*{SUFFIX}")):
        relative = (
            str(path.relative_to(source)).removesuffix(SUFFIX).replace("MODULE", values["module"]).replace("DOT", ".")
        )
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(path.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
        written.append(relative)
    return written
