"""Reading functions' logs out of a workspace, whose rows come late, out of order and more than once."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.monitor.query", reason="install faasbridge-azure")

from faasbridge.errors import DeployError
from faasbridge.provider import LogLine, Stage
from faasbridge_azure.deploying import logs
from faasbridge_azure.deploying.connection import Cloud
from faasbridge_azure.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parent))
from stand_in import Credential, StandIn, stand_in

COLUMNS = ["TimeGenerated", "AppRoleName", "InvocationId", "SeverityLevel", "Message", "_ItemId"]
KINDS = ["datetime", "string", "string", "int", "string", "string"]
NOW = datetime.now(UTC)


class Workspace:
    """What Log Analytics has of one function app, as far as it has arrived."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.more: dict[str, Any] = {}

    def write(self, text: str | None, *, ago_s: float = 0, app: str = "shop-t-work", level: int | None = 1) -> None:
        moment = NOW - timedelta(seconds=ago_s)
        self.rows.append([moment.isoformat(), app, "i", level, text, f"{text} of {moment}"])

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], Any]:
        found = re.search(rb"TimeGenerated >= datetime\(([^)]+)\)", body)
        assert found is not None
        assert path.startswith("/v1/workspaces/w-1/query")
        start = datetime.fromisoformat(found[1].decode())
        rows = sorted(row for row in self.rows if datetime.fromisoformat(row[0]) >= start)
        columns = [{"name": name, "type": kind} for name, kind in zip(COLUMNS, KINDS, strict=True)]
        return 200, {}, {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}], **self.more}


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def server(workspace: Workspace) -> Iterator[StandIn]:
    with stand_in(workspace.answer) as found:
        yield found


def read(server: StandIn, *, since_s: float = 3600, follow: bool = False) -> Iterator[LogLine]:
    stage = Stage("shop", "t", "azure", Path(), settings={"log_analytics": server.url})
    cloud = Cloud(stage, Clients(credential=Credential(), ca=server.ca))
    return logs.read(cloud, "w-1", {"shop-t-work": "work"}, since_s=since_s, follow=follow)


def test_lines_are_in_the_order_of_their_times_and_name_the_function(workspace: Workspace, server: StandIn) -> None:
    workspace.write("second", level=2)
    workspace.write("first", ago_s=5, app="SHOP-T-WORK")
    workspace.write("long ago", ago_s=4000)
    found = list(read(server))
    assert [(line.function, line.level, line.text) for line in found] == [
        ("work", "INFO", "first"),
        ("work", "WARNING", "second"),
    ]
    assert found[1].time == NOW.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_following_gives_each_line_once_also_those_that_arrive_late(
    workspace: Workspace, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_PAUSE_S", 0.01)
    workspace.write("a")
    workspace.write("b")
    lines = read(server, follow=True)
    assert [next(lines).text for _ in range(2)] == ["a", "b"]
    asked = len(server.asked)
    workspace.write("late", ago_s=300)
    workspace.write("c", ago_s=-1)
    assert next(lines).text == "late"
    assert next(lines).text == "c"
    workspace.write("d", ago_s=-1)
    assert next(lines).text == "d"
    assert len(server.asked) > asked


def test_an_answer_with_a_part_of_the_log_is_none(workspace: Workspace, server: StandIn) -> None:
    workspace.write("a")
    workspace.more = {"error": {"code": "PartialError", "message": "the answer is larger than 64 MB", "innererror": {}}}
    with pytest.raises(DeployError, match=r"only a part of the log: .*larger than 64 MB"):
        list(read(server))
