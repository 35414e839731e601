"""A schedule on the AWS simulator, changed through Scheduler's own API so that it is due at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from faasbridge_aws.drivers.clients import Clients

sys.path.insert(0, str(Path(__file__).parents[2] / "simulators"))
from commands import PYPROJECT, SHOP, Project, read, until

NIGHTLY = """

@app.schedule("0 3 * * *", timezone="Europe/Berlin", uses=[done.put])
def nightly(tick):
    done.put({"id": tick.scheduled_for.isoformat()})
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "shop.py").write_text(SHOP + NIGHTLY)
    project = Project(tmp_path, "aws")
    project.run("deploy", "--yes")
    yield project
    project.run("simulator", "stop")


def test_a_schedule_fires_with_the_time_it_was_due(project: Project) -> None:
    (server,) = project.servers()
    clients = Clients(region="us-east-1", endpoint=server["address"], credentials=("test", "test", None))
    scheduler = clients.get("scheduler")
    (schedule,) = scheduler.list_schedules()["Schedules"]
    found = scheduler.get_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
    wanted = ("Name", "GroupName", "FlexibleTimeWindow", "Target", "State")
    zone = ZoneInfo("Asia/Tokyo")
    due = (datetime.now(zone) + timedelta(seconds=3)).replace(microsecond=0)
    expression = {"ScheduleExpression": f"at({due:%Y-%m-%dT%H:%M:%S})", "ScheduleExpressionTimezone": zone.key}
    scheduler.update_schedule(**{name: found[name] for name in wanted}, **expression)
    (when,) = until(lambda: read(project.url())["done"], "the tick")
    assert datetime.fromisoformat(when) == due
    assert when.endswith(("+01:00", "+02:00"))
