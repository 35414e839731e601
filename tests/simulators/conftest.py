"""Every test here runs on the provider that `--provider` names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from commands import PYPROJECT, SHOP, Project


@pytest.fixture(scope="session")
def provider(request: pytest.FixtureRequest) -> str:
    name: str | None = request.config.getoption("--provider")
    if name is None or name == "local":
        pytest.skip("these run a vendor's simulator: pass --provider aws, for example")
    return name


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, provider: str) -> Iterator[Project]:
    root = tmp_path / "shop"
    packed = tmp_path_factory.getbasetemp() / "packed"  # dependencies, for one project after another
    packed.mkdir(exist_ok=True)
    (root / ".faasbridge").mkdir(parents=True)
    (root / ".faasbridge" / "cache").symlink_to(packed, target_is_directory=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "shop.py").write_text(SHOP)
    made = Project(root, provider)
    yield made
    made.run("simulator", "stop", "--provider", provider)
