"""A resource group that others have filled or made: what is theirs is not taken for the app's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")

from faasbridge.errors import ConfigError
from faasbridge.simulation.servers import Server

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Deployment, deployment, function, queue, template

TOPICS = "Microsoft.EventGrid/topics"
NEWS = [{"type": TOPICS, "name": "STACK-news", "location": "westeurope", "owner": ["topic", "news", ""]}]
OURS = {"faasbridge-app": "strange", "faasbridge-stage": "t"}


@pytest.fixture
def life(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """In a resource group of somebody else's, in West Europe."""
    with deployment(server, "strange", tmp_path, monkeypatch) as life:
        group = f"/resourceGroups/{life.group}"
        life.send("PUT", group, {"location": "westeurope"})
        life.stage = moved(life, resource_group=life.group)
        yield life
    life.send("DELETE", group)


def moved(life: Deployment, **settings: str) -> Any:
    return replace(life.stage, settings={**life.stage.settings, **settings})


def topic(life: Deployment, tags: dict[str, str]) -> str:
    where = f"/resourceGroups/{life.group}/providers/{TOPICS}/{life.group}-news"
    life.send("PUT", where, {"location": "westeurope", "tags": tags, "properties": {}})
    return where


@pytest.mark.parametrize("first", [True, False], ids=["first deployment", "update"])
def test_what_somebody_else_made_is_not_taken_over(life: Deployment, first: bool) -> None:
    if not first:
        life.deploy()
    where = topic(life, {"faasbridge-app": "another", "faasbridge-stage": "t"})
    life.template = template(life.group, function(), queue("jobs"), NEWS)
    with pytest.raises(ConfigError, match=r"^there is a Microsoft\.EventGrid/topics 'strange-t-news' in the resource"):
        life.plan()
    life.destroy()
    assert life.send("GET", where).status_code == 200


def test_what_has_the_tags_of_the_app_and_stage_is_taken_up_again(life: Deployment) -> None:
    where = topic(life, OURS)
    life.template = template(life.group, function(), queue("jobs"), NEWS)
    life.deploy()
    assert life.changes() == set()
    life.destroy()
    assert life.send("GET", where).status_code == 404


def test_a_group_in_another_region_is_told(life: Deployment) -> None:
    life.stage = moved(life, location="northeurope")
    with pytest.raises(ConfigError, match=r"the resource group 'strange-t' is in westeurope.* `location` is 'northeur"):
        life.plan()
    for same in ("westeurope", "West Europe", ""):
        life.stage = moved(life, location=same)
        assert life.plan().changes
