"""Azure on this machine: the resources that there are, what making and deleting them does, and the services' fronts."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import access, eventgrid, fronts, storage, tools
from .arm.errors import ArmError
from .arm.kinds import check_name
from .arm.manager import SUBSCRIPTION, TENANT, Manager, parse
from .host.app import FunctionApp
from .host.process import WorkerFailure
from .listening import Listening
from .sites import Site
from .storage import Account
from .vault import Vault

_STORAGE = "microsoft.storage/storageaccounts"
_ASSIGNMENTS = "microsoft.authorization/roleassignments"
MAX_TRACES = 20_000


class Cloud:
    """Implements `arm.deployments.Resources`."""

    def __init__(self, folder: Path, *, test: bool) -> None:
        self._folder, self._test = folder, test
        self._resources: dict[str, dict[str, Any]] = {}
        self._accounts: dict[str, Account] = {}
        self._vaults: dict[str, Vault] = {}
        self._documents: dict[str, Any] = {}
        self._sites: dict[str, Site] = {}
        self._ports: dict[str, int] = {}
        self._session: Any = None
        self._protos: Any = None
        self._deleting: set[str] = set()
        self.traces: list[dict[str, Any]] = []
        self.listening = Listening(folder)
        self.grid = eventgrid.EventGrid(self._subscriptions, self._accounts.get)
        self.manager = Manager(self, self)

    async def start(self) -> None:
        """Raises ConfigError where something that it needs cannot be had."""
        import sys

        from aiohttp import ClientSession, TCPConnector  # type: ignore[import-not-found, import-untyped, unused-ignore]

        shutil.rmtree(self._folder / "sites", ignore_errors=True)
        await asyncio.to_thread(storage.azurite)
        path = await asyncio.to_thread(tools.messages)
        sys.path.append(str(path))
        import protos  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._protos = protos
        self._session = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)
        self.grid.delivered = self._wake
        self._ports["arm"] = await self.listening.start(self._arm, tls=True)
        self._ports["identity"] = await self.listening.start(self._identity, tls=False)
        for service in ("blob", "queue"):
            front = fronts.StorageFront(service, self._session, self._accounts.get, self._may_storage, self._happened)
            self._ports[service] = await self.listening.start(front.handle, tls=True)

    async def stop(self) -> None:
        await self.manager.stop()
        await self.grid.stop()
        await asyncio.gather(*(site.stop() for site in self._sites.values()))
        await self.listening.stop_all()
        await asyncio.gather(*(account.stop() for account in (*self._accounts.values(), *self._documents.values())))
        if self._session is not None:
            await self._session.close()

    def details(self) -> dict[str, Any]:
        address = f"https://127.0.0.1:{self._ports['arm']}"
        return {"address": address, "subscription": SUBSCRIPTION, "tenant": TENANT, "ca": str(self.listening.ca)}

    async def reset(self) -> None:
        """Nothing of before arrives: functions are stopped while all is emptied, and begin again."""
        running = [site for site in self._sites.values() if site.released is not None]
        await self.grid.stop()
        await asyncio.gather(*(site.host.pause() for site in running))
        await self.grid.stop()
        keep = frozenset(self._deployment_containers())
        await asyncio.gather(*(account.empty(keep) for account in self._accounts.values()))
        await asyncio.gather(*(account.reset() for account in self._documents.values()))
        for vault in self._vaults.values():
            vault.reset()
        self.traces.clear()
        for site in running:
            site.host.resume()

    async def left(self) -> dict[str, str]:
        found = {}
        for name, number in self.grid.under_way().items():
            found[name] = f"{number} of the events for {name} are being delivered"
        for site in self._sites.values():
            for key in site.host.queues():
                account_name, _, queue = key.partition("/")
                account = self._accounts.get(account_name)
                number = await account.count(queue) if account is not None else 0
                if number:
                    found[queue] = f"{queue} has {number} messages that are waiting or being handled"
        return found

    def deployments(self) -> list[dict[str, str]]:
        found = {}
        for each in [*self._resources.values(), *self.manager.groups.values()]:
            tags = each.get("tags") or {}
            if "faasbridge-app" in tags:
                key = (tags["faasbridge-app"], tags.get("faasbridge-stage", ""))
                found[key] = {"app": key[0], "stage": key[1]}
            elif "faasbridge:app" in tags:
                key = (tags["faasbridge:app"], tags.get("faasbridge:stage", ""))
                found[key] = {"app": key[0], "stage": key[1]}
        return list(found.values())

    # What Resource Manager asks of it.

    def all(self) -> Iterable[dict[str, Any]]:
        return self._resources.values()

    def find(self, id: str) -> dict[str, Any] | None:
        return self._resources.get(id.lower())

    def properties(self, id: str, what: str) -> Any:
        there = self.find(id)
        if there is None:
            raise ArmError("ResourceNotFound", f"The Resource '{id}' was not found.", 404)
        if what == "listKeys":
            return self._keys(there)
        return there if what == "Full" else there.get("properties", {})

    async def put(self, body: dict[str, Any]) -> None:
        id, kind = body["id"], body["type"].lower()
        check_name(body["type"], body["name"])
        before = self.find(id)
        if kind.count("/") > 1:
            parent = id.rsplit("/", 2)[0]
            if not parent.lower().endswith(("/default",)) and self.find(parent) is None:
                raise ArmError(
                    "ParentResourceNotFound",
                    f"Can not perform requested operation on nested resource. Parent resource '{parent}' not found.",
                    404,
                )
        made = {**body, "properties": {**(body.get("properties") or {}), "provisioningState": "Succeeded"}}
        made.pop("apiVersion", None)
        name = body["name"].rpartition("/")[2]
        if kind == _STORAGE:
            await self._put_account(name, made, before)
        elif kind.startswith(f"{_STORAGE}/blobservices/containers"):
            await self._accounts[body["name"].partition("/")[0]].make_container(name)
        elif kind.startswith(f"{_STORAGE}/queueservices/queues"):
            await self._accounts[body["name"].partition("/")[0]].make_queue(name)
        elif kind == "microsoft.keyvault/vaults":
            await self._put_vault(name, made)
        elif kind == "microsoft.eventgrid/topics":
            made["properties"]["endpoint"] = f"{self.details()['address']}/eventgrid{id}/api/events"
        elif kind.endswith("/eventsubscriptions"):
            self._check_subscription(made)
        elif kind == "microsoft.web/sites":
            await self._put_site(name, made, before)
        elif kind == "microsoft.web/sites/config":
            await self._put_config(body, name)
        elif kind == "microsoft.managedidentity/userassignedidentities":
            old = (before or {}).get("properties", {})
            for key in ("principalId", "clientId"):
                made["properties"][key] = old.get(key) or str(uuid.uuid4())
            made["properties"]["tenantId"] = TENANT
        elif kind == "microsoft.operationalinsights/workspaces":
            made["properties"]["customerId"] = (before or {}).get("properties", {}).get("customerId") or str(
                uuid.uuid4()
            )
        elif kind == "microsoft.insights/components":
            key = (before or {}).get("properties", {}).get("InstrumentationKey") or str(uuid.uuid4())
            made["properties"].update(
                InstrumentationKey=key, ConnectionString=f"InstrumentationKey={key}", AppId=str(uuid.uuid4())
            )
        elif kind == _ASSIGNMENTS and not made["properties"].get("principalId"):
            raise ArmError("PrincipalNotFound", "The role assignment has no principalId.")
        elif kind.startswith("microsoft.documentdb/"):
            await self._put_documents(body, made)
        self._resources[id.lower()] = made

    async def delete(self, id: str) -> None:
        """With everything under it."""
        start = f"{id.lower()}/"
        for each in [key for key in self._resources if key.startswith(start)]:
            self._resources.pop(each, None)
        there = self._resources.pop(id.lower(), None)
        if there is None:
            return
        kind, name = there["type"].lower(), there["name"].rpartition("/")[2]
        if kind == _STORAGE:
            await self._accounts.pop(name).stop()
        elif kind == "microsoft.web/sites":
            site = self._sites.pop(name)
            await site.stop()
            await self.listening.stop(site.port)
            await self.listening.stop(site.scm_port)
            await asyncio.to_thread(shutil.rmtree, site.folder, True)
        elif kind == "microsoft.documentdb/databaseaccounts":
            await self._documents.pop(name).stop()
        elif kind.endswith(("/sqldatabases", "/sqldatabases/containers")):
            account_name, *parts = there["name"].split("/")
            if account_name in self._documents:
                await self._documents[account_name].delete(parts)
        elif kind == "microsoft.keyvault/vaults":
            await self.listening.stop(self._ports.pop(f"vault {name}"))
            del self._vaults[name]
        elif kind.startswith(_STORAGE) and kind.endswith(("/containers", "/queues")):
            account = self._accounts.get(there["name"].partition("/")[0])
            if account is not None and kind.endswith("/queues"):
                await account.call("queue", "DELETE", f"/{name}", expected=(204, 404))
            elif account is not None:
                await account.call("blob", "DELETE", f"/{name}?restype=container", expected=(202, 404))

    async def __call__(self, method: str, path: str, body: Any) -> Any:
        """What only a resource's provider answers; None for what it does not know."""
        owner, _, action = path.rpartition("/")
        low = path.lower()
        if method == "POST" and low.endswith("/listkeys"):
            base = path[: low.index("/host/")] if "/host/" in low else owner
            there = self.find(base)
            return self._keys(there) if there is not None else None
        if method == "POST" and low.endswith("/config/appsettings/list"):
            site = self._sites.get(path.split("/")[-4])
            return {"name": "appsettings", "properties": site.settings()} if site is not None else None
        if (
            method == "POST"
            and action.lower() in ("syncfunctiontriggers", "restart", "start", "stop")
            and self.find(owner) is not None
        ):
            await self._sites[owner.rpartition("/")[2]].restart()
            return {}
        if method == "GET" and action.lower() == "functions" and (there := self.find(owner)) is not None:
            found = self._sites[there["name"]].host.functions
            return {
                "value": [
                    {"id": f"{path}/{name}", "name": f"{there['name']}/{name}", "properties": {"name": name}}
                    for name in found
                ]
            }
        if (method == "GET" and low.rpartition("/")[0].endswith("providers/microsoft.web")) or "/" not in low:
            return {
                "value": [each for each in self._resources.values() if each["type"].lower() == "microsoft.web/sites"]
            }
        return None

    def _keys(self, there: Mapping[str, Any]) -> Any:
        if there["type"].lower() == _STORAGE:
            key = self._accounts[there["name"]].key
            return {"keys": [{"keyName": f"key{n}", "value": key, "permissions": "FULL"} for n in (1, 2)]}
        if there["type"].lower() == "microsoft.web/sites":
            return {"masterKey": self._sites[there["name"]].key, "functionKeys": {}, "systemKeys": {}}
        return {"key1": "simulator", "key2": "simulator"}

    async def _put_account(self, name: str, made: dict[str, Any], before: Any) -> None:
        if name in self._accounts and before is None:
            raise ArmError("StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.", 409)
        if before is None:
            account = Account(name, self._session)
            try:
                await account.start()
            except BaseException:
                await account.stop()
                raise
            self._accounts[name] = account
        self._accounts[name].shared_key = made["properties"].get("allowSharedKeyAccess", True)
        made["properties"]["primaryEndpoints"] = {
            service: f"https://127.0.0.1:{self._ports[service]}/{name}" for service in ("blob", "queue")
        }

    async def _put_documents(self, body: dict[str, Any], made: dict[str, Any]) -> None:
        from .documents import CosmosAccount

        name, *parts = body["name"].split("/")
        kind = body["type"].lower().rpartition("/")[2]
        if kind == "databaseaccounts":
            if name not in self._documents:
                self._documents[name] = await asyncio.to_thread(CosmosAccount, self.listening.tls)
            made["properties"]["documentEndpoint"] = self._documents[name].endpoint
        elif kind in ("sqldatabases", "containers") and self.find(body["id"]) is None:
            await self._documents[name].make(parts, made["properties"].get("resource") or {"id": parts[-1]})

    async def _put_vault(self, name: str, made: dict[str, Any]) -> None:
        if name not in self._vaults:
            id = made["id"]

            def may(principal: str, method: str, path: str) -> bool:
                parts = path.strip("/").split("/")
                target = f"{id}/secrets/{parts[1]}" if len(parts) > 1 else id
                return self._may(principal, "secret", method, target)

            vault = Vault(name, may)
            self._ports[f"vault {name}"] = await self.listening.start(vault.handle, tls=True)
            vault.uri = f"https://127.0.0.1:{self._ports[f'vault {name}']}/"
            self._vaults[name] = vault
        made["properties"]["vaultUri"] = self._vaults[name].uri

    def _check_subscription(self, made: dict[str, Any]) -> None:
        properties = made["properties"]
        destination = (
            (properties.get("deliveryWithResourceIdentity") or {}).get("destination")
            or properties.get("destination")
            or {}
        )
        if destination.get("endpointType") != "StorageQueue":
            raise ArmError("InvalidRequest", "The simulator's Event Grid delivers to Storage Queues only.")
        account = destination["properties"]["resourceId"]
        if self.find(account) is None:
            raise ArmError("ResourceNotFound", f"The destination {account} of the event subscription was not found.")
        queue = f"{account}/queueServices/default/queues/{destination['properties']['queueName']}"
        if self.find(queue) is None:
            raise ArmError(
                "InvalidRequest",
                f"The queue {destination['properties']['queueName']} of the event subscription does not exist.",
            )

    async def _put_site(self, name: str, made: dict[str, Any], before: Any) -> None:
        site = self._sites.get(name)
        if site is not None and before is None:
            raise ArmError("Conflict", f"Website with given name {name} already exists.", 409)
        plan = made["properties"].get("serverFarmId")
        if not plan or self.find(plan) is None:
            raise ArmError("NotFound", f"Cannot find the server farm {plan} of the site {name}.", 404)
        if site is None:
            host = FunctionApp(name, self._protos, self._accounts.get, self._trace, test=self._test)
            site = Site(name, self._folder / "sites" / name, host, str(uuid.uuid4()))
            site.check(made)
            self._sites[name] = site
            site.port = await self.listening.start(site.http, tls=False)
            site.scm_port = await self.listening.start(
                lambda request: site.scm(request, self._released(site)), tls=True
            )
            site.platform = lambda: self._platform(site)
        site.check(made)
        identity = made.get("identity") or {}
        users = identity.get("userAssignedIdentities") or {}
        if users:
            there = self.find(next(iter(users)))
            if there is None:
                raise ArmError("FailedIdentityOperation", f"The identity {next(iter(users))} was not found.")
            site.principal = there["properties"]["principalId"]
        if identity:
            made["identity"] = {**identity, "principalId": site.principal, "tenantId": TENANT}
        host_name = f"127.0.0.1:{site.port}"
        scm = f"127.0.0.1:{site.scm_port}"
        made["properties"].update(
            defaultHostName=host_name,
            hostNames=[host_name],
            enabledHostNames=[host_name, scm],
            hostNameSslStates=[{"name": host_name, "hostType": "Standard"}, {"name": scm, "hostType": "Repository"}],
            state="Running",
        )
        old = site.body
        site.body = made
        same = old and old["properties"].get("siteConfig") == made["properties"].get("siteConfig")
        same = same and old["properties"].get("functionAppConfig") == made["properties"].get("functionAppConfig")
        if not same:
            try:
                await site.restart()
            except WorkerFailure as error:
                self._trace(name, "", "Error", "Host.Startup", str(error))

    async def _put_config(self, body: dict[str, Any], name: str) -> None:
        site = self._sites[body["name"].partition("/")[0]]
        if name.lower() == "appsettings":
            listed = [{"name": key, "value": value} for key, value in (body.get("properties") or {}).items()]
            site.body["properties"].setdefault("siteConfig", {})["appSettings"] = listed
            await site.restart()

    def _platform(self, site: Site) -> dict[str, str]:
        identity = f"http://127.0.0.1:{self._ports['identity']}/{site.name}/msi/token"
        return {
            "IDENTITY_ENDPOINT": identity,
            "IDENTITY_HEADER": site.secret,
            "REQUESTS_CA_BUNDLE": str(self.listening.ca),
            "SSL_CERT_FILE": str(self.listening.ca),
        }

    def _released(self, site: Site) -> Any:
        async def released(content: bytes) -> None:
            where = (
                site.body["properties"]["functionAppConfig"].get("deployment", {}).get("storage", {}).get("value", "")
            )
            account_name, _, container = where.partition("//")[2].partition("/")[2].partition("/")
            account = self._accounts.get(account_name)
            if account is None or not container:
                raise ArmError("BadRequest", f"The deployment storage {where} of the site was not found.")
            await account.put_blob(container, "released-package.zip", content)

        return released

    def _deployment_containers(self) -> set[str]:
        found = set()
        for site in self._sites.values():
            where = (
                site.body["properties"]["functionAppConfig"].get("deployment", {}).get("storage", {}).get("value", "")
            )
            found.add(where.rpartition("/")[2])
        return found

    # What the fronts ask and tell.

    def _may(self, principal: str, service: str, method: str, target: str) -> bool:
        if principal not in {site.principal for site in self._sites.values()}:
            return True
        assignments = [each for each in self._resources.values() if each["type"].lower() == _ASSIGNMENTS]
        return access.allowed(principal, service, method, target, assignments)

    def _may_storage(self, account: Account, service: str, principal: str, method: str, path: str) -> bool:
        id = next(
            (
                key
                for key, each in self._resources.items()
                if each["type"].lower() == _STORAGE and each["name"] == account.name
            ),
            "",
        )
        first = path.partition("/")[0].partition("?")[0]
        inner = {"blob": "blobservices/default/containers", "queue": "queueservices/default/queues"}[service]
        return self._may(principal, service, method, f"{id}/{inner}/{first}" if first else id)

    def _happened(
        self, account: Account, service: str, method: str, path: str, request: Any, answer: Any, length: int
    ) -> None:
        if service == "queue":
            if method == "POST":
                self._wake(account.name, path.partition("/")[0])
            return
        if not fronts.is_blob_write(request, path):
            return
        url = f"https://127.0.0.1:{self._ports['blob']}/{account.name}"
        event = eventgrid.blob_event(url, path, method, request.headers, answer, length)
        for each in list(self._resources.values()):
            source = str(each.get("properties", {}).get("source", ""))
            if each["type"].lower() == "microsoft.eventgrid/systemtopics" and source.rpartition("/")[2] == account.name:
                self.grid.publish(each["id"], {**event, "topic": source})

    def _wake(self, account: str, queue: str) -> None:
        for site in self._sites.values():
            site.host.wake(account, queue)

    def _subscriptions(self, topic: str) -> Iterable[Mapping[str, Any]]:
        start = f"{topic.lower()}/eventsubscriptions/"
        nested = f"{topic.lower()}/providers/microsoft.eventgrid/eventsubscriptions/"
        return [each for key, each in self._resources.items() if key.startswith((start, nested))]

    def _trace(self, app: str, invocation: str, level: str, category: str, text: str) -> None:
        entry = {
            "time": time.time(),
            "app": app,
            "invocation": invocation,
            "level": level,
            "category": category,
            "message": text,
        }
        self.traces.append(entry)
        if len(self.traces) > MAX_TRACES:
            del self.traces[: MAX_TRACES // 4]

    async def _arm(self, request: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        if not request.headers.get("Authorization") and "aeg-sas-key" not in request.headers:
            error = {
                "code": "AuthenticationFailed",
                "message": "Authentication failed. The 'Authorization' header is missing.",
            }
            return web.json_response({"error": error}, status=401)
        raw = await request.read()
        if request.path.startswith("/eventgrid/"):
            return self._events(request, parse(raw))
        try:
            body = parse(raw)
        except ArmError as error:
            return web.json_response({"error": error.body()}, status=400)
        answer = await self.manager.handle(
            request.method, request.path, dict(request.query), body, self.details()["address"]
        )
        status, content, headers = answer
        if content is None:
            return web.Response(status=status, headers=headers)
        return web.json_response(content, status=status, headers=headers)

    def _events(self, request: Any, body: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        topic = request.path.removeprefix("/eventgrid").removesuffix("/api/events")
        if self.find(topic) is None:
            return web.json_response({"error": {"code": "NotFound", "message": "there is no such topic"}}, status=404)
        principal = str(access.claims(request.headers.get("Authorization", "")).get("oid", ""))
        if not self._may(principal, "event", "POST", topic):
            return web.json_response(
                {"error": {"code": "Forbidden", "message": "EventGrid Data Sender is needed"}}, status=403
            )
        for event in body if isinstance(body, list) else [body]:
            self.grid.publish(topic, event)
        return web.Response(status=200)

    async def _identity(self, request: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        site = self._sites.get(request.path.strip("/").partition("/")[0])
        return site.token(request) if site is not None else web.Response(status=404)
