"""Key Vault's data plane for secrets: versions, soft deletion and purging, behind its challenge.

Source: Key Vault REST API reference, "Secrets".
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from .arm.errors import ArmError


class Vault:
    def __init__(self, name: str, may: Any) -> None:
        self.name, self._may = name, may
        self.uri = ""
        self.protected = False  # from purging
        self._secrets: dict[str, list[dict[str, Any]]] = {}
        self._deleted: dict[str, list[dict[str, Any]]] = {}

    def reset(self) -> None:
        self._secrets.clear()
        self._deleted.clear()

    async def handle(self, request: Any) -> Any:
        """Of aiohttp."""
        from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

        from . import access

        if not request.headers.get("Authorization", "").startswith("Bearer "):
            # The client wants the resource to be a parent domain of the vault's own.
            resource = self.uri.replace("127.0.0.1", "0.0.1").rstrip("/")
            challenge = f'Bearer authorization="https://login.microsoftonline.com/simulator", resource="{resource}"'
            return web.json_response(
                {"error": {"code": "Unauthorized", "message": "a token is needed"}},
                status=401,
                headers={"WWW-Authenticate": challenge},
            )
        if not self._may(
            str(access.claims(request.headers["Authorization"]).get("oid", "")), request.method, request.path
        ):
            return _error(403, "Forbidden", "Caller is not authorized to perform action on resource.")
        raw = await request.read()
        status, body = self._answer(request.method, request.path.strip("/").split("/"), json.loads(raw) if raw else {})
        return web.json_response(body, status=status) if body is not None else web.Response(status=status)

    def _answer(self, method: str, parts: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        match (method, *parts):
            case ("GET", "secrets"):
                return 200, {"value": [_listed(versions[-1]) for versions in self._secrets.values()], "nextLink": None}
            case ("PUT", "secrets", name):
                if name in self._deleted:
                    return _fault(409, "Conflict", f"Secret {name} is currently in a deleted but recoverable state.")
                return 200, self._put(name, body)
            case ("GET", "secrets", name, "versions"):
                return 200, {"value": [_listed(each) for each in self._secrets.get(name, [])], "nextLink": None}
            case ("GET", "secrets", name, *rest):
                wanted = rest[0] if rest and rest[0] else ""
                found = [
                    each for each in self._secrets.get(name, []) if not wanted or each["id"].endswith(f"/{wanted}")
                ]
                return (200, found[-1]) if found else _missing(name)
            case ("DELETE", "secrets", name):
                if name not in self._secrets:
                    return _missing(name)
                self._deleted[name] = self._secrets.pop(name)
                return 200, self._gone(name)
            case ("GET", "deletedsecrets", name):
                return (200, self._gone(name)) if name in self._deleted else _missing(name)
            case ("DELETE", "deletedsecrets", name):
                if self.protected:
                    return _fault(403, "Forbidden", 'Operation "purge" is not allowed because purge protection is on.')
                self._deleted.pop(name, None)
                return 204, None
            case ("POST", "deletedsecrets", name, "recover"):
                if name not in self._deleted:
                    return _missing(name)
                self._secrets[name] = self._deleted.pop(name)
                return 200, _listed(self._secrets[name][-1])
        return _fault(404, "NotFound", f"there is no {'/'.join(parts)}")

    def _put(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        attributes = {
            "enabled": True,
            "created": now,
            "updated": now,
            "recoveryLevel": "Recoverable+Purgeable",
            **(body.get("attributes") or {}),
        }
        made = {"value": body["value"], "id": f"{self.uri}secrets/{name}/{uuid.uuid4().hex}", "attributes": attributes}
        made.update({key: body[key] for key in ("tags", "contentType") if body.get(key) is not None})
        self._secrets.setdefault(name, []).append(made)
        return made

    def _gone(self, name: str) -> dict[str, Any]:
        now = int(time.time())
        more = {
            "recoveryId": f"{self.uri}deletedsecrets/{name}",
            "deletedDate": now,
            "scheduledPurgeDate": now + 7 * 86400,
        }
        return {**_listed(self._deleted[name][-1]), **more}


def _listed(secret: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in secret.items() if key != "value"}, "id": secret["id"].rpartition("/")[0]}


def _fault(status: int, code: str, message: str) -> tuple[int, Any]:
    return status, {"error": {"code": code, "message": message}}


def _missing(name: str) -> tuple[int, Any]:
    return _fault(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")


def _error(status: int, code: str, message: str) -> Any:
    from aiohttp import web  # type: ignore[import-not-found, import-untyped, unused-ignore]

    return web.json_response(_fault(status, code, message)[1], status=status)


class Vaults:
    """Implements `resources.Service`. A deleted vault keeps its name and its secrets until it is purged.

    Source: Key Vault documentation, "Key Vault soft-delete overview".
    """

    def __init__(self, listening: Any, may: Any) -> None:
        """`may(principal, method, target)`, a resource id."""
        self._listening, self._may = listening, may
        self._vaults: dict[str, tuple[Vault, int]] = {}
        self._deleted: dict[str, tuple[Vault, int, Mapping[str, Any]]] = {}

    def reset(self) -> None:
        for vault, _ in self._vaults.values():
            vault.reset()

    async def put(self, made: dict[str, Any], before: Mapping[str, Any] | None) -> None:
        if made["type"].lower() != "microsoft.keyvault/vaults":
            return
        name, id = made["name"], made["id"]
        if name in self._deleted:
            if str(made["properties"].get("createMode", "")).lower() != "recover":
                raise ArmError(
                    "ConflictError",
                    f"A vault with the same name already exists in deleted state: {name}. You need to either recover "
                    "or purge existing key vault.",
                    409,
                )
            self._vaults[name] = self._deleted.pop(name)[:2]
        if name not in self._vaults:

            def may(principal: str, method: str, path: str) -> bool:
                parts = path.strip("/").split("/")
                target = f"{id}/secrets/{parts[1]}" if len(parts) > 1 else id
                return bool(self._may(principal, method, target))

            vault = Vault(name, may)
            port = await self._listening.start(vault.handle, tls=True)
            vault.uri = f"https://127.0.0.1:{port}/"
            self._vaults[name] = vault, port
        vault = self._vaults[name][0]
        vault.protected = vault.protected or bool(made["properties"].get("enablePurgeProtection"))
        made["properties"]["vaultUri"] = vault.uri

    async def delete(self, there: Mapping[str, Any]) -> None:
        if there["type"].lower() == "microsoft.keyvault/vaults" and there["name"] in self._vaults:
            self._deleted[there["name"]] = (*self._vaults.pop(there["name"]), there)

    def keys(self, there: Mapping[str, Any]) -> Any:
        return {}

    def deleted(self) -> list[dict[str, Any]]:
        """As Resource Manager lists them."""
        found = []
        for name, (_, _, there) in self._deleted.items():
            location = str(there.get("location", ""))
            place = f"/subscriptions/{there['id'].split('/')[2]}/providers/Microsoft.KeyVault/locations/{location}"
            properties = {"vaultId": there["id"], "location": location, "tags": there.get("tags") or {}}
            found.append({"id": f"{place}/deletedVaults/{name}", "name": name, "properties": properties})
        return found

    async def purge(self, name: str) -> None:
        """Raises ArmError for one that is protected from it."""
        if self._deleted[name][0].protected:
            raise ArmError("MethodNotAllowed", f"Operation 'DeletedVaultPurge' is not allowed on {name}.", 405)
        _, port, _ = self._deleted.pop(name)
        await self._listening.stop(port)
