"""Function apps as the platform has them: ports, settings, identity, One Deploy of a zip and the host that runs it."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import access, tools
from .arm.errors import ArmError
from .arm.manager import TENANT
from .host.app import FunctionApp
from .host.process import WorkerFailure
from .host.settings import environment
from .packages import Packages

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


class Site:
    def __init__(self, name: str, packages: Packages, host: FunctionApp, principal: str) -> None:
        self.name, self.host, self.principal = name, host, principal
        self._packages = packages
        self.port = self.scm_port = 0
        self.body: dict[str, Any] = {}
        self.secret = uuid.uuid4().hex
        self.key = uuid.uuid4().hex
        self.released: Path | None = None
        self.publishes: dict[str, dict[str, Any]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.platform: Callable[[], dict[str, str]] = dict
        self._lock = asyncio.Lock()

    def settings(self) -> dict[str, str]:
        listed = self.body.get("properties", {}).get("siteConfig", {}).get("appSettings") or []
        return {each["name"]: str(each["value"]) for each in listed}

    def deployment_container(self) -> tuple[str, str]:
        """Account and container that its packages are put into."""
        config = self.body["properties"]["functionAppConfig"]
        where = config.get("deployment", {}).get("storage", {}).get("value", "")
        _, _, path = where.partition("//")[2].partition("/")
        account, _, container = path.strip("/").partition("/")
        return account, container.strip("/")

    def check(self, body: dict[str, Any]) -> None:
        """Raises ArmError as the platform would for a Flex Consumption app."""
        config = body.get("properties", {}).get("functionAppConfig")
        if not config:
            raise ArmError("BadRequest", f"Site {self.name} of a Flex Consumption plan needs functionAppConfig.")
        runtime, version = config.get("runtime", {}).get("name"), config.get("runtime", {}).get("version")
        if runtime != "python" or version not in PYTHONS:
            raise ArmError("BadRequest", f"The runtime {runtime} {version} is not supported on Flex Consumption.")
        names = [each["name"] for each in body["properties"].get("siteConfig", {}).get("appSettings") or []]
        wrong = [
            name
            for name in names
            if name in ("FUNCTIONS_WORKER_RUNTIME", "WEBSITE_RUN_FROM_PACKAGE", "FUNCTIONS_EXTENSION_VERSION")
        ]
        if wrong:
            raise ArmError(
                "BadRequest", f"App setting {wrong[0]} is not allowed on Flex Consumption: functionAppConfig has it."
            )

    async def restart(self) -> None:
        """With the settings of now; nothing where nothing was published. Raises WorkerFailure."""
        async with self._lock:
            if self.released is None:
                return
            version = self.body["properties"]["functionAppConfig"]["runtime"]["version"]
            python, paths = await asyncio.to_thread(tools.runtime, version)
            env = environment(self.settings(), self.released, self.name, self.platform())
            await self.host.load(python, paths, self.released, env)

    async def publish(self, content: bytes, check: Callable[[], None]) -> str:
        """Begins; the id of the publish, whose state is in `publishes`."""
        id = str(uuid.uuid4())
        self.publishes[id] = {
            "id": id,
            "status": 1,
            "status_text": "",
            "complete": False,
            "active": True,
            "message": "OneDeploy",
        }
        task = asyncio.create_task(self._publish(id, content, check))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return id

    async def _publish(self, id: str, content: bytes, check: Callable[[], None]) -> None:
        state = self.publishes[id]
        try:
            check()
            folder = await self._packages.take(content)
            before, self.released = self.released, folder
            if before is not None:
                await self._packages.give_back(before)
            await self.restart()
            state.update(status=4, status_text="", complete=True)
        except (WorkerFailure, ValueError, zipfile.BadZipFile, ArmError) as error:
            state.update(status=3, status_text=str(error), complete=True)
        except Exception as error:  # noqa: BLE001
            state.update(status=3, status_text=f"the simulator failed: {error!r}", complete=True)

    async def scm(self, request: Any, check: Callable[[], None]) -> Any:
        """Of aiohttp: `/api/publish` and the state of publishes."""
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        if not request.headers.get("Authorization", "").startswith(("Bearer ", "Basic ")):
            return web.json_response({"Message": "Unauthorized"}, status=401)
        if request.method == "POST" and request.path == "/api/publish":
            id = await self.publish(await request.read(), check)
            where = f"https://127.0.0.1:{self.scm_port}/api/deployments/{id}"
            return web.json_response(id, status=202, headers={"Location": where})
        found = re.fullmatch(r"/api/deployments/([^/]+)", request.path)
        if found is not None:
            id = next(reversed(self.publishes), "") if found[1] == "latest" else found[1]
            if id in self.publishes:
                state = self.publishes[id]
                return web.json_response(state, status=200 if state["complete"] else 202)
        return web.json_response({"Message": f"there is no {request.path}"}, status=404)

    async def http(self, request: Any) -> Any:
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        if request.path.startswith("/admin/"):
            return await self._admin(request)
        status, headers, body = await self.host.answer(request, self.key)
        from multidict import CIMultiDict  # type: ignore[import-not-found, import-untyped, unused-ignore]

        return web.Response(
            status=status, headers=CIMultiDict(headers), body=None if request.method == "HEAD" else body
        )

    async def _admin(self, request: Any) -> Any:
        """The host's own API. Source: Azure Functions documentation, "Manually run a non HTTP-triggered function"."""
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        if request.headers.get("x-functions-key") != self.key:
            return web.Response(status=401)
        if request.path == "/admin/host/status":
            return web.json_response({"state": "Running" if self.host.functions else "Error", "version": "4.1048.0"})
        found = re.fullmatch(r"/admin/functions/([^/]+)", request.path)
        if found is None or request.method != "POST":
            return web.Response(status=404)
        given = json.loads(await request.read() or b"{}")
        try:
            answer = await self.host.run(found[1], str(given.get("input", "")))
        except KeyError:
            return web.Response(status=404)
        except WorkerFailure as error:
            return web.json_response({"error": str(error)}, status=500)
        if answer.result.status != 1:
            return web.json_response({"error": answer.result.exception.message}, status=500)
        return web.Response(status=202)

    def token(self, request: Any) -> Any:
        """What the identity's endpoint answers. Source: App Service documentation, "REST endpoint reference"."""
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        if request.headers.get("X-IDENTITY-HEADER") != self.secret:
            return web.json_response(
                {"statusCode": 401, "message": "X-IDENTITY-HEADER is missing or wrong"}, status=401
            )
        resource = request.query.get("resource", "")
        text = access.token(self.principal, TENANT, resource)
        import time

        expires = str(int(time.time()) + 3600)
        return web.json_response(
            {"access_token": text, "expires_on": expires, "resource": resource, "token_type": "Bearer"}
        )

    async def stop(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await self.host.stop()
        released, self.released = self.released, None
        if released is not None:
            await self._packages.give_back(released)
