"""Cosmos DB accounts: an emulator for each behind `cosmos_front`, its databases and containers made as declared."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .arm.errors import ArmError
from .emulators import Cosmos


class CosmosAccount:
    """`endpoint` is by https with `tls`; any key or token opens it."""

    def __init__(self, tls: ssl.SSLContext, written: Callable[[str, str], None]) -> None:
        from .cosmos_front import CosmosFront

        self.may: Callable[[str, str, str], bool] = lambda authorization, action, container: True
        self._program = Cosmos()
        self._front = CosmosFront(
            self._program.ports[0],
            tls=tls,
            may=lambda *asked: self.may(*asked),  # noqa: PLW0108 - it changes with the account's owner
            written=self._written,
        )
        self._tell = written
        self.endpoint = self._front.endpoint
        self._containers: dict[str, dict[str, Any]] = {}
        self._databases: set[str] = set()

    def log(self, container: str) -> list[dict[str, Any]]:
        """What was written into `dbs/<database>/colls/<container>`; another list where that was made anew."""
        return self._front.log(container)

    def _written(self, container: str) -> None:
        self._tell(self.endpoint, container)

    async def make(self, parts: list[str], resource: dict[str, Any]) -> None:
        """A database, `[name]`, or a container, `[database, name]`, with its resource of the template."""
        if len(parts) == 1:
            self._databases.add(parts[0])
            await self._ask("POST", "/dbs", {"id": parts[0]})
        else:
            path = f"/dbs/{parts[0]}/colls"
            self._containers[f"{path}/{parts[1]}"] = resource
            await self._ask("POST", path, resource)

    async def delete(self, parts: list[str]) -> None:
        path = "/dbs/" + "/colls/".join(parts)
        if len(parts) == 1:
            self._databases.discard(parts[0])
        for each in [key for key in self._containers if f"{key}/".startswith(f"{path}/")]:
            del self._containers[each]
            self._front.reset(each.strip("/"))
        await self._ask("DELETE", path, None)

    async def reset(self) -> None:
        for path, resource in self._containers.items():
            if not self._front.log(path.strip("/")):
                continue  # nobody wrote there
            await self._ask("DELETE", path, None)
            self._front.reset(path.strip("/"))
            await self._ask("POST", path.rpartition("/")[0], resource)

    async def clear(self) -> None:
        for name in {each.split("/")[2] for each in self._containers} | self._databases:
            await self.delete([name])

    async def stop(self) -> None:
        await asyncio.to_thread(self._front.close)
        await asyncio.to_thread(self._program.stop)

    async def _ask(self, method: str, path: str, body: Any) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "authorization": "type%3Dmaster", "x-ms-version": "2018-12-31"}
        await asyncio.to_thread(self._front.answer, method, path, headers, content)


class DocumentAccounts:
    """Implements `resources.Service`. An account that is deleted leaves its emulator, emptied, to the next one."""

    def __init__(
        self, tls: ssl.SSLContext, may: Callable[[str, str, str, str], bool], written: Callable[[str, str], None]
    ) -> None:
        """`may(account, authorization, action, container)`"""
        self._tls, self._may, self._written = tls, may, written
        self._accounts: dict[str, CosmosAccount] = {}
        self._left: list[CosmosAccount] = []

    def by_endpoint(self, endpoint: str) -> CosmosAccount | None:
        return next((each for each in self._accounts.values() if each.endpoint == endpoint), None)

    def all(self) -> list[CosmosAccount]:
        return list(self._accounts.values())

    async def put(self, made: dict[str, Any], before: Mapping[str, Any] | None) -> None:
        name, *parts = made["name"].split("/")
        kind = made["type"].lower().rpartition("/")[2]
        if kind == "databaseaccounts":
            if name not in self._accounts:
                account = self._left.pop() if self._left else None
                if account is None:
                    account = await asyncio.to_thread(CosmosAccount, self._tls, self._written)
                account.may = partial(self._may, name)
                self._accounts[name] = account
            made["properties"]["documentEndpoint"] = self._accounts[name].endpoint
        elif kind in ("sqldatabases", "containers") and before is None:
            await self._accounts[name].make(parts, made["properties"].get("resource") or {"id": parts[-1]})
        elif kind == "containers" and before is not None:
            _check_container(made["properties"].get("resource") or {}, before["properties"].get("resource") or {})

    async def delete(self, there: Mapping[str, Any]) -> None:
        name, *parts = there["name"].split("/")
        kind = there["type"].lower().rpartition("/")[2]
        account = self._accounts.get(name)
        if account is None:
            return
        if kind == "databaseaccounts":
            del self._accounts[name]
            await account.clear()
            self._left.append(account)
        elif kind in ("sqldatabases", "containers"):
            await account.delete(parts)

    def keys(self, there: Mapping[str, Any]) -> Any:
        return {"primaryMasterKey": "c2ltdWxhdG9y", "secondaryMasterKey": "c2ltdWxhdG9y"}

    async def stop(self) -> None:
        await asyncio.gather(*(each.stop() for each in (*self._accounts.values(), *self._left)))


def _check_container(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    if (wanted.get("partitionKey") or {}).get("paths") != (there.get("partitionKey") or {}).get("paths"):
        raise ArmError("BadRequest", "Document collection partition key cannot be changed.")
