"""The run-time part of an installed package: its entry modules and what they import of the same package. An artifact
has them as byte code alone, where the target's Python is on this machine.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

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
# Tool-time modules that run-time ones import on some path which a deployed function never takes.
TOOL_TIME: Final = frozenset({"validate", "spec", "autobind"})


def packed(packages: tuple[str, ...], python_version: str) -> dict[str, bytes]:
    """Path in the artifact -> contents, for FaaSBridge and provider packages that are installed. Raises ConfigError."""
    sources = {name: path.read_bytes() for name, path in collect(packages).items()}
    return bytecode.instead(sources, python_version)


def collect(packages: tuple[str, ...]) -> dict[str, Path]:
    """Path below the packages' folder -> source. Raises ConfigError for a package that is not installed."""
    files: dict[str, Path] = {}
    for package in packages:
        files.update(_package(package))
    return files


@cache
def _package(package: str) -> dict[str, Path]:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"package {package!r} is to be packed and not installed: pip install {package.replace('_', '-')}"
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    modules = _modules(root)
    entries = CORE_ENTRIES if package == "faasbridge" else PROVIDER_ENTRIES
    pending = [
        name for name in modules for entry in entries if name == entry or (entry and name.startswith(f"{entry}."))
    ]
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name in found or (package == "faasbridge" and name in TOOL_TIME):
            continue
        found.add(name)
        if name:
            pending.append(name.rpartition(".")[0])
        pending += _imports(package, name, modules)
    return {f"{package}/{path.relative_to(root).as_posix()}": path for path in sorted(modules[name] for name in found)}


def _modules(root: Path) -> dict[str, Path]:
    """`drivers.bucket` -> its file; the package itself is the empty name."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def _imports(package: str, name: str, modules: dict[str, Path]) -> list[str]:
    """Modules of the same package that this one imports anywhere but for type checkers."""
    path = modules[name]
    inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    pending: list[ast.AST] = [ast.parse(path.read_bytes(), str(path))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and _for_type_checkers(node.test):
            pending += node.orelse
            continue
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = inside.split(".") if inside else []
                above = above[: len(above) - (node.level - 1)]
                base = ".".join((package, *above, *filter(None, [node.module])))
            targets = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        found += [target[len(package) :].lstrip(".") for target in targets if target.startswith(f"{package}.")]
        pending += ast.iter_child_nodes(node)
    return [target for target in found if target in modules]


def _for_type_checkers(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
