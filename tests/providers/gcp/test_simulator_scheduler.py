"""The simulator's Cloud Scheduler: when a job is due."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from google.cloud import scheduler_v1 as api

from faasbridge_gcp.simulator.services import scheduler

PARENT = "projects/demo-project/locations/europe-west3"


async def unused(*arguments: Any) -> Any:
    raise AssertionError(arguments)


def test_a_job_is_not_due_again_in_the_hour_that_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """02:04 in Berlin for the second time: the 02:30 that is still to come was due an hour ago."""
    monkeypatch.setattr(scheduler, "now", lambda: datetime(2026, 10, 25, 1, 4, tzinfo=UTC))
    jobs = scheduler.Scheduler(unused, unused, lambda account, audience: "", by_cron=False)
    job = api.Job(
        name=f"{PARENT}/jobs/nightly",
        schedule="30 2 * * *",
        time_zone="Europe/Berlin",
        pubsub_target=api.PubsubTarget(topic_name="projects/demo-project/topics/ticks", data=b"x"),
    )
    made = asyncio.run(jobs.create_job(api.CreateJobRequest(parent=PARENT, job=job)))
    assert made.schedule_time == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
