"""Plans that somebody else's deployment or destroy overtook: they are refused, whichever way they would go."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")

from faasbridge.deploy import Plan
from faasbridge.errors import DeployError

sys.path.insert(0, str(Path(__file__).parent))
from deploying import CODE, Deployment, function, queue, template

TWO, THREE = CODE.replace('"one"', '"two"'), CODE.replace('"one"', '"three"')


def planned(life: Deployment, code: str = CODE, *more: str) -> Plan:
    """Of that code and with more queues."""
    life.code = code
    life.template = template(life.group, function(), queue("jobs"), *map(queue, more))
    return life.plan()


def apply(life: Deployment, plan: Plan) -> None:
    list(life.deployer().apply(plan))


def refused(life: Deployment, plan: Plan) -> bool:
    with pytest.raises(
        DeployError, match=r"^what is deployed has changed since the plan was made: run `faasbridge dep"
    ):
        apply(life, plan)
    return True


def test_a_change_after_another_change(life: Deployment) -> None:
    life.deploy()
    mine = planned(life, CODE, "more")
    apply(life, planned(life, CODE, "other"))
    assert refused(life, mine)
    assert planned(life, CODE, "other").changes == ()


def test_a_change_of_code_after_a_change(life: Deployment) -> None:
    life.deploy()
    mine = planned(life, TWO)
    apply(life, planned(life, THREE, "more"))
    assert refused(life, mine)
    assert life.answer() == "three"


def test_a_change_of_code_after_another(life: Deployment) -> None:
    life.deploy()
    mine = planned(life, TWO)
    apply(life, planned(life, THREE))
    assert refused(life, mine)
    assert life.answer() == "three"


def test_a_change_after_a_change_of_code(life: Deployment) -> None:
    life.deploy()
    mine = planned(life, CODE, "more")
    apply(life, planned(life, TWO))
    assert refused(life, mine)
    assert life.answer() == "two"


@pytest.mark.parametrize("mine", [(TWO,), (CODE, "more")], ids=["code", "change"])
def test_a_plan_for_what_is_destroyed_by_now(life: Deployment, mine: tuple[str, ...]) -> None:
    life.deploy()
    plan = planned(life, *mine)
    life.destroy()
    assert refused(life, plan)
    assert life.send("GET", f"/resourceGroups/{life.group}").status_code == 404


def test_a_first_plan_after_another_first_deployment(life: Deployment) -> None:
    mine = planned(life, CODE, "more")
    apply(life, planned(life, TWO))
    assert refused(life, mine)
    assert life.answer() == "two"
