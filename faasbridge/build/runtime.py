"""The run-time part of an installed package: its entry modules and what they import of the same package. An artifact
has them as byte code alone, in two files, where the target's Python is on this machine.
"""

from __future__ import annotations

import ast
import marshal
from collections.abc import Mapping
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

    It is the same for all artifacts, so it is kept in the folder `cache`, which is there.
    """
    if not packages:
        return {}
    sources = {package: _sources(package) for package in sorted({"faasbridge", *packages})}  # with this module itself
    digest = sha256(repr((packages, python_version, bytecode.tag_and_magic(python_version))).encode())
    for files in sources.values():
        for name, source in sorted(files.items()):
            digest.update(f"{name} {sha256(source).hexdigest()}\n".encode())
    kept = cache / f"runtime-{digest.hexdigest()[:32]}"
    if kept.exists():
        found: dict[str, bytes] = marshal.loads(kept.read_bytes())  # noqa: S302 - written below
        return found
    chosen = [_run_time(package, sources[package]) for package in packages]
    start = started(packages, {name: source for files in chosen for name, source in files.items()})
    made: dict[str, bytes] = {}
    for files in chosen:
        made.update(bytecode.package(files, start, python_version))
    unfinished = kept.with_name(f".{uuid4().hex}")
    try:
        unfinished.write_bytes(marshal.dumps(made, 2))
        unfinished.replace(kept)
    finally:
        unfinished.unlink(missing_ok=True)
    return made


def collect(packages: tuple[str, ...]) -> dict[str, bytes]:
    """Path below the packages' folder -> source. Raises ConfigError for a package that is not installed."""
    files: dict[str, bytes] = {}
    for package in packages:
        files.update(_run_time(package, _sources(package)))
    return files


def started(packages: tuple[str, ...], sources: Mapping[str, bytes]) -> frozenset[str]:
    """Names of the modules, of those that `collect` gives, that every start imports."""
    modules = {bytecode.module(name): name for name in sources}
    entries = [
        _within(package, entry)
        for package in packages
        for entry in (CORE_START if package == "faasbridge" else PROVIDER_START)
    ]
    return frozenset(_reached(entries, modules, sources, lazily=False))


def _sources(package: str) -> dict[str, bytes]:
    """All of the package's. Raises ConfigError."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"package {package!r} is to be packed and not installed: pip install {package.replace('_', '-')}"
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    files = (path for path in root.rglob("*.py") if not path.name.startswith("."))  # an editor's
    return {path.relative_to(root.parent).as_posix(): path.read_bytes() for path in files}


def _run_time(package: str, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    modules = {bytecode.module(name): name for name in sources}
    entries = [_within(package, entry) for entry in (CORE_ENTRIES if package == "faasbridge" else PROVIDER_ENTRIES)]
    below = tuple(f"{entry}." for entry in entries if entry != package)
    for tool in TOOL_TIME if package == "faasbridge" else ():
        del modules[_within(package, tool)]
    first = [name for name in modules if name in entries or name.startswith(below)]
    return {modules[name]: sources[modules[name]] for name in sorted(_reached(first, modules, sources, lazily=True))}


def _within(package: str, name: str) -> str:
    return f"{package}.{name}" if name else package


def _reached(pending: list[str], modules: Mapping[str, str], sources: Mapping[str, bytes], *, lazily: bool) -> set[str]:
    """Those of `modules`, name -> path, the packages they are in, and what they import; `lazily`: in functions too."""
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name in modules and name not in found:
            found.add(name)
            path = modules[name]
            inside = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
            pending += [name.rpartition(".")[0], *_imports(inside, ast.parse(sources[path], path), lazily=lazily)]
    return found


def _imports(package: str, tree: ast.Module, *, lazily: bool) -> list[str]:
    """What may be a module among all that a module in that package imports, but for type checkers."""
    found: list[str] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if bytecode.for_type_checkers(node):
            pending += node.orelse
        elif lazily or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = package.split(".")
            above = inside[: len(inside) - (node.level - 1)] if node.level else []
            base = ".".join((*above, *filter(None, [node.module])))
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found
