"""Cosmos DB accounts: an emulator for each behind `cosmos_front`, its databases and containers made as declared."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

from .emulators import Cosmos


class CosmosAccount:
    """`endpoint` is by https with `tls`; any key or token opens it."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        from .cosmos_front import CosmosFront

        self._program = Cosmos()
        self._front = CosmosFront(self._program.ports[0], tls=tls)
        self.endpoint = self._front.endpoint
        self._containers: dict[str, dict[str, Any]] = {}

    async def make(self, parts: list[str], resource: dict[str, Any]) -> None:
        """A database, `[name]`, or a container, `[database, name]`, with its resource of the template."""
        if len(parts) == 1:
            await self._ask("POST", "/dbs", {"id": parts[0]})
        else:
            path = f"/dbs/{parts[0]}/colls"
            self._containers[f"{path}/{parts[1]}"] = resource
            await self._ask("POST", path, resource)

    async def delete(self, parts: list[str]) -> None:
        path = "/dbs/" + "/colls/".join(parts)
        for each in [key for key in self._containers if f"{key}/".startswith(f"{path}/")]:
            del self._containers[each]
            self._front.reset(each.strip("/"))
        await self._ask("DELETE", path, None)

    async def reset(self) -> None:
        for path, resource in self._containers.items():
            await self._ask("DELETE", path, None)
            self._front.reset(path.strip("/"))
            await self._ask("POST", path.rpartition("/")[0], resource)

    async def stop(self) -> None:
        await asyncio.to_thread(self._front.close)
        await asyncio.to_thread(self._program.stop)

    async def _ask(self, method: str, path: str, body: Any) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "authorization": "type%3Dmaster", "x-ms-version": "2018-12-31"}
        await asyncio.to_thread(self._front.answer, method, path, headers, content)
