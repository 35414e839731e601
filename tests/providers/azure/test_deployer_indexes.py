"""Indexes that a table gets after its rows, against the simulated Azure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.mgmt.resource.deployments", reason="install faasbridge-azure")

from faasbridge import App
from faasbridge.errors import ConfigError
from faasbridge.simulation.servers import Server
from faasbridge_azure.drivers.clients import Clients
from faasbridge_azure.simulator import Owner
from faasbridge_azure.simulator.access import token
from faasbridge_azure.template import synthesize

sys.path.insert(0, str(Path(__file__).parent))
from arm_templates import KIT_OF
from deploying import Deployment

COLOUR, SIZE = ("colour", "id"), ("size", "id")


@pytest.fixture
def life(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    life = Deployment(server, "life", tmp_path, monkeypatch)
    yield life
    life.destroy()


class Rows:
    """The table `rows` as an app with these indexes has it, once `deployed`."""

    def __init__(self, life: Deployment, *, api: bool = False, **indexes: tuple[str, str]) -> None:
        self._life, self._app = life, App("life")
        if api:
            self._app.get("/")(lambda request: None)
        self._table = self._app.table("rows", key="id", indexes=indexes)
        life.spec = self._app.spec()
        life.template = synthesize(life.spec, life.stage, KIT_OF)

    @property
    def driver(self) -> Any:
        return self._life.deployer().bind(self._app)(self._table)

    def put(self, *rows: dict[str, Any]) -> None:
        for each in rows:
            self.driver.put(each, False, None, None)

    def by(self, index: str, key: str) -> list[str]:
        return [each["id"] for each in self.driver.query(key, index, None, None, False, 100, None).items]


def test_rows_that_were_there_before_an_index_are_in_it(life: Deployment) -> None:
    before = Rows(life)
    life.deploy()
    before.put({"id": "1", "colour": "red", "size": "s"}, {"id": "2", "colour": "red"}, {"id": "3"})
    after = Rows(life, by=COLOUR)
    assert life.changes() == {("update", "table", "rows")}
    progress = life.deploy()
    assert [each.detail for each in progress if each.step.name == "rows" and each.detail] == ["3 rows for its indexes"]
    assert after.by("by", "red") == ["1", "2"]
    assert life.changes() == set()

    with_other_fields = Rows(life, by=SIZE)
    assert life.changes() == {("update", "table", "rows")}
    life.deploy()
    assert (with_other_fields.by("by", "s"), with_other_fields.by("by", "red")) == (["1"], [])
    assert life.changes() == set()


def test_what_code_of_before_has_written_meanwhile_is_found_by_the_next_plan(life: Deployment) -> None:
    before = Rows(life)
    life.deploy()
    after = Rows(life, by=COLOUR)
    life.deploy()
    before.put({"id": "1", "colour": "red"})
    assert after.by("by", "red") == []
    (step,) = life.plan().changes
    assert (step.action, step.kind, step.reason) == ("update", "table", "rows that its indexes lack")
    life.deploy()
    assert after.by("by", "red") == ["1"]
    assert life.changes() == set()


class Somebody(Owner):
    """Who may deploy and has no right to data: there as a function that uses none."""

    def __init__(self, principal: str) -> None:
        self._principal = principal

    def get_token(self, *scopes: str, **options: Any) -> Any:
        found = super().get_token(*scopes, **options)
        if "management" in scopes[0]:
            return found
        return found._replace(token=token(self._principal, "tenant", scopes[0]))


def test_an_index_needs_the_right_to_write_rows_before_anything_is_touched(life: Deployment) -> None:
    life.stage = replace(life.stage, python="3.13")
    Rows(life, api=True)
    life.deploy()
    path = f"/resourceGroups/{life.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/life-t-http"
    identity = life.send("GET", path).json()
    owner = life.clients
    somebody = Somebody(identity["properties"]["principalId"])
    life.clients = Clients(credential=somebody, ca=life.server.details["ca"])  # type: ignore[assignment]
    assert life.changes() == set()
    Rows(life, api=True, by=COLOUR)
    with pytest.raises(ConfigError, match=r"table 'rows' is to be changed, and .* Cosmos DB Built-in Data Contributor"):
        life.plan()
    life.clients = owner


def test_code_of_before_finds_its_rows_until_the_new_code_runs(life: Deployment) -> None:
    before = Rows(life, by=COLOUR)
    life.deploy()
    before.put({"id": "1", "colour": "red", "size": "s"})
    Rows(life, by=SIZE)
    life.deploy()
    assert before.by("by", "red") == ["1"]
