"""The app's own files: everything in its folder but what only developers need, and never a secret."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from ..errors import ConfigError

# Names that neither a deployed app nor the reproducibility of its artifact wants. `include` of [tool.faasbridge] brings
# one back.
EXCLUDED: Final = (
    *(".*", "__pycache__", "*.pyc", "*.pyo", "*.egg-info", "*.dist-info", "node_modules", "*.swp", "*~"),
    *("tests", "test_*.py", "conftest.py"),
)
# These only beside pyproject.toml or in `src`: further in they may be the app's, such as a template in Markdown.
EXCLUDED_AT_TOP: Final = (
    *("venv", "env", "test", "*_test.py", "docs", "build", "dist", "htmlcov"),
    *("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "noxfile.py", "Makefile", "Dockerfile*", "compose.y*ml"),
    *("uv.lock", "pylock*.toml", "poetry.lock", "Pipfile*", "requirements*.txt"),
    *("README*", "CHANGELOG*", "CONTRIBUTING*", "LICENSE*", "*.md"),
)
# What nobody means to ship: no setting brings these back.
SECRET: Final = (
    *(".git", ".env", ".env.*", "*.env", ".faasbridge", ".aws", ".azure", ".ssh", ".netrc", ".pypirc", ".pgpass"),
    *("id_rsa*", "id_ecdsa*", "id_ed25519*", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore"),
)
_KEY_FILES: Final = (".pem", ".json", ".txt", ".crt", ".cer", ".asc")
_KEY_MARK: Final = b"PRIVATE KEY-----"


def collect(root: Path, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> dict[str, Path]:
    """Path in the artifact -> file. What is in `src/` lands at the top, as it does when a project is installed.

    `include` and `exclude` are globs over names and over paths from the root; `exclude` wins. Links are followed where
    they stay in the root. Raises ConfigError for two files of one place, and for a name that no zip has.
    """
    include, exclude = tuple(include), tuple(exclude)
    files: dict[str, Path] = {}
    real_root = root.resolve()
    for relative, path in _walk(root, real_root, PurePosixPath(), include, exclude):
        inside = (
            PurePosixPath(*relative.parts[1:]) if relative.parts[0] == "src" and len(relative.parts) > 1 else relative
        )
        if str(inside) in files:
            raise ConfigError(f"{files[str(inside)]} and {path} would be one file of the artifact: exclude one of them")
        files[str(inside)] = path
    return files


def _walk(
    folder: Path, real_root: Path, below: PurePosixPath, include: tuple[str, ...], exclude: tuple[str, ...]
) -> Iterator[tuple[PurePosixPath, Path]]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        relative = below / entry.name
        path = Path(entry.path)
        if _matches(relative, SECRET) or _matches(relative, exclude):
            continue
        if entry.is_symlink() and not _stays_inside(path, folder, real_root):
            continue
        wanted = _matches(relative, include)
        if not wanted and _left_out(relative) and entry.is_file():
            continue
        if "\\" in entry.name or not entry.name.isprintable():
            raise ConfigError(f"{str(path)!a} has a name that no artifact can hold: rename it, or exclude it")
        if entry.is_dir():
            # A folder that is left out is still entered where an include names something below it.
            if wanted:
                yield from _walk(path, real_root, relative, ("*",), exclude)
            elif not _left_out(relative):
                if not (path / "pyvenv.cfg").exists():
                    yield from _walk(path, real_root, relative, include, exclude)
            elif below_it := tuple(glob for glob in include if glob.startswith(f"{relative}/")):
                yield from (
                    found for found in _walk(path, real_root, relative, below_it, exclude) if _under(found[0], below_it)
                )
        elif entry.is_file() and not _holds_a_key(path):
            yield relative, path


def _left_out(relative: PurePosixPath) -> bool:
    at_top = len(relative.parts) == (2 if relative.parts[0] == "src" else 1)
    return _matches(relative, EXCLUDED) or (at_top and _matches(relative, EXCLUDED_AT_TOP))


def _matches(relative: PurePosixPath, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(relative.name, glob) or fnmatchcase(str(relative), glob.rstrip("/")) for glob in globs)


def _under(relative: PurePosixPath, globs: Iterable[str]) -> bool:
    return any(_matches(each, globs) for each in (relative, *relative.parents))


def _stays_inside(path: Path, folder: Path, real_root: Path) -> bool:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to nowhere, or in a circle, which Python 3.11 and 3.12 say by the latter
        return False
    return target.is_relative_to(real_root) and not folder.resolve().is_relative_to(target)


def _holds_a_key(path: Path) -> bool:
    if path.suffix not in _KEY_FILES:
        return False
    with path.open("rb") as stream:
        return _KEY_MARK in stream.read(65536)
