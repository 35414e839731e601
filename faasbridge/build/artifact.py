"""Puts an artifact together: sources, run-time packages, dependencies, the provider's files and `faasbridge.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..config import Project
    from ..provider import Artifact, Layout, Stage
    from ..spec import AppSpec
    from .archive import Contents

MANIFEST = "faasbridge.json"
MAX_RUNTIME_BYTES = 200 * 1024  # what FaaSBridge may add to an artifact, zipped


class Build:
    """What `faasbridge_prepare_artifact` sees: the app's model, and three ways to add to its artifact."""

    def __init__(self, spec: AppSpec) -> None:
        self.spec = spec
        self.files: dict[str, bytes] = {}
        self.requirements: list[str] = []
        self.middleware: list[str] = []

    def add_file(self, path: str, data: bytes) -> None:
        """A file at that relative path of the artifact. Raises ConfigError for one that leaves it."""
        parts = path.split("/")
        if path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts):
            raise ConfigError(f"add_file takes a relative path with '/' and without '..', not {path!r}")
        if self.files.get(path, data) != data:
            raise ConfigError(
                f"two plugins add {path!r} to the artifact with different content; one of them must give way"
            )
        self.files[path] = data

    def add_requirement(self, requirement: str) -> None:
        """A dependency as in `[project.dependencies]`, resolved for the target together with the app's own."""
        if requirement not in self.requirements:
            self.requirements.append(requirement)

    def add_middleware(self, target: str) -> None:
        """`module:function`, wrapped around every invocation outside of the app's own middleware."""
        module, _, function = target.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), function)):
            raise ConfigError(f"add_middleware takes 'module:function', not {target!r}")
        if target not in self.middleware:
            self.middleware.append(target)


def build(
    project: Project,
    spec: AppSpec,
    layout: Layout,
    out: Path,
    *,
    stage: Stage,
    progress: Callable[[str], None] = lambda text: None,
) -> Artifact:
    """Writes the app's artifact to `out`; the same inputs give the same bytes. `progress` is told what goes on.

    Raises ConfigError for what the user can mend: a dependency without a wheel for the target, a file in two places, a
    zip over `layout.max_zip_bytes` or `layout.max_unzipped_bytes` (with its largest parts).
    """
    from ..plugins import manager
    from ..provider import Artifact
    from . import archive, requirements, runtime, sources, wheels

    prepared = Build(spec)
    manager().hook.faasbridge_prepare_artifact(build=prepared, stage=stage)

    cache = state_folder(project.root) / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    progress("collecting sources")
    own = sources.collect(project.root, project.include, project.exclude)
    parts: list[tuple[str, Mapping[str, bytes | Path]]] = [
        # Not what an earlier build left in the app's folder.
        (f"the app's folder {project.root}", {name: path for name, path in own.items() if path != out.absolute()}),
        ("FaaSBridge", runtime.packed(layout.packages, layout.python_version, cache)),
        (f"provider {stage.provider!r}", layout.files),
        ("a plugin", prepared.files),
        ("FaaSBridge", {MANIFEST: manifest(spec, project.app_ref, prepared.middleware)}),
    ]
    files = _joined(parts)
    extra = [*layout.requirements, *prepared.requirements]
    if layout.packages:
        needed = requirements.read(project.root, extra, provided=layout.packages, progress=progress)
    else:  # it runs in the environment that it is built in
        needed = requirements.Requirements(open=tuple(extra))
    dependencies = wheels.install(
        needed,
        layout.python_version,
        layout.python_platform,
        cache=cache,
        cwd=project.root,
        folder=layout.dependencies,
        progress=progress,
    )
    progress("writing the artifact")
    out.parent.mkdir(parents=True, exist_ok=True)
    contents = archive.write(out, files, dependencies, python_version=layout.python_version)
    try:
        _check_size(contents, layout, stage)
    except ConfigError:
        out.unlink()
        raise
    return Artifact(out, contents.sha256, contents.size)


def _check_size(contents: Contents, layout: Layout, stage: Stage) -> None:
    """Raises ConfigError that names the largest parts."""
    unzipped = contents.parts(zipped=False)
    for has, most, how in (
        (contents.size, layout.max_zip_bytes, ""),
        (unzipped.total(), layout.max_unzipped_bytes, " unzipped"),
    ):
        if most is not None and has > most:
            sizes = unzipped if how else contents.parts()
            parts_of = ", ".join(f"{name} ({megabytes(size)})" for name, size in sizes.most_common(5))
            raise ConfigError(
                f"the artifact has {megabytes(has)}{how}, {stage.provider} takes {megabytes(most)}: "
                f"the largest parts are {parts_of}"
            )


def state_folder(root: Path) -> Path:
    """Where a project keeps what can be made again: `.faasbridge`, or FAASBRIDGE_STATE."""
    return root / os.environ.get("FAASBRIDGE_STATE", ".faasbridge")


def manifest(spec: AppSpec, app_ref: str, middleware: list[str]) -> bytes:
    """`faasbridge.json`: `app` is where the app object is, `manifest` its model, `middleware` what plugins add."""
    document: dict[str, Any] = {"app": app_ref, "manifest": spec.to_dict(), "middleware": middleware}
    return (json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


def _joined(parts: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, bytes | Path]:
    files: dict[str, bytes | Path] = {}
    owners: dict[str, str] = {}
    for owner, contents in parts:
        for path, data in contents.items():
            if path in files:
                raise ConfigError(f"{path!r} comes from {owners[path]} and from {owner}: rename or exclude the first")
            files[path] = data
            owners[path] = owner
    return files
