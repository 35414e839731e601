"""Destroying what somebody locked, or deploys meanwhile."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")

from faasbridge.errors import DeployError

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Deployment, account, function, template


@pytest.mark.timeout(60)
def test_a_lock_is_told(life: Deployment) -> None:
    life.deploy()
    lock = f"/resourceGroups/{life.group}/providers/Microsoft.Authorization/locks/keep"
    life.send("PUT", lock, {"properties": {"level": "CanNotDelete"}})
    with pytest.raises(DeployError, match=r"scope\(s\) are locked: '.*'\. Please remove the lock and try again"):
        life.destroy()
    assert life.answer() == "one"
    life.send("DELETE", lock)


@pytest.mark.timeout(60)
def test_a_deployment_that_began_just_before_is_told(life: Deployment) -> None:
    life.deploy()
    deployer = life.deployer()
    progress = deployer.destroy()
    next(progress)  # it has looked at the stack, and asks for its deletion next
    life.template = template(life.group, function(), account("slow"))  # an Azurite of its own takes a second
    deployer._stack.put(life.template, "another")
    with pytest.raises(DeployError, match=r"^the stack life-t was deployed and not destroyed: run destroy again$"):
        list(progress)
    life.destroy()
    assert life.send("GET", f"/resourceGroups/{life.group}").status_code == 404


@pytest.mark.timeout(60)
def test_a_deletion_that_azure_never_took_up_is_told(life: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    life.deploy()
    monkeypatch.setattr("faasbridge_azure.deploying.stack._TAKEN_UP_S", 0.5)
    with pytest.raises(DeployError, match="not destroyed"):
        list(life.deployer()._stack.gone())
