"""Dependencies as artifacts have them, packed once for all projects that tests make."""

from __future__ import annotations

from pathlib import Path

from ..build.artifact import state_folder
from ..simulation.environments import cache_folder


def share(root: Path) -> None:
    """The project in that folder packs its dependencies into the user's cache, and finds there what others packed."""
    shared = cache_folder() / "packed"
    shared.mkdir(parents=True, exist_ok=True)
    state_folder(root).mkdir(parents=True, exist_ok=True)
    (state_folder(root) / "cache").symlink_to(shared, target_is_directory=True)
