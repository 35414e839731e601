"""What an app depends on at run time: its lock where it has one, else its `dependencies`; never FaaSBridge itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from . import uv

# A provider is a tool on the developer's machine; what it needs at run time stands in its layout.
TOOLS: Final = ("faasbridge", "faasbridge-aws", "faasbridge-azure", "faasbridge-gcp")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HASHED: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==\S+")


@dataclass(frozen=True)
class Requirements:
    """`locked`: lines with hashes where there are any, complete. `open`: to be resolved, within `pins` (hashed lines).
    `local`: folders of the same workspace. `tools`: names that never belong into an artifact."""

    locked: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    local: tuple[Path, ...] = ()
    tools: tuple[str, ...] = TOOLS

    def __bool__(self) -> bool:
        return bool(self.locked or self.open or self.local)


def read(
    root: Path,
    extra: Iterable[str] = (),
    *,
    provided: Iterable[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Requirements:
    """The requirements of the project in `root`. `extra`: what the provider and plugins need. `provided`: import
    packages that are in the artifact already. Raises ConfigError, also for a lock that is older than pyproject.toml."""
    tools = tuple(dict.fromkeys((*TOOLS, *(normal(package) for package in provided))))
    declared = [line for line in _declared(root) if name_of(line) not in tools]
    extra = [line for line in extra if name_of(line) not in tools]
    if declared and (lock := _workspace_lock(root)) is not None:
        progress(f"reading {lock.name}")
        locked, local = _exported(root, tools)
        known = {name_of(line) for line in locked}
        for line in declared:
            if name_of(line) not in known and not local:
                raise ConfigError(
                    f"{lock} does not know {name_of(line)!r}, which pyproject.toml asks for: run `uv lock`"
                )
        return Requirements(locked=locked, open=tuple(extra), pins=locked, local=local, tools=tools)
    pins = _pins(root) if declared else ()
    return Requirements(open=(*declared, *extra), pins=pins, tools=tools)


def name_of(requirement: str) -> str:
    match = _NAME.match(requirement.strip())
    if match is None:
        raise ConfigError(f"{requirement!r} is no requirement; it starts with a package's name, such as 'pillow>=11'")
    return normal(match[0])


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared(root: Path) -> list[str]:
    table = _toml(root / "pyproject.toml").get("project", {})
    dependencies = table.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(line, str) for line in dependencies):
        raise ConfigError(f"{root / 'pyproject.toml'}: [project] dependencies is a list of strings")
    return dependencies


def _workspace_lock(root: Path) -> Path | None:
    if (root / "uv.lock").exists():
        return root / "uv.lock"
    for parent in root.resolve().parents:
        if (parent / "uv.lock").exists():
            workspace = _toml(parent / "pyproject.toml").get("tool", {}).get("uv", {}).get("workspace", {})
            relative = root.resolve().relative_to(parent).as_posix()
            inside = any(fnmatchcase(relative, glob) for glob in workspace.get("members", []))
            outside = any(fnmatchcase(relative, glob) for glob in workspace.get("exclude", []))
            return parent / "uv.lock" if inside and not outside else None
    return None


def _exported(root: Path, tools: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    arguments = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"]
    for tool in tools:
        arguments += ["--prune", tool]
    done = uv.run([*arguments, "--format", "requirements.txt"], cwd=root)
    if done.returncode:
        raise ConfigError(f"uv cannot read the lock of {root}: {uv.complaint(done.stderr)}")
    lines, local = [], []
    for line in _joined(done.stdout):
        path = line.removeprefix("-e ").partition(" ;")[0].strip()
        if line.startswith(("-e ", ".", "/", "file:")):
            folder = (root / path.removeprefix("file://")).resolve()
            if name_of(_toml(folder / "pyproject.toml").get("project", {}).get("name", folder.name)) not in tools:
                local.append(folder)
        elif name_of(line) not in tools:
            lines.append(line)
    return tuple(sorted(lines)), tuple(sorted(local))


def _pins(root: Path) -> tuple[str, ...]:
    """Hashed lines of `pylock.toml`, or of a `requirements.txt` that has hashes."""
    if (root / "pylock.toml").exists():
        return tuple(sorted(_pylock(root / "pylock.toml")))
    if (root / "requirements.txt").exists():
        lines = [line for line in _joined((root / "requirements.txt").read_text()) if not line.startswith(("#", "-"))]
        hashed = [line for line in lines if "--hash=" in line and _HASHED.match(line)]
        return tuple(sorted(hashed)) if len(hashed) == len(lines) else ()
    return ()


def _pylock(path: Path) -> Iterable[str]:
    for package in _toml(path).get("packages", []):
        if "version" in package:
            files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
            hashes = sorted(
                f"--hash={kind}:{value}" for file in files for kind, value in file.get("hashes", {}).items()
            )
            if hashes:
                yield " ".join((f"{package['name']}=={package['version']}", *hashes))


def _joined(text: str) -> list[str]:
    """Requirement lines with their continuations, without comments and empty ones."""
    lines = text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
