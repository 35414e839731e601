"""The simulated cloud: every part, built in order, started, emptied, looked at and ended as one."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc.aio  # type: ignore[import-untyped, unused-ignore]
from google.cloud import functions_v2
from google.pubsub_v1.types import PubsubMessage

from faasbridge.simulation import serving

from . import http_client, objects, signatures
from .broker import Broker
from .buckets import Bucket, Buckets
from .callers import Addresses, Callers
from .deployments import Deployments, Surroundings
from .entries import Entries
from .http_client import Answer, Headers
from .local_services import LocalServices, Sockets
from .metadata import Metadata
from .names import APP_LABEL, STAGE_LABEL
from .operations import Operations
from .rest import Rest
from .rights import Rights, project_of
from .rpc import MAX_MESSAGE_BYTES, Refusal, Servicer, handlers, invalid, is_disabled
from .services.accounts import Accounts
from .services.apis import ServiceUsage
from .services.credentials import Credentials
from .services.databases import FirestoreAdmin
from .services.functions import Functions
from .services.iam import SharedPolicies
from .services.logs import Logging
from .services.projects import Projects
from .services.publisher import Publisher
from .services.run import Run
from .services.scheduler import Scheduler
from .services.secrets import SecretManager
from .services.subscriber import Subscriber
from .storage import Storage
from .tokens import Tokens
from .triggers import Triggers

_LONGEST_SOCKET = 80  # a Unix socket's path has at most 104 characters on some systems


class Cloud(serving.Cloud):
    """`local`: what is being started on this machine, which was told of the sockets; see `server`. `test`: retries wait
    for nothing, and jobs fire only when they are asked to."""

    def __init__(self, folder: Path, sockets: Sockets, local: Awaitable[LocalServices], *, test: bool) -> None:
        self._folder = folder
        self._test = test
        self._listening = sockets
        self._starting = local
        self._sockets = folder / "sockets"

    async def start(self) -> dict[str, str]:
        sources = self._folder / "functions"
        for each in (sources, self._sockets):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir(parents=True)
        if len(str(self._sockets)) > _LONGEST_SOCKET:
            self._sockets = short_folder(self._folder)
        self.tokens = Tokens()
        self.entries = Entries()
        self.accounts = Accounts()
        policies = self.accounts.policies
        self.operations = Operations()
        self.metadata = Metadata(self.tokens)
        self.buckets = Buckets(policies, lambda name: name in self.broker.topics)
        rights = Rights(policies, self.accounts.permissions)
        self.storage = Storage(
            self._listening.storage, self.buckets, self._publish, self._signer, partial(_may_in_bucket, rights)
        )
        self.triggers = Triggers(
            self._listening.triggers, lambda: self.local.firestore, self.tokens.identity, immediate=self._test
        )
        await self.storage.start()
        await self.triggers.start()
        self.local = await self._starting
        self.storage.server = self.local.storage
        self.broker = Broker(self.local.pubsub, policies, self.post, self.tokens.identity, immediate=self._test)
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        surroundings = Surroundings(sources, self._sockets, self._addresses, self.storage.fetch)
        self.deployments = Deployments(surroundings, self.entries, self.tokens, policies, self.metadata)
        services = self._services()
        self.callers = Callers(rights, services, self.storage, self.local.firestore, self._check)
        self._server.add_generic_rpc_handlers([handlers(each, self._check) for each in services])
        self.rest = Rest(self.functions, self.operations, self._check)
        await self.rest.start()
        await self._server.start()
        return {
            "address": self.rest.url,
            "google": self.address,
            "storage": self.storage.url,
            "firestore": self.local.firestore,
        }

    async def broken(self) -> str:
        return await self.local.ended()

    async def _addresses(self, email: str) -> Addresses:
        return await self.callers.addresses(email)

    async def _publish(self, topic: str, messages: list[PubsubMessage]) -> list[str]:
        return await self.broker.publish(topic, messages)

    def _services(self) -> list[Servicer]:
        policies, is_account = self.accounts.policies, self.accounts.is_account
        self.apis = ServiceUsage(self.operations)
        self.functions = Functions(self.operations, self, is_account, self.storage.has, self.storage.upload_url)
        self.secrets = SecretManager(policies)
        self.databases = FirestoreAdmin(self.operations, self.triggers.clear)
        self.scheduler = Scheduler(self.broker.publish, self.post, self.tokens.identity, by_cron=not self._test)
        return [
            self.accounts,
            self.apis,
            self.databases,
            self.functions,
            self.operations,
            self.scheduler,
            self.secrets,
            Credentials(self.tokens, is_account),
            Logging(self.entries),
            Projects(policies),
            Publisher(self.broker),
            Run(policies, self.operations, self.deployments),
            SharedPolicies(policies, self.functions.exists, self.broker.exists),
            Subscriber(self.broker, is_account),
        ]

    def _signer(self, request: objects.Request) -> str | None:
        return signatures.signer(request, self.tokens.is_signature, self.accounts.is_account)

    def _check(self, api: str) -> Refusal | None:
        return is_disabled(api, self.apis.disabled, "simulated")

    async def roll_out(self, function: functions_v2.Function) -> functions_v2.Function:
        """A function into service, with its trigger. Raises Refusal."""
        if "event_trigger" in function:
            self._check_trigger(function)
        service = await self.deployments.roll_out(function)
        function.url = function.service_config.uri = service.front.url
        function.service_config.revision = service.origin.revision
        if "event_trigger" in function:
            function.event_trigger.trigger = function.name.replace("/functions/", "/triggers/")
            await self.triggers.add(function, service.front)
        return function

    async def remove(self, function: functions_v2.Function) -> None:
        self.triggers.remove(function.name)
        await self.deployments.remove(function.name.replace("/functions/", "/services/"))

    def _check_trigger(self, function: functions_v2.Function) -> None:
        filters = {each.attribute: each.value for each in function.event_trigger.event_filters}
        project = function.name.split("/")[1]
        database = f"projects/{project}/databases/{filters.get('database', '')}"
        if database not in self.databases.databases:
            raise invalid(f"Failed to create the trigger: the database {database} does not exist")

    async def post(self, url: str, headers: Headers, body: bytes, timeout_s: float) -> Answer:
        """To a function here, or to whatever listens elsewhere on this machine."""
        found = self.deployments.front_at(url)
        if found is None:
            return await http_client.post(url, headers, body, timeout_s)
        front, target = found
        async with asyncio.timeout(timeout_s):
            return await front.answer("POST", target, headers, body)

    async def reset(self) -> None:
        await asyncio.gather(self.scheduler.reset(), self.broker.hush(), self.triggers.hush())
        await asyncio.gather(
            self.storage.reset(), self.broker.reset(), self.triggers.reset(list(self.databases.databases))
        )
        if self.secrets.reset():
            await self.deployments.forget()  # functions keep values for a while
        self.entries.clear()

    async def left(self) -> dict[str, str]:
        found = self._moving()
        if found:
            return found
        before = self._activity()
        await self.triggers.settled()
        found = self._moving()
        if not found and before != self._activity():
            return {"events": "an event has just been handled"}
        return found

    def _moving(self) -> dict[str, str]:
        return {**self.broker.left(), **self.triggers.left(), **self.scheduler.left()}

    def _activity(self) -> tuple[int, int]:
        return self.broker.published, self.triggers.received

    def queues(self) -> list[str]:
        return self.broker.holding()

    def deployed(self) -> list[dict[str, str]]:
        resources: list[Any] = [
            *self.functions.functions.values(),
            *self.broker.topics.values(),
            *(each.resource for each in self.broker.subscriptions.values()),
            *(each.resource for each in self.secrets.secrets.values()),
        ]
        labels = [dict(each.labels) for each in resources]
        labels += [each.resource.get("labels") or {} for each in self.buckets.buckets.values()]
        found = {(each[APP_LABEL], each.get(STAGE_LABEL, "")) for each in labels if APP_LABEL in each}
        return [{"app": app, "stage": stage} for app, stage in sorted(found)]

    async def stop(self) -> None:
        """Whatever of it was started, in the order in which nothing disturbs the rest."""
        for name in (
            "scheduler",
            "broker",
            "triggers",
            "operations",
            "deployments",
            "callers",
            "rest",
            "metadata",
            "storage",
            "local",
        ):
            part = getattr(self, name, None)
            if part is not None:
                await (part.close() if name == "operations" else part.stop())
        if hasattr(self, "_server"):
            await self._server.stop(0)
        shutil.rmtree(self._sockets, ignore_errors=True)


def short_folder(folder: Path) -> Path:
    """An empty one in place of a folder whose path is too long: the same each time, so that what a server leaves which
    is killed goes with the next."""
    digest = sha256(str(folder).encode()).hexdigest()[:12]
    found = Path(tempfile.gettempdir(), f"faasbridge-{os.getuid()}-{digest}")
    shutil.rmtree(found, ignore_errors=True)
    try:
        found.mkdir(mode=0o700)
    except FileExistsError:  # somebody else's
        return Path(tempfile.mkdtemp(prefix="faasbridge-"))
    return found


def _may_in_bucket(rights: Rights, email: str, permission: str, bucket: Bucket | None) -> bool:
    if bucket is None:
        return rights.has(email, permission, "", project_of(email))
    name = f"projects/_/buckets/{bucket.name}"
    return rights.has(email, permission, name, bucket.project, kept_at=f"buckets/{bucket.name}")
