"""Artifacts on this machine: what a deployment of one would change, and how it is unpacked."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath

from ..deploy import Action, Step
from ..errors import DeployError
from ..spec import AppSpec


def steps(old: AppSpec | None, new: AppSpec, *, same_code: bool) -> list[Step]:
    """What it takes to get from one spec to the other."""
    return [*_resource_steps(old, new), *_function_steps(old, new, same_code=same_code)]


def unpack(archive: Path, folder: Path) -> None:
    """All of it or nothing. Raises DeployError for a name that leads out of the folder."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                path = PurePosixPath(info.filename)
                if path.is_absolute() or ".." in path.parts or "\\" in info.filename or not path.parts:
                    raise DeployError(
                        f"{archive} holds {info.filename!r}, which leads out of its folder; build it again"
                    )
                target = Path(zipped.extract(info, part))
                mode = info.external_attr >> 16 & 0o777
                if mode and target.is_file():
                    os.chmod(target, mode | 0o200)
    except zipfile.BadZipFile as error:
        shutil.rmtree(part, ignore_errors=True)
        raise DeployError(f"{archive} is no artifact: {error}; build it again") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    part.replace(folder)


def _resource_steps(old: AppSpec | None, new: AppSpec) -> Iterator[Step]:
    before = {(r.kind, r.name): dict(r.options) for r in old.resources} if old else {}
    after = {(r.kind, r.name): dict(r.options) for r in new.resources}
    for (kind, name), options in after.items():
        action: Action = (
            "create" if (kind, name) not in before else "none" if before[kind, name] == options else "update"
        )
        yield Step(action, kind, name, "its options changed" if action == "update" else "")
    for kind, name in before.keys() - after.keys():
        yield Step("delete", kind, name, "it is not declared any more; its data stays until the stage is destroyed")


def _function_steps(old: AppSpec | None, new: AppSpec, *, same_code: bool) -> Iterator[Step]:
    before = {f.name: asdict(replace(f, location="")) for f in old.functions} if old else {}
    for function in new.functions:
        if function.name not in before:
            yield Step("create", "function", function.name)
        elif before[function.name] != asdict(replace(function, location="")):
            yield Step("update", "function", function.name, "its declaration changed")
        else:
            yield Step(
                "none" if same_code else "update", "function", function.name, "" if same_code else "its code changed"
            )
    for name in before.keys() - {f.name for f in new.functions}:
        yield Step("delete", "function", name)
