"""The names of secrets, which Secrets Manager keeps for as long as a deleted one could be brought back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Clients, Deployment, queue, secret, template


@pytest.fixture
def life(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    life = Deployment(clients, f"life{uuid4().hex[:6]}", tmp_path, monkeypatch)
    monkeypatch.setattr("faasbridge_aws.deploying.rollout._lint", lambda *_: None)
    return life


def deleted(life: Deployment, name: str, app: str = "", *, scheduled: bool = True) -> str:
    """A secret as a stack leaves it that was rolled back, or deleted by somebody else: its ARN."""
    api = life.clients.get("secretsmanager")
    tags = {"faasbridge:app": app or life.stage.app, "faasbridge:stage": life.stage.name}
    made = api.create_secret(Name=life.name(name), Tags=[{"Key": key, "Value": tags[key]} for key in tags])
    if scheduled:
        api.delete_secret(SecretId=made["ARN"], RecoveryWindowInDays=30)
    return str(made["ARN"])


def forgotten(life: Deployment) -> list[str]:
    """The ARNs of those that are deleted for good from now on, each as CloudFormation could then make another."""
    found: list[str] = []

    def seen(params: dict[str, Any], **_: Any) -> None:
        if params.get("ForceDeleteWithoutRecovery"):
            found.append(params["SecretId"])

    life.clients.get("secretsmanager").meta.events.register("provide-client-params.secrets-manager.DeleteSecret", seen)
    return found


@pytest.mark.parametrize("first", [True, False], ids=["a first deployment", "an update"])
def test_a_deleted_secret_of_the_stage_makes_room_for_another(life: Deployment, first: bool) -> None:
    if not first:
        life.template = template(life.stack, queue("jobs"))
        life.deploy()
    arn, found = deleted(life, "token"), forgotten(life)
    life.template = template(life.stack, queue("jobs"), secret("token"))
    life.deploy()
    assert found == [arn]
    assert life.deployer().secrets() == {"token": True}


def test_a_secret_that_lives_or_is_anothers_is_not_deleted(life: Deployment) -> None:
    deleted(life, "living", scheduled=False)
    deleted(life, "foreign", app="other")
    found = forgotten(life)
    life.template = template(life.stack, secret("living"), secret("foreign"))
    life.deploy()
    assert found == []
