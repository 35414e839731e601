"""Function apps as resources: their ports, identities and settings, and what Resource Manager asks of them."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .arm.errors import ArmError
from .arm.manager import TENANT
from .host.app import FunctionApp
from .host.pool import Pool
from .host.process import WorkerFailure
from .listening import Listening
from .packages import Packages
from .resources import SITES
from .sites import Site
from .storage import Account


class FunctionApps:
    """Implements `resources.Service`. `find` finds any resource, `identity` is where tokens come from."""

    def __init__(
        self,
        folder: Path,
        listening: Listening,
        host: Callable[[str, Pool], FunctionApp],
        find: Callable[[str], Mapping[str, Any] | None],
        account: Callable[[str], Account | None],
        write_log: Callable[[str, str, str, str, str], None],
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._listening, self._host, self._find, self._account = listening, host, find, account
        self._write_log = write_log
        self._packages = Packages(folder)
        self._pool = Pool()
        self._sites: dict[str, Site] = {}
        self.identity = ""

    def all(self) -> list[Site]:
        return list(self._sites.values())

    def site(self, name: str) -> Site | None:
        return self._sites.get(name)

    async def put(self, made: dict[str, Any], before: Mapping[str, Any] | None) -> None:
        if made["type"].lower() == SITES:
            await self._put_site(made["name"], made, before)
        elif made["type"].lower() == f"{SITES}/config" and made["name"].lower().endswith("/appsettings"):
            site = self._sites[made["name"].partition("/")[0]]
            given = {key: value for key, value in made["properties"].items() if key != "provisioningState"}
            listed = [{"name": key, "value": value} for key, value in given.items()]
            site.body["properties"].setdefault("siteConfig", {})["appSettings"] = listed
            await self._restart(site)

    async def delete(self, there: Mapping[str, Any]) -> None:
        site = self._sites.pop(there["name"], None) if there["type"].lower() == SITES else None
        if site is not None:
            await site.stop()
            await self._listening.stop(site.port)
            await self._listening.stop(site.scm_port)

    def keys(self, there: Mapping[str, Any]) -> Any:
        return {"masterKey": self._sites[there["name"]].key, "functionKeys": {}, "systemKeys": {}}

    async def stop(self) -> None:
        await asyncio.gather(*(site.stop() for site in self._sites.values()))

    async def act(self, method: str, path: str) -> Any:
        """What only this provider answers; None for what it does not know."""
        owner, _, action = path.rpartition("/")
        low = path.lower()
        if method == "POST" and low.endswith("/config/appsettings/list"):
            site = self._sites.get(path.split("/")[-4])
            return {"name": "appsettings", "properties": site.settings()} if site is not None else None
        there = self._sites.get(owner.rpartition("/")[2])
        if there is None:
            return None
        if method == "POST" and action.lower() in ("syncfunctiontriggers", "restart", "start", "stop"):
            await self._restart(there)
            return {}
        if method == "GET" and action.lower() == "functions":
            listed = [
                {"id": f"{path}/{name}", "name": f"{there.name}/{name}", "properties": {"name": name}}
                for name in there.host.functions
            ]
            return {"value": listed}
        return None

    async def _put_site(self, name: str, made: dict[str, Any], before: Mapping[str, Any] | None) -> None:
        site = self._sites.get(name)
        if site is not None and before is None:
            raise ArmError("Conflict", f"Website with given name {name} already exists.", 409)
        plan = made["properties"].get("serverFarmId")
        if not plan or self._find(plan) is None:
            raise ArmError("NotFound", f"Cannot find the server farm {plan} of the site {name}.", 404)
        if site is None:
            site = Site(name, self._packages, self._host(name, self._pool), str(uuid.uuid4()))
            site.check(made)
            self._sites[name] = site
            await self._listen(site)
        site.check(made)
        self._identify(site, made)
        host_name, scm = f"127.0.0.1:{site.port}", f"127.0.0.1:{site.scm_port}"
        made["properties"].update(
            defaultHostName=host_name,
            hostNames=[host_name],
            enabledHostNames=[host_name, scm],
            hostNameSslStates=[{"name": host_name, "hostType": "Standard"}, {"name": scm, "hostType": "Repository"}],
            state="Running",
        )
        old, site.body = site.body, made
        parts = ("siteConfig", "functionAppConfig")
        if not old or any(old["properties"].get(each) != made["properties"].get(each) for each in parts):
            await self._restart(site)

    async def _listen(self, site: Site) -> None:
        def check() -> None:
            account_name, container = site.deployment_container()
            account = self._account(account_name)
            if account is None or not container:
                raise ArmError("BadRequest", f"The deployment storage of the site {site.name} was not found.")

        site.port = await self._listening.start(site.http, tls="both")
        site.scm_port = await self._listening.start(lambda request: site.scm(request, check), tls=True)
        site.platform = lambda: {
            "IDENTITY_ENDPOINT": f"{self.identity}/{site.name}/msi/token",
            "IDENTITY_HEADER": site.secret,
            "REQUESTS_CA_BUNDLE": str(self._listening.ca),
            "SSL_CERT_FILE": str(self._listening.ca),
        }

    def _identify(self, site: Site, made: dict[str, Any]) -> None:
        identity = made.get("identity") or {}
        for user in identity.get("userAssignedIdentities") or {}:
            there = self._find(user)
            if there is None:
                raise ArmError("FailedIdentityOperation", f"The identity {user} was not found.")
            site.principal = there["properties"]["principalId"]
        if identity:
            made["identity"] = {**identity, "principalId": site.principal, "tenantId": TENANT}

    async def _restart(self, site: Site) -> None:
        """An app that does not start is no fault of who changes it: the log says why."""
        try:
            await site.restart()
        except WorkerFailure as error:
            self._write_log(site.name, "", "Error", "Host.Startup", str(error))
