"""Storage accounts: an Azurite for each, which alone knows the account's name and key, and what is asked of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit
from xml.etree import ElementTree

from faasbridge.simulation.children import Child

from .emulators import AZURITE, AZURITE_LISTENS, node_folder, package

VERSION: Final = "2025-01-05"
_SIGNED = (
    "content-encoding content-language content-length content-md5 content-type date if-modified-since if-match "
    "if-none-match if-unmodified-since range"
).split()


class Refused(RuntimeError):
    """By Azurite, with that status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Account:
    """`key` is base64; `ports` those of Azurite for blob and queue."""

    def __init__(self, name: str, session: Any) -> None:
        self.name = name
        self.key = b64encode(os.urandom(64)).decode()
        self.shared_key = True
        self.ports: dict[str, int] = {}
        self._session = session
        self._azurite: Child | None = None
        self._put: dict[str, int] = {}
        self._written: set[str] = set()

    async def start(self) -> None:
        folder = await asyncio.to_thread(package, *AZURITE)
        node = await asyncio.to_thread(node_folder)
        # One process for all: loading its modules is most of what Azurite does in a short life.
        services = "blob", "queue", "table"
        places = [part for name in services for part in (f"--{name}Host", "127.0.0.1", f"--{name}Port", "0")]
        more = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        self._azurite = await Child.start(
            "Azurite",
            [str(node / "node"), str(folder / "dist" / "src" / "azurite.js"), *places, *more],
            env={**os.environ, "AZURITE_ACCOUNTS": f"{self.name}:{self.key}"},
            heard=self._hear,
        )

        async def listens() -> bool:
            return len(self.ports) == len(services)

        await self._azurite.ready(listens)

    def _hear(self, line: str) -> None:
        if match := re.search(AZURITE_LISTENS, line):
            self.ports[match["service"].lower()] = int(match["port"])

    async def stop(self) -> None:
        if self._azurite is not None:
            await self._azurite.stop(0)  # what it keeps is in its memory

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        expected: tuple[int, ...] = (200, 201, 202, 204),
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Asks Azurite itself; `path` follows the account. Raises Refused for another status than expected."""
        target = f"/{self.name}{path}"
        sent = {key.lower(): value for key, value in (headers or {}).items()}
        sent.update({"x-ms-version": VERSION, "x-ms-date": formatdate(usegmt=True), "content-length": str(len(body))})
        sent.setdefault("content-type", "application/xml" if body else "")
        sent["authorization"] = self.sign(method, target, sent)
        from yarl import URL  # type: ignore[import-not-found, import-untyped, unused-ignore]

        url = URL(f"http://127.0.0.1:{self.ports[service]}{target}", encoded=True)
        async with self._session.request(method, url, data=body, headers=sent) as answer:
            content = await answer.read()
            if answer.status not in expected:
                raise Refused(answer.status, f"Azurite answered {answer.status} to {method} {path}: {content[:300]!r}")
            return answer.status, answer.headers, content

    def sign(self, method: str, target: str, headers: Mapping[str, str]) -> str:
        """Authorization by the account's key.

        Source: Azure Storage REST API, "Authorize with Shared Key"."""
        low = {name.lower(): value for name, value in headers.items()}
        lines = [method]
        for name in _SIGNED:
            value = low.get(name, "")
            lines.append("" if (name == "content-length" and value == "0") or name == "date" else value)
        lines += [f"{name}:{low[name].strip()}" for name in sorted(low) if name.startswith("x-ms-")]
        split = urlsplit(target)
        resource = f"/{self.name}{split.path}"
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(split.query, keep_blank_values=True):
            query.setdefault(name.lower(), []).append(value)
        lines.append("\n".join([resource, *(f"{name}:{','.join(sorted(query[name]))}" for name in sorted(query))]))
        digest = hmac.new(b64decode(self.key), "\n".join(lines).encode(), hashlib.sha256).digest()
        return f"SharedKey {self.name}:{b64encode(digest).decode()}"

    def mark(self, queue: str) -> None:
        """Somebody put a message there."""
        self._put[queue] = self._put.get(queue, 0) + 1

    def mark_container(self, name: str) -> None:
        """Somebody wrote a blob there."""
        self._written.add(name)

    def marked(self) -> list[str]:
        """Queues that may have messages."""
        return list(self._put)

    def may_have(self, queue: str) -> bool:
        return queue in self._put

    async def is_empty(self, queue: str) -> bool:
        """Of invisible messages too."""
        put = self._put.get(queue)
        if put is None:
            return True
        if await self.count(queue):
            return False
        if self._put.get(queue) == put:
            del self._put[queue]
            return True
        return False

    async def set_cors(self, rules: Iterable[Mapping[str, Any]]) -> None:
        """Of blobs, as Resource Manager has them; Azurite answers by them.

        Source: Azure Storage REST API, "Set Blob Service Properties"."""
        root = ElementTree.Element("StorageServiceProperties")
        cors = ElementTree.SubElement(root, "Cors")
        for rule in rules:
            made = ElementTree.SubElement(cors, "CorsRule")
            for name, value in rule.items():
                text = ",".join(value) if isinstance(value, list) else str(value)
                ElementTree.SubElement(made, name[0].upper() + name[1:]).text = text
        await self.call("blob", "PUT", "/?restype=service&comp=properties", ElementTree.tostring(root))

    async def make_container(self, name: str) -> None:
        await self.call("blob", "PUT", f"/{name}?restype=container", expected=(201, 409))

    async def make_queue(self, name: str) -> None:
        await self.call("queue", "PUT", f"/{name}", expected=(201, 204))

    async def put(self, queue: str, text: str) -> None:
        """`text` goes as it is; what encodes it is the sender's matter."""
        root = ElementTree.Element("QueueMessage")
        ElementTree.SubElement(root, "MessageText").text = text
        await self.call("queue", "POST", f"/{queue}/messages?messagettl=-1", ElementTree.tostring(root))
        self.mark(queue)

    async def receive(self, queue: str, number: int, visibility_s: int) -> list[dict[str, str]]:
        """Messages by the names of the REST API: MessageId, PopReceipt, DequeueCount, MessageText and three times."""
        path = f"/{queue}/messages?numofmessages={number}&visibilitytimeout={visibility_s}"
        status, _, body = await self.call("queue", "GET", path, expected=(200, 404))
        if status == 404:
            return []
        return [{part.tag: part.text or "" for part in each} for each in ElementTree.fromstring(body)]  # noqa: S314

    async def delete_message(self, queue: str, message: Mapping[str, str]) -> None:
        receipt = message["PopReceipt"].replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        path = f"/{queue}/messages/{message['MessageId']}?popreceipt={receipt}"
        await self.call("queue", "DELETE", path, expected=(204, 404))

    async def release(self, queue: str, message: Mapping[str, str], visibility_s: int) -> None:
        receipt = message["PopReceipt"].replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        path = f"/{queue}/messages/{message['MessageId']}?popreceipt={receipt}&visibilitytimeout={visibility_s}"
        await self.call("queue", "PUT", path, expected=(204, 404))

    async def count(self, queue: str) -> int:
        """All that is in it, invisible messages too."""
        status, headers, _ = await self.call("queue", "GET", f"/{queue}?comp=metadata", expected=(200, 404))
        return int(headers.get("x-ms-approximate-messages-count", "0")) if status == 200 else 0

    async def names(self, service: str) -> list[str]:
        _, _, body = await self.call(service, "GET", "/?comp=list")
        tag = "Container" if service == "blob" else "Queue"
        return [each.findtext("Name") or "" for each in ElementTree.fromstring(body).iter(tag)]  # noqa: S314

    async def size_of(self, path: str) -> int:
        """Of a blob, `container/name` as in a URL."""
        _, headers, _ = await self.call("blob", "HEAD", f"/{path}")
        return int(headers.get("Content-Length", "0"))

    async def put_blob(self, container: str, name: str, content: bytes) -> None:
        await self.call("blob", "PUT", f"/{container}/{name}", content, {"x-ms-blob-type": "BlockBlob"})
        self.mark_container(container)

    async def empty(self, keep: frozenset[str]) -> None:
        """No message in any queue and no blob in any container but those in `keep`."""
        queues, self._put = list(self._put), {}
        containers, self._written = self._written - keep, self._written & keep
        work: list[Any] = [self.call("queue", "DELETE", f"/{name}/messages", expected=(204, 404)) for name in queues]
        for container in await self.names("blob"):
            if container in containers:
                _, _, body = await self.call("blob", "GET", f"/{container}?restype=container&comp=list")
                for blob in ElementTree.fromstring(body).iter("Blob"):  # noqa: S314
                    path = f"/{container}/{quote(blob.findtext('Name') or '')}"
                    headers = {"x-ms-delete-snapshots": "include"}
                    work.append(self.call("blob", "DELETE", path, headers=headers, expected=(202, 404)))
        await asyncio.gather(*work)

    async def clear(self) -> None:
        """As it was when it was made."""
        queues, containers = await asyncio.gather(self.names("queue"), self.names("blob"))
        work = [self.call("queue", "DELETE", f"/{name}", expected=(204, 404)) for name in queues]
        work += [self.call("blob", "DELETE", f"/{name}?restype=container", expected=(202, 404)) for name in containers]
        await asyncio.gather(*work)
        self._put.clear()
        self._written.clear()


def delegation_key(token: Mapping[str, Any], start: str, expiry: str, version: str) -> str:
    """The value that Azurite itself derives for a user-delegation key, so that it takes the signatures made with it."""
    text = "\n".join((token["oid"], token["tid"], start, expiry, "b", version))
    return b64encode(
        hmac.new(b"azurite-user-delegation-signing-seed-v1", text.encode(), hashlib.sha256).digest()
    ).decode()


def legal_account(name: str) -> bool:
    return re.fullmatch(r"[a-z0-9]{3,24}", name) is not None
