"""The run-time part of an installed package: its entry modules and what they import of the same package. An artifact
has them as byte code alone, in two files, where the target's Python is on this machine.
"""

from __future__ import annotations

import ast
import marshal
from collections.abc import Mapping
from functools import cache as once
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from uuid import uuid4

from ..errors import ConfigError
from . import bytecode

# What a vendor's runtime reaches first; the rest follows from the imports.
CORE_ENTRIES: Final = (
    "",
    "adapter",
    "app",
    "artifact",
    "dispatch",
    "drivers",
    "event_json",
    "media_types",
    "resources",
    "suggest",
)
PROVIDER_ENTRIES: Final = ("", "bind", "drivers", "entry", "events", "http")
# What every start imports, with what these import in turn as they are imported. A start that answers no HTTP has the
# provider's `http` in memory for nothing; one that does has somebody waiting for it.
CORE_START: Final = ("", "artifact")
PROVIDER_START: Final = ("", "entry", "http")
# Tool-time modules that run-time ones import on some path which a deployed function never takes.
TOOL_TIME: Final = frozenset({"validate", "spec", "autobind"})


def packed(packages: tuple[str, ...], python_version: str, cache: Path) -> dict[str, bytes]:
    """Path in the artifact -> contents, for FaaSBridge and provider packages that are installed. Raises ConfigError.

    It is the same for all artifacts, so it is kept in the folder `cache`.
    """
    digest = sha256(repr((packages, python_version, bytecode.tag_and_magic(python_version))).encode())
    for package in sorted({"faasbridge", *packages}):  # this module is of the first
        for name, path in sorted(_modules(package).items()):
            digest.update(f"{name} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    kept = cache / f"runtime-{digest.hexdigest()[:32]}"
    if kept.exists():
        found: dict[str, bytes] = marshal.loads(kept.read_bytes())  # noqa: S302 - written below
        return found
    files: dict[str, bytes] = {}
    for package in packages:
        sources = {name: path.read_bytes() for name, path in _package(package).items()}
        files.update(bytecode.package(sources, _start(packages), python_version))
    unfinished = kept.with_name(f".{uuid4().hex}")
    unfinished.write_bytes(marshal.dumps(files, 2))
    unfinished.replace(kept)
    return files


def collect(packages: tuple[str, ...]) -> dict[str, Path]:
    """Path below the packages' folder -> source. Raises ConfigError for a package that is not installed."""
    files: dict[str, Path] = {}
    for package in packages:
        files.update(_package(package))
    return files


@once
def _package(package: str) -> dict[str, Path]:
    modules = _modules(package)
    entries = [_within(package, entry) for entry in (CORE_ENTRIES if package == "faasbridge" else PROVIDER_ENTRIES)]
    below = tuple(f"{entry}." for entry in entries if entry != package)
    for tool in TOOL_TIME if package == "faasbridge" else ():
        del modules[_within(package, tool)]
    found = _reached([name for name in modules if name in entries or name.startswith(below)], modules, lazily=True)
    folder = modules[package].parent.parent
    return {modules[name].relative_to(folder).as_posix(): modules[name] for name in sorted(found)}


@once
def _start(packages: tuple[str, ...]) -> frozenset[str]:
    """Names of the modules that every start imports."""
    modules = {bytecode.module(name): path for name, path in collect(packages).items()}
    entries = [
        _within(package, entry)
        for package in packages
        for entry in (CORE_START if package == "faasbridge" else PROVIDER_START)
    ]
    return frozenset(_reached(entries, modules, lazily=False))


def _modules(package: str) -> dict[str, Path]:
    """Full name -> its file. Raises ConfigError."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"package {package!r} is to be packed and not installed: pip install {package.replace('_', '-')}"
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    return {bytecode.module(path.relative_to(root.parent).as_posix()): path for path in root.rglob("*.py")}


def _within(package: str, name: str) -> str:
    return f"{package}.{name}" if name else package


def _reached(pending: list[str], modules: Mapping[str, Path], *, lazily: bool) -> set[str]:
    """Those modules, the packages they are in, and what they import of `modules`, with `lazily` in functions too."""
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name in modules and name not in found:
            found.add(name)
            pending += [name.rpartition(".")[0], *_imports(name, modules[name], lazily=lazily)]
    return found


def _imports(name: str, path: Path, *, lazily: bool) -> list[str]:
    """What may be a module among all that this one imports, but for type checkers."""
    inside = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found: list[str] = []
    pending: list[ast.AST] = [ast.parse(path.read_bytes(), str(path))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and _for_type_checkers(node.test):
            pending += node.orelse
        elif lazily or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = inside[: len(inside) - (node.level - 1)] if node.level else []
            base = ".".join((*above, *filter(None, [node.module])))
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found


def _for_type_checkers(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
