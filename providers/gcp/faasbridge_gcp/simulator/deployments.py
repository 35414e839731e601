"""Functions as they run: source built, a revision started and checked, then put behind the function's URL.

A function that cannot be built or started changes nothing: what served before goes on serving.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import choice
from string import ascii_lowercase
from uuid import uuid4

import grpc  # type: ignore[import-untyped, unused-ignore]
from google.cloud import functions_v2 as api

from .builds import BuildFailure, Built, build
from .callers import Addresses
from .entries import Entries, Origin
from .fronts import Front
from .instances import Command, StartFailure
from .metadata import Metadata
from .names import last, part
from .policies import Policies
from .revisions import Revision
from .rpc import Refusal
from .services.accounts import DEFAULT_ACCOUNT
from .tokens import Tokens

INVOKERS = ("roles/run.invoker", "roles/run.admin", "roles/editor", "roles/owner")


@dataclass
class Service:
    """The Cloud Run service under a function. `name` is projects/P/locations/L/services/S."""

    name: str
    front: Front
    origin: Origin
    uid: str
    generation: int = 0
    invoker_iam_disabled: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What all functions run in. `addresses(account)`: where a function in its name reaches Google's APIs;
    `fetch(bucket, object)`: a source archive."""

    folder: Path
    sockets: Path
    addresses: Callable[[str], Awaitable[Addresses]]
    fetch: Callable[[str, str], Awaitable[bytes]]


