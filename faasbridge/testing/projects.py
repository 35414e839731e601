"""Which app a test file belongs to, and how it is started on a provider."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from .running import Running


@cache
def root_of(folder: Path) -> Path | None:
    """The nearest folder, from here upwards, whose pyproject.toml has `[tool.faasbridge]`."""
    if (folder / "pyproject.toml").is_file() and _is_project(folder / "pyproject.toml"):
        return folder
    return None if folder.parent == folder else root_of(folder.parent)


def project_root(test_file: Path) -> Path:
    """The project of a test file. Raises ConfigError where it belongs to none."""
    root = root_of(test_file.parent)
    if root is None:
        raise ConfigError(
            f"{test_file}: the cloud fixture needs an app: neither this folder nor one above it has a "
            "pyproject.toml with [tool.faasbridge]"
        )
    return root


def importable(root: Path) -> None:
    """Lets tests import the app by the name that pyproject.toml gives it."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))


def start(root: Path, provider_name: str, stage_name: str) -> Running:
    """The project's app, running on the provider. Raises ConfigError, also for what the app raises at its import."""
    from ..config import Project, load_app
    from ..import_faults import describe
    from ..plugins import provider
    from .running import started

    project = Project.load(root)
    try:
        app = load_app(project.app_ref, project.root).load()
    except (Exception, SystemExit) as error:
        raise ConfigError(describe(error, project.root)) from error
    chosen = provider(provider_name)
    stage = project.stage(stage_name, provider_name)
    return started(app, provider_name, chosen.simulator(stage, test=True), message_bytes(stage.targets))


def message_bytes(targets: Iterable[str]) -> int | None:
    """The floor of those targets that are installed: what a message may hold on all of them."""
    from ..limits import floor
    from ..plugins import provider, providers

    installed = providers()
    return floor({name: provider(name).limits for name in targets if name in installed}).message_bytes


def _is_project(pyproject: Path) -> bool:
    text = pyproject.read_bytes()
    if b"faasbridge" not in text:
        return False
    import tomllib

    try:
        return "faasbridge" in tomllib.loads(text.decode()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return True  # its own loader says what is wrong, and where


def defaults() -> tuple[str, str]:
    """Provider and stage where no option names them."""
    return os.environ.get("FAASBRIDGE_PROVIDER") or "local", os.environ.get("FAASBRIDGE_STAGE") or "dev"
