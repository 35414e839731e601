"""Dependencies for the target's platform and Python, as one zip that is made once and kept by its content's key.

uv has its own cache of wheels; ours spares unpacking and compressing them again, which is most of a build's time.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from ..errors import ConfigError
from . import archive, bytecode, sources, uv
from .requirements import Requirements, name_of

_FORMAT: Final = 3  # of a cached zip; raise it when its contents change for the same requirements
# What differs from one installation to the next, and what nobody runs in a function.
_LEFT_OUT: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json", ".lock")
_NO_WHEEL: Final = re.compile(
    r"\b([A-Za-z0-9][A-Za-z0-9._-]*?)(?:\[[^\]]*\])?(?:[=<>!~]=?\S*)? has no .{0,40}?wheels?\b"
)
_UNKNOWN: Final = re.compile(r"\b([A-Za-z0-9][A-Za-z0-9._-]*) was not found in ")


def install(
    needed: Requirements,
    python_version: str,
    python_platform: str,
    *,
    cache: Path,
    cwd: Path,
    folder: str = "",
    progress: Callable[[str], None] = lambda text: None,
) -> Path | None:
    """A zip of all dependencies, in that folder of it, or None where there are none. Raises ConfigError that names the
    package at fault."""
    if not needed:
        return None
    python_version = python_version or f"{sys.version_info.major}.{sys.version_info.minor}"
    kept = cache / f"dependencies-{_key(needed, python_version, python_platform, folder)}.zip"
    if kept.exists():
        return kept
    target = Path(tempfile.mkdtemp(prefix="unpack-", dir=cache))
    try:
        progress(
            f"fetching dependencies for Python {python_version}{f' on {python_platform}' if python_platform else ''}"
        )
        options = [
            "--python",
            sys.executable,
            "--python-version",
            python_version,
            "--target",
            str(target),
            "--link-mode",
            "copy",
        ]
        if python_platform:
            options += ["--python-platform", python_platform]
        _fetch(needed, options, target, cwd)
        progress("packing dependencies")
        archive.write(kept, _unpacked(target, folder), None, python_version=python_version)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return kept


def _fetch(needed: Requirements, options: list[str], target: Path, cwd: Path) -> None:
    scratch = target / ".faasbridge"  # not packed
    scratch.mkdir()
    excludes = scratch / "excludes.txt"
    excludes.write_text("".join(f"{tool}\n" for tool in needed.tools))
    locked = needed.locked
    if needed.open and needed.pins and not locked:
        locked = _within_pins(needed, options, excludes, scratch, cwd)
    if locked:
        hashed = scratch / "locked.txt"
        hashed.write_text("".join(f"{line}\n" for line in locked))
        # uv checks what hashes there are; what comes from a repository or a folder of wheels has none.
        complete = ["--require-hashes"] if all("--hash=" in line for line in locked) else []
        _pip(
            [*complete, "--no-deps", "--only-binary", ":all:", "--requirements", str(hashed), *options],
            options,
            cwd,
        )
    if needed.open and (needed.locked or not locked):
        constraints = scratch / "constraints.txt"
        constraints.write_text("".join(f"{line.partition(' --hash')[0]}\n" for line in needed.pins))
        requirements = scratch / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in needed.open))
        _pip(
            [
                *("--only-binary", ":all:", "--requirements", str(requirements), "--constraints", str(constraints)),
                *("--excludes", str(excludes), *options),
            ],
            options,
            cwd,
        )
    if needed.local:
        _pip(["--no-deps", *options, *(str(folder) for folder in needed.local)], options, cwd)
    shutil.rmtree(scratch)


def _within_pins(needed: Requirements, options: list[str], excludes: Path, scratch: Path, cwd: Path) -> tuple[str, ...]:
    """The hashed lines that the requirements lead to."""
    pins = {name_of(line): line for line in needed.pins}
    constraints = scratch / "pins.txt"
    constraints.write_text("".join(f"{line.partition(' --hash')[0]}\n" for line in needed.pins))
    at = options.index("--target")
    arguments = ["pip", "compile", "-", "--constraints", str(constraints), "--excludes", str(excludes)]
    arguments += ["--only-binary", ":all:", "--no-header", "--no-annotate", *options[:at], *options[at + 4 :]]
    done = uv.run(
        arguments,
        cwd=cwd,
        stdin="".join(f"{line}\n" for line in needed.open),
    )
    if done.returncode:
        raise _explained(done.stderr, options)
    names = [name_of(line) for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")]
    for name in names:
        if name not in pins:
            raise ConfigError(f"{name!r} is needed, but the project's lock has no hash of it: lock again")
    return tuple(pins[name] for name in names)


def _pip(arguments: list[str], options: list[str], cwd: Path) -> None:
    done = uv.run(["pip", "install", *arguments], cwd=cwd)
    if done.returncode:
        raise _explained(done.stderr, options)


def _explained(stderr: str, options: list[str]) -> ConfigError:
    text = uv.complaint(stderr)
    where = f"Python {options[options.index('--python-version') + 1]}"
    if "--python-platform" in options:
        where += f" on {options[options.index('--python-platform') + 1]}"
    no_wheel = _NO_WHEEL.search(text)
    if no_wheel:
        return ConfigError(
            f"{no_wheel[1]} has no wheel for {where}, and an artifact takes wheels only: choose another version"
        )
    unknown = _UNKNOWN.search(text)
    if unknown:
        return ConfigError(f"no package {unknown[1]!r} is to be found: correct its name in [project] dependencies")
    return ConfigError(f"the dependencies cannot be fetched for {where}: {text}")


def _unpacked(target: Path, folder: str) -> dict[str, Path | bytes]:
    files: dict[str, Path | bytes] = {}
    for path in sorted(target.rglob("*")):
        relative = path.relative_to(target)
        if relative.parts[0] in ("bin", "Scripts") or "__pycache__" in relative.parts or path.suffix == ".pyc":
            continue
        if path.name in _LEFT_OUT and (path.parent.suffix == ".dist-info" or path.parent == target):
            continue
        if path.is_file():
            files[f"{folder}/{relative.as_posix()}".lstrip("/")] = path
    return files


def _key(needed: Requirements, python_version: str, python_platform: str, place: str) -> str:
    digest = sha256()
    machine = python_platform or sys.platform + (sys.implementation.cache_tag or "")
    for folder in needed.local:
        for name, path in sorted(sources.collect(folder, include=("pyproject.toml",)).items()):
            digest.update(json.dumps([name, sha256(path.read_bytes()).hexdigest()]).encode())
    parts = [
        _FORMAT,
        bytecode.tag_and_magic(python_version),
        python_version,
        machine,
        *([place] if place else []),
        *map(sorted, (needed.locked, needed.open, needed.pins)),
    ]
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:32]