class Deployments:
    def __init__(
        self, surroundings: Surroundings, entries: Entries, tokens: Tokens, policies: Policies, metadata: Metadata
    ) -> None:
        self._surroundings = surroundings
        self._entries = entries
        self._tokens = tokens
        self._policies = policies
        self._metadata = metadata
        self._builds: dict[tuple[str, str], asyncio.Task[Built]] = {}
        self._starting = asyncio.Semaphore(max(os.cpu_count() or 1, 2))
        self._draining: set[asyncio.Task[None]] = set()
        self.services: dict[str, Service] = {}

    def front_at(self, url: str) -> tuple[Front, str] | None:
        """The front that a URL leads to, and the rest of the URL."""
        for service in self.services.values():
            if url == service.front.url or url.startswith(f"{service.front.url}/"):
                return service.front, url.removeprefix(service.front.url) or "/"
        return None

    async def roll_out(self, function: api.Function) -> Service:
        """A revision as the function's resource says. Raises Refusal with what the operation's error says."""
        built = await self._built(function)
        name = function.name.replace("/functions/", "/services/")
        service = self.services.get(name)
        is_new = service is None
        if service is None:
            service = self._service(name)
            await service.front.start()
            self.services[name] = service
        number = service.generation + 1
        revision_name = f"{last(name)}-{number:05d}-{''.join(choice(ascii_lowercase) for _ in range(3))}"
        origin = Origin(service.origin.project, service.origin.region, last(name), revision_name)
        revision = await self._revision(function, built, origin)
        try:
            await revision.start()
        except StartFailure:
            await revision.stop(at_once=True)
            if is_new:
                await self.remove(name)
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, _unhealthy(name, revision_name)) from None
        service.generation = number
        service.origin = origin
        old, service.front.revision = service.front.revision, revision
        if old is not None:
            task = asyncio.create_task(old.drain())
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)
        return service

    async def remove(self, name: str) -> None:
        service = self.services.pop(name, None)
        if service is not None:
            self._policies.drop(name)
            await service.front.stop()
            if service.front.revision is not None:
                await service.front.revision.stop()

    async def forget(self) -> None:
        """What functions remember."""
        revisions = [each.front.revision for each in self.services.values() if each.front.revision is not None]
        await asyncio.gather(*(revision.forget() for revision in revisions))

    async def stop(self) -> None:
        for task in self._draining:
            task.cancel()
        services, self.services = list(self.services.values()), {}
        revisions = [service.front.revision for service in services if service.front.revision is not None]
        await asyncio.gather(*(revision.stop(at_once=True) for revision in revisions))
        await asyncio.gather(*(service.front.stop() for service in services))

    def _service(self, name: str) -> Service:
        origin = Origin(part(name, "projects"), part(name, "locations"), last(name), "")
        front = Front(
            lambda: service.origin, self._entries, self._tokens, lambda email: self._may_invoke(service, email)
        )
        service = Service(name, front, origin, str(uuid4()))
        return service

    def _may_invoke(self, service: Service, email: str | None) -> bool:
        members: set[str] = set()
        for role in INVOKERS:
            members |= self._policies.members(service.name, role)
            members |= self._policies.members(f"projects/{service.origin.project}", role)
        if service.invoker_iam_disabled or "allUsers" in members:
            return True
        if email is None:
            return False
        # The default account is an editor of its project.
        known = email == DEFAULT_ACCOUNT or "allAuthenticatedUsers" in members
        return known or bool(members & {f"serviceAccount:{email}", f"user:{email}"})

    async def _built(self, function: api.Function) -> Built:
        source = function.build_config.source.storage_source
        archive = await self._surroundings.fetch(source.bucket, source.object_)
        runtime = function.build_config.runtime
        digest = sha256(archive).hexdigest()[:16]
        key = (digest, runtime)
        task = self._builds.get(key)
        if task is None:
            folder = self._surroundings.folder / f"{digest}-{runtime}"
            task = self._builds[key] = asyncio.create_task(build(archive, runtime, folder))
        try:
            return await asyncio.shield(task)
        except BuildFailure as failure:
            self._builds.pop(key, None)
            id = str(uuid4())
            self._entries.build(part(function.name, "projects"), id, failure.log)
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, _failed_build(function.name, id, str(failure))) from failure

    async def _revision(self, function: api.Function, built: Built, origin: Origin) -> Revision:
        config = function.service_config
        account = config.service_account_email or DEFAULT_ACCOUNT
        metadata = await self._metadata.address(origin.project, origin.region, account)
        addresses = await self._surroundings.addresses(account)
        env = {
            # Set for functions made by this API: cloud.google.com/functions/docs/concepts/java-runtime, "Execution ID".
            "LOG_EXECUTION_ID": "true",
            **config.environment_variables,
            **addresses.env,
            "PATH": f"{built.python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._surroundings.folder),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "TRUE",
            "FUNCTION_TARGET": function.build_config.entry_point,
            "FUNCTION_SIGNATURE_TYPE": "cloudevent" if "event_trigger" in function else "http",
            "K_SERVICE": origin.service,
            "K_REVISION": origin.revision,
            "K_CONFIGURATION": origin.service,
            "GCE_METADATA_HOST": metadata,
            "GCE_METADATA_IP": metadata,
        }
        command = Command(
            built.python,
            built.folder,
            env,
            self._surroundings.sockets,
            addresses.google,
            lambda stream, text: self._entries.line(origin, stream, text),
        )
        return Revision(
            origin.revision,
            command,
            timeout_s=float(config.timeout_seconds or 60),
            concurrency=config.max_instance_request_concurrency,
            most=config.max_instance_count,
            starting=self._starting,
        )


def _failed_build(name: str, id: str, why: str) -> str:
    return (
        f"Build failed with status: FAILURE and message: {why}. For more details see the logs at "
        f"https://console.cloud.google.com/cloud-build/builds;region={part(name, 'locations')}/{id}"
        f"?project={part(name, 'projects')}"
    )


def _unhealthy(name: str, revision: str) -> str:
    return (
        f"Could not create or update Cloud Run service {last(name)}, Container Healthcheck failed. Revision "
        f"'{revision}' is not ready and cannot serve traffic. The user-provided container failed to start and listen "
        "on the port defined provided by the PORT=8080 environment variable within the allocated timeout. This can "
        "happen when the container port is misconfigured or if the timeout is too short. Logs for this revision might "
        "contain more information."
    )
