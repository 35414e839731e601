"""Cloud Scheduler: jobs that fire by cron and time zone, or when they are asked to.

Sources: https://cloud.google.com/scheduler/docs/reference/rpc/google.cloud.scheduler.v1,
https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import grpc  # type: ignore[import-untyped, unused-ignore]
from cronsim import CronSim, CronSimError
from google.cloud import scheduler_v1 as api
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]
from google.pubsub_v1.types import PubsubMessage
from google.rpc import status_pb2  # type: ignore[import-untyped, unused-ignore]

from faasbridge.schedules import next_time

from ..http_client import Answer, Headers
from ..masks import copy, now, page, updated
from ..names import check, check_project, last, part
from ..rpc import Refusal, Servicer, already_exists, invalid, rpc

log = logging.getLogger(__name__)


@dataclass
class Scheduled:
    resource: api.Job
    timer: asyncio.Task[None] | None = None


class Scheduler(Servicer):
    """`publish(topic, messages)` and `post(url, headers, body, timeout_s)` deliver; `token(account, audience)`
    identifies; `by_cron`: jobs fire by themselves."""

    service = "google.cloud.scheduler.v1.CloudScheduler"
    api_name = "cloudscheduler.googleapis.com"

    def __init__(
        self,
        publish: Callable[[str, list[PubsubMessage]], Awaitable[list[str]]],
        post: Callable[[str, Headers, bytes, float], Awaitable[Answer]],
        token: Callable[[str, str], str],
        *,
        by_cron: bool,
    ) -> None:
        self._publish = publish
        self._post = post
        self._token = token
        self._by_cron = by_cron
        self._firing: set[asyncio.Task[None]] = set()
        self.jobs: dict[str, Scheduled] = {}

    def left(self) -> dict[str, str]:
        return {"scheduler": f"{len(self._firing)} job(s) are firing"} if self._firing else {}

    async def reset(self) -> None:
        await _end(list(self._firing))

    async def stop(self) -> None:
        await _end([*self._firing, *(each.timer for each in self.jobs.values() if each.timer is not None)])

    def _job(self, name: str) -> Scheduled:
        if name not in self.jobs:
            raise Refusal(grpc.StatusCode.NOT_FOUND, "Job not found.")
        return self.jobs[name]

    @rpc(api.CreateJobRequest)
    async def create_job(self, request: api.CreateJobRequest) -> api.Job:
        check_project(request.parent)
        part(request.parent, "locations")
        job = copy(request.job)
        if not job.name:
            raise invalid("Job name must be set: the simulator makes none up.")
        if not job.name.startswith(f"{request.parent}/jobs/"):
            raise invalid(f"Job name must be in the form {request.parent}/jobs/JOB_ID, not {job.name}")
        check(last(job.name), r"[A-Za-z0-9_-]{1,500}", "job id")
        if job.name in self.jobs:
            raise already_exists(job.name)
        _check(job)
        job.state = api.Job.State(api.Job.State.ENABLED)
        job.user_update_time = now()
        self.jobs[job.name] = Scheduled(job)
        self._plan(job.name)
        return job

    @rpc(api.UpdateJobRequest)
    async def update_job(self, request: api.UpdateJobRequest) -> api.Job:
        scheduled = self._job(request.job.name)
        mask = api.UpdateJobRequest.pb(request).update_mask
        new = updated(scheduled.resource, request.job, mask, fixed=("name", "state", "status", "schedule_time"))
        _check(new)
        new.user_update_time = now()
        scheduled.resource = new
        self._plan(new.name)
        return new

    @rpc(api.GetJobRequest)
    async def get_job(self, request: api.GetJobRequest) -> api.Job:
        return self._job(request.name).resource

    @rpc(api.ListJobsRequest)
    async def list_jobs(self, request: api.ListJobsRequest) -> api.ListJobsResponse:
        part(request.parent, "locations")
        found = [each.resource for name, each in sorted(self.jobs.items()) if name.startswith(f"{request.parent}/")]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListJobsResponse(jobs=items, next_page_token=token)

    @rpc(api.DeleteJobRequest)
    async def delete_job(self, request: api.DeleteJobRequest) -> empty_pb2.Empty:
        scheduled = self._job(request.name)
        if scheduled.timer is not None:
            scheduled.timer.cancel()
        del self.jobs[request.name]
        return empty_pb2.Empty()

    @rpc(api.PauseJobRequest)
    async def pause_job(self, request: api.PauseJobRequest) -> api.Job:
        return self._switch(request.name, api.Job.State(api.Job.State.PAUSED))

    @rpc(api.ResumeJobRequest)
    async def resume_job(self, request: api.ResumeJobRequest) -> api.Job:
        return self._switch(request.name, api.Job.State(api.Job.State.ENABLED))

    @rpc(api.RunJobRequest)
    async def run_job(self, request: api.RunJobRequest) -> api.Job:
        job = self._job(request.name).resource
        self._begin(request.name, now())
        return job

    def _switch(self, name: str, state: api.Job.State) -> api.Job:
        job = self._job(name).resource
        job.state = state
        self._plan(name)
        return job

    def _plan(self, name: str) -> None:
        """When it fires next."""
        scheduled = self.jobs[name]
        if scheduled.timer is not None:
            scheduled.timer.cancel()
            scheduled.timer = None
        job = scheduled.resource
        if job.state is not api.Job.State.ENABLED:
            return
        at = next_time(job.schedule, job.time_zone or "Etc/UTC", now().timestamp()).astimezone(UTC)
        job.schedule_time = at
        if self._by_cron:
            scheduled.timer = asyncio.create_task(self._wait(name, at))

    async def _wait(self, name: str, at: datetime) -> None:
        while (left := (at - now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 30.0))
        self.jobs[name].timer = None
        self._begin(name, at)
        self._plan(name)

    def _begin(self, name: str, at: datetime) -> None:
        task = asyncio.create_task(self._fire(self.jobs[name].resource, at))
        self._firing.add(task)
        task.add_done_callback(self._firing.discard)

    async def _fire(self, job: api.Job, at: datetime) -> None:
        job.last_attempt_time = now()
        api.Job.pb(job).ClearField("status")
        try:
            if "pubsub_target" in job:
                target = job.pubsub_target
                message = PubsubMessage(data=target.data, attributes=dict(target.attributes))
                await self._publish(target.topic_name, [message])
            else:
                await self._call(job, at)
        except (Refusal, OSError, TimeoutError, grpc.aio.AioRpcError) as error:
            log.warning("the job %s failed: %s", job.name, error)
            failed = error.status() if isinstance(error, Refusal) else status_pb2.Status(code=13, message=repr(error))
            api.Job.pb(job).status.CopyFrom(failed)

    async def _call(self, job: api.Job, at: datetime) -> None:
        target = job.http_target
        headers: Headers = [(name.lower(), value) for name, value in target.headers.items()]
        headers += [
            ("user-agent", "Google-Cloud-Scheduler"),
            ("x-cloudscheduler", "true"),
            ("x-cloudscheduler-jobname", last(job.name)),
            ("x-cloudscheduler-scheduletime", at.isoformat().replace("+00:00", "Z")),
        ]
        account = target.oidc_token.service_account_email
        if account:
            token = self._token(account, target.oidc_token.audience or target.uri)
            headers.append(("authorization", f"Bearer {token}"))
        answer = await self._post(target.uri, headers, target.body, job.attempt_deadline.total_seconds() or 180.0)
        if answer.status >= 300:
            raise Refusal(grpc.StatusCode.UNKNOWN, f"the target answered {answer.status}")


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _check(job: api.Job) -> None:
    if len(job.schedule.split()) != 5:
        raise invalid(f"Schedule or time zone is invalid: '{job.schedule}' is no cron schedule")
    try:
        zone = ZoneInfo(job.time_zone or "Etc/UTC")
        CronSim(job.schedule, datetime.now(zone))
    except (CronSimError, KeyError, ValueError, OSError) as error:
        raise invalid(f"Schedule or time zone is invalid: {error}") from error
    job.time_zone = job.time_zone or "Etc/UTC"
    if not 0 <= job.retry_config.retry_count <= 5:
        raise invalid(f"RetryConfig.retry_count must be between 0 and 5, not {job.retry_config.retry_count}.")
    if "pubsub_target" in job:
        target = job.pubsub_target
        if not target.data and not target.attributes:
            raise invalid("Pub/Sub message must contain either non-empty data, or at least one attribute.")
        check(target.topic_name, r"projects/[^/]+/topics/[^/]+", "topic name")
    elif "http_target" not in job:
        raise invalid("Job target must be specified: pubsub_target or http_target")
