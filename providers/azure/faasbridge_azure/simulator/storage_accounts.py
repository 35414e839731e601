"""Storage accounts as resources, with their containers and queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from .arm.errors import ArmError
from .resources import STORAGE
from .storage import Account


class StorageAccounts:
    """Implements `resources.Service`. An account that is deleted leaves its Azurite, emptied, to one of the same name:
    starting one takes a second."""

    def __init__(self, session: Any, endpoint: Callable[[str], str]) -> None:
        self._session, self._endpoint = session, endpoint
        self._accounts: dict[str, Account] = {}
        self._left: dict[str, Account] = {}

    def find(self, name: str) -> Account | None:
        return self._accounts.get(name)

    def all(self) -> list[Account]:
        return list(self._accounts.values())

    async def put(self, made: dict[str, Any], before: Mapping[str, Any] | None) -> None:
        account_name, *rest = made["name"].split("/")
        kind = made["type"].lower().removeprefix(STORAGE)
        if not kind:
            await self._put_account(account_name, made, before)
        elif kind == "/blobservices":
            await self._accounts[account_name].set_cors((made["properties"].get("cors") or {}).get("corsRules") or [])
        elif kind == "/blobservices/containers":
            await self._accounts[account_name].make_container(rest[-1])
        elif kind == "/queueservices/queues":
            await self._accounts[account_name].make_queue(rest[-1])

    async def delete(self, there: Mapping[str, Any]) -> None:
        account_name, *rest = there["name"].split("/")
        kind = there["type"].lower().removeprefix(STORAGE)
        account = self._accounts.get(account_name)
        if account is None:
            return
        if not kind:
            del self._accounts[account_name]
            await account.clear()
            self._left[account_name] = account
        elif kind == "/blobservices/containers":
            await account.call("blob", "DELETE", f"/{rest[-1]}?restype=container", expected=(202, 404))
        elif kind == "/queueservices/queues":
            await account.call("queue", "DELETE", f"/{rest[-1]}", expected=(204, 404))

    def keys(self, there: Mapping[str, Any]) -> Any:
        key = self._accounts[there["name"]].key
        return {"keys": [{"keyName": f"key{n}", "value": key, "permissions": "FULL"} for n in (1, 2)]}

    async def stop(self) -> None:
        await asyncio.gather(*(each.stop() for each in (*self._accounts.values(), *self._left.values())))

    async def _put_account(self, name: str, made: dict[str, Any], before: Mapping[str, Any] | None) -> None:
        if name in self._accounts and before is None:
            raise ArmError("StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.", 409)
        if before is None:
            account = self._left.pop(name, None)
            if account is None:
                account = Account(name, self._session)
                try:
                    await account.start()
                except BaseException:
                    await account.stop()
                    raise
            self._accounts[name] = account
        self._accounts[name].shared_key = made["properties"].get("allowSharedKeyAccess", True)
        made["properties"]["primaryEndpoints"] = {
            service: f"{self._endpoint(service)}/{name}/" for service in ("blob", "queue")
        }
