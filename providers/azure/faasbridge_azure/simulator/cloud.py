"""Azure on this machine: its services put together, and what they ask and tell of one another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from faasbridge.simulation import serving

from . import access, eventgrid, fronts, tools
from .arm.errors import ArmError
from .arm.manager import SUBSCRIPTION, TENANT, Manager, parse
from .documents import DocumentAccounts
from .emulators import AZURITE, package
from .function_apps import FunctionApps
from .host.app import FunctionApp
from .host.pool import Pool
from .listening import Listening
from .resources import DOCUMENTS, SITES, STORAGE, VAULTS, Resources, Service
from .storage import Account
from .storage_accounts import StorageAccounts
from .traces import Traces
from .vault import Vaults


class Cloud(serving.Cloud):
    """Implements what `arm.manager.Manager` asks beside resources, too."""

    def __init__(self, folder: Path, *, test: bool) -> None:
        self._test = test
        self._folder = folder
        self._ports: dict[str, int] = {}
        self._session: Any = None
        self._protos: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers: set[str] = set()  # principals that read a secret since the last reset
        self._ending = AsyncExitStack()
        self.traces = Traces()
        self.views = {"/logs": lambda: self.traces.since(0)}
        self.listening = Listening(folder)

    async def start(self) -> dict[str, Any]:
        import sys

        from aiohttp import ClientSession, TCPConnector  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(package, *AZURITE)
        sys.path.append(str(await asyncio.to_thread(tools.messages)))
        import protos  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._protos = protos
        # Node.js closes a connection that was idle for five seconds, maybe just when the next request is written to it.
        connector = TCPConnector(limit=0, keepalive_timeout=2)
        self._session = await self._ending.enter_async_context(
            ClientSession(connector=connector, auto_decompress=False)
        )
        self._ending.push_async_callback(self.listening.stop_all)
        self._ports["arm"] = await self.listening.start(self._arm, tls=True)
        self._ports["identity"] = await self.listening.start(self._identity, tls=False)
        self.storage = StorageAccounts(self._session, self._endpoint)
        self._ending.push_async_callback(self.storage.stop)
        self.documents = DocumentAccounts(self.listening.tls, self._may_documents, self._written)
        self._ending.push_async_callback(self.documents.stop)
        self.vaults = Vaults(self.listening, self._may_secret)
        self.apps = FunctionApps(
            self._folder / "packages",
            self.listening,
            self._host,
            lambda id: self.resources.find(id),  # noqa: PLW0108 - they are made after this
            self.storage.find,
            self.traces.add,
        )
        self._ending.push_async_callback(self.apps.stop)
        self.apps.identity = f"http://127.0.0.1:{self._ports['identity']}"
        services: dict[str, Service] = {
            STORAGE: self.storage,
            DOCUMENTS: self.documents,
            VAULTS: self.vaults,
            SITES: self.apps,
        }
        self.resources = Resources(services, f"{self.details()['address']}/eventgrid")
        self.grid = eventgrid.EventGrid(self._subscriptions, self.storage.find, at_once=self._test)
        self._ending.push_async_callback(self.grid.stop)
        self.grid.delivered = self._wake
        self.manager = Manager(self.resources, self)
        self._ending.push_async_callback(self.manager.stop)
        for service in ("blob", "queue"):
            front = fronts.StorageFront(service, self._session, self.storage.find, self._may_storage, self._happened)
            self._ports[service] = await self.listening.start(front.handle, tls="both" if service == "blob" else True)
        return self.details()

    async def stop(self) -> None:
        """Also of what has not started whole: the last first."""
        await self._ending.aclose()

    def _endpoint(self, service: str) -> str:
        """Of blobs by plain HTTP: pages of the app have signed URLs of them, and a browser does not trust our TLS."""
        return f"{'http' if service == 'blob' else 'https'}://127.0.0.1:{self._ports[service]}"

    def details(self) -> dict[str, Any]:
        address = f"https://127.0.0.1:{self._ports['arm']}"
        return {"address": address, "subscription": SUBSCRIPTION, "tenant": TENANT, "ca": str(self.listening.ca)}

    async def reset(self) -> None:
        """Nothing of before arrives: functions are stopped while all is emptied, and begin again."""
        running = [site.host for site in self.apps.all()]
        await self.grid.stop()
        busy = [host for host in running if host.busy]
        await asyncio.gather(*(host.pause() for host in running))
        await asyncio.gather(*(host.sleep() for host in busy))  # what runs there must not write afterwards
        await self.grid.stop()
        keep = frozenset(site.deployment_container()[1] for site in self.apps.all())
        await asyncio.gather(
            *(each.empty(keep) for each in self.storage.all()), *(each.reset() for each in self.documents.all())
        )
        self.vaults.reset()
        # A worker keeps the secrets that it read for a while.
        await asyncio.gather(*(site.host.sleep() for site in self.apps.all() if site.principal in self._readers))
        self._readers.clear()
        self.traces.clear()
        for host in running:
            host.forget()
            host.resume()

    async def left(self) -> dict[str, str]:
        found = {
            name: f"{number} of the events for {name} are being delivered"
            for name, number in self.grid.under_way().items()
        }
        for each in await asyncio.gather(*(site.host.left() for site in self.apps.all())):
            found.update(each)
        return found

    def queues(self) -> list[str]:
        return [f"{each.name}/{queue}" for each in self.storage.all() for queue in each.marked()]

    def deployed(self) -> list[dict[str, str]]:
        found = {}
        for each in [*self.resources.all(), *self.manager.groups.values()]:
            tags = each.get("tags") or {}
            if "faasbridge-app" in tags:
                key = (tags["faasbridge-app"], tags.get("faasbridge-stage", ""))
                found[key] = {"app": key[0], "stage": key[1]}
        return list(found.values())

    # What Resource Manager asks.

    def all(self) -> Iterable[dict[str, Any]]:
        return self.resources.all()

    def deleted_vaults(self) -> list[dict[str, Any]]:
        return self.vaults.deleted()

    async def purge_vault(self, name: str) -> None:
        await self.vaults.purge(name)

    async def __call__(self, method: str, path: str, body: Any) -> Any:
        """What only a resource's provider answers; None for what it does not know."""
        low = path.lower()
        if method == "POST" and low.endswith("/listkeys"):
            there = self.resources.find(path[: low.index("/host/")] if "/host/" in low else path.rpartition("/")[0])
            return self.resources.keys(there) if there is not None else None
        if method == "GET" and low.endswith("/providers/microsoft.web/sites"):
            start = f"{low.rpartition('/providers/')[0]}/"
            return {"value": [each for each in self.resources.of_type(SITES) if each["id"].lower().startswith(start)]}
        return await self.apps.act(method, path)

    # What the services ask and tell.

    def _host(self, name: str, pool: Pool) -> FunctionApp:
        return FunctionApp(
            name,
            self._protos,
            pool,
            self.storage.find,
            self.documents.by_endpoint,
            self.traces.add,
            test=self._test,
        )

    def _is_function(self, principal: str) -> bool:
        return principal in {site.principal for site in self.apps.all()}

    def _may(self, principal: str, service: str, method: str, target: str) -> bool:
        """Who is no function owns the subscription."""
        if not self._is_function(principal):
            return True
        return access.allowed(principal, service, method, target, self.resources.assignments())

    def _may_secret(self, principal: str, method: str, target: str) -> bool:
        allowed = self._may(principal, "secret", method, target)
        if allowed:
            self._readers.add(principal)
        return allowed

    def _may_storage(self, account: Account, service: str, principal: str, method: str, path: str) -> bool:
        id = next((each["id"] for each in self.resources.of_type(STORAGE) if each["name"] == account.name), "")
        first = path.partition("/")[0].partition("?")[0]
        inner = {"blob": "blobservices/default/containers", "queue": "queueservices/default/queues"}[service]
        return self._may(principal, service, method, f"{id}/{inner}/{first}" if first else id)

    def _may_documents(self, account: str, authorization: str, action: str, container: str) -> bool:
        """Called in the front's own threads."""
        token = unquote(authorization).rpartition("sig=")[2]
        principal = str(access.claims(f"Bearer {token}").get("oid", ""))
        if not self._is_function(principal):
            return True
        id = next((each["id"] for each in self.resources.of_type(DOCUMENTS) if each["name"] == account), "")
        kinds = [f"{DOCUMENTS}/sqlroledefinitions", f"{DOCUMENTS}/sqlroleassignments"]
        definitions, assignments = (self.resources.of_type(kind) for kind in kinds)
        known = {each["id"].lower(): each for each in definitions}
        return access.documents_allowed(principal, id, action, container, known, assignments)

    def _written(self, endpoint: str, container: str) -> None:
        """Called in the front's own threads."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._wake_at, f"{endpoint} {container}")

    def _happened(
        self, account: Account, service: str, method: str, path: str, request: Any, answer: Any, length: int
    ) -> None:
        if service == "queue":
            if method == "POST":
                account.mark(path.partition("/")[0])
                self._wake(account.name, path.partition("/")[0])
            return
        if method in ("PUT", "POST"):
            account.mark_container(path.partition("/")[0].partition("?")[0])
        if not fronts.is_blob_write(request, path):
            return
        url = f"{self._endpoint('blob')}/{account.name}"
        event = eventgrid.blob_event(url, path, fronts.api_of(request), request.headers, answer, length)
        for each in self.resources.of_type("microsoft.eventgrid/systemtopics"):
            source = str(each["properties"].get("source", ""))
            if source.rpartition("/")[2] == account.name:
                self.grid.publish(each["id"], {**event, "topic": source})

    def _wake(self, account: str, queue: str) -> None:
        self._wake_at(f"{account}/{queue}")

    def _wake_at(self, place: str) -> None:
        for site in self.apps.all():
            site.host.wake(place)

    def _subscriptions(self, topic: str) -> Iterable[Mapping[str, Any]]:
        start = f"{topic.lower()}/eventsubscriptions/"
        nested = f"{topic.lower()}/providers/microsoft.eventgrid/eventsubscriptions/"
        return [each for each in self.resources.all() if each["id"].lower().startswith((start, nested))]

    async def _arm(self, request: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        if not request.headers.get("Authorization") and "aeg-sas-key" not in request.headers:
            message = "Authentication failed. The 'Authorization' header is missing."
            return web.json_response({"error": {"code": "AuthenticationFailed", "message": message}}, status=401)
        raw = await request.read()
        if request.path.startswith("/eventgrid/"):
            return self._events(request, parse(raw))
        try:
            body = parse(raw)
            if request.path.startswith("/v1/workspaces/"):
                return web.json_response(self.traces.query(str((body or {}).get("query", ""))))
        except ArmError as error:
            return web.json_response({"error": error.body()}, status=400)
        address = self.details()["address"]
        status, content, headers = await self.manager.handle(
            request.method, request.path, dict(request.query), body, address
        )
        if content is None:
            return web.Response(status=status, headers=headers)
        return web.json_response(content, status=status, headers=headers)

    def _events(self, request: Any, body: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        topic = request.path.removeprefix("/eventgrid").removesuffix("/api/events")
        if self.resources.find(topic) is None:
            return web.json_response({"error": {"code": "NotFound", "message": "there is no such topic"}}, status=404)
        principal = str(access.claims(request.headers.get("Authorization", "")).get("oid", ""))
        if not self._may(principal, "event", "POST", topic):
            error = {"code": "Forbidden", "message": "EventGrid Data Sender is needed"}
            return web.json_response({"error": error}, status=403)
        for event in body if isinstance(body, list) else [body]:
            self.grid.publish(topic, event)
        return web.Response(status=200)

    async def _identity(self, request: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        site = self.apps.site(request.path.strip("/").partition("/")[0])
        return site.token(request) if site is not None else web.Response(status=404)
