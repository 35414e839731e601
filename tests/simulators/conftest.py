"""Every test here runs on the provider that `--provider` names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faasbridge.testing.packed import share

sys.path.insert(0, str(Path(__file__).parent))
from commands import PYPROJECT, SHOP, Project


@pytest.fixture(scope="session")
def provider(request: pytest.FixtureRequest) -> str:
    name: str | None = request.config.getoption("--provider")
    if name is None or name == "local":
        pytest.skip("these run a vendor's simulator: pass --provider aws, for example")
    return name


@pytest.fixture
def project(tmp_path: Path, provider: str) -> Iterator[Project]:
    root = tmp_path / "shop"
    share(root)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "shop.py").write_text(SHOP)
    made = Project(root, provider)
    yield made
    made.run("simulator", "stop", "--provider", provider)
