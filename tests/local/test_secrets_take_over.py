"""Secrets that were set before there was a deployment."""

from __future__ import annotations

from pathlib import Path

from faasbridge.local.secrets import secret_values, set_secret, take_over
from faasbridge.local.state import make_folder


def test_a_first_deployment_takes_them_over_and_a_later_one_keeps_its_own(tmp_path: Path) -> None:
    dev, deployed = tmp_path / "dev", tmp_path / "dev-deployed"
    make_folder(dev)
    make_folder(deployed)
    set_secret(dev, "api-key", "first")
    take_over(dev, deployed)
    assert secret_values(deployed)["API_KEY"] == "first"
    assert (deployed / "secrets.json").stat().st_mode & 0o777 == 0o600
    set_secret(dev, "api-key", "second")
    take_over(dev, deployed)
    assert secret_values(deployed)["API_KEY"] == "first"
