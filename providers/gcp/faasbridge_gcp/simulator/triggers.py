"""Firestore's events: from the emulator's own words to the request that Eventarc makes of them.

The emulator sends one event at a time and waits for the answer, so it is answered before anything is delivered. Its
bodies are base64 where Eventarc's are protobuf, its `ce-source` says `projects/projects/`, and it reports writes that
changed nothing, which Firestore does not. Clearing a database drops its triggers, and none can be removed: what nobody
waits for any more is ignored here.
Sources: https://cloud.google.com/functions/docs/calling/cloud-firestore, .../docs/bestpractices/retries.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import proto  # type: ignore[import-untyped, unused-ignore]
from google.cloud import functions_v2
from google.cloud.firestore_v1 import types as firestore

from faasbridge.local.web import Asgi, HttpServer, Receive, Scope, Send, read_body, send_response

from . import http_client
from .fronts import Front
from .http_client import Headers
from .rpc import invalid

log = logging.getLogger(__name__)

EVENT_TYPE = "google.cloud.firestore.document.v1."
FENCE = "faasbridge-fence"
FENCE_TIMEOUT_S = 10.0
RETRY_FOR_S = 24 * 3600.0
LONGEST_PAUSE_S = 600.0
MOST_IMMEDIATE = 20
_EVENTS = frozenset(f"{EVENT_TYPE}{kind}" for kind in ("created", "updated", "deleted", "written"))
_JSON = [("content-type", "application/json")]


class DocumentEventData(proto.Message):  # type: ignore[misc, unused-ignore]
    """google/events/cloud/firestore/v1/data.proto, whose messages are Firestore's own."""

    value = proto.Field(firestore.Document, number=1)
    old_value = proto.Field(firestore.Document, number=2)


@dataclass
class Trigger:
    """What a function waits for; `id` is the emulator's handle."""

    id: str
    database: str  # projects/P/databases/D
    event_type: str
    pattern: str
    function: str
    account: str
    retries: bool
    front: Front
    said: str = ""
    running: set[asyncio.Task[None]] = field(default_factory=set)


class Triggers:
    """`listening` is where the emulator sends its events, `emulator()` its address; `token(account, audience)` makes an
    identity token."""

    def __init__(
        self,
        listening: socket.socket,
        emulator: Callable[[], str],
        token: Callable[[str, str], str],
        *,
        immediate: bool,
    ) -> None:
        self._emulator = emulator
        self._token = token
        self._immediate = immediate
        self._server = HttpServer(self._asgi, listening)
        self._triggers: dict[str, Trigger] = {}
        self._fences: dict[str, dict[int, asyncio.Event]] = {}  # by database
        self._numbers = count(1)
        self._deaf = False
        self.received = 0

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._cancel()
        await self._server.stop()

    async def add(self, function: functions_v2.Function, front: Front) -> None:
        """Raises Refusal for a trigger of another kind."""
        event, filters = function.event_trigger, {each.attribute: each for each in function.event_trigger.event_filters}
        if event.event_type not in _EVENTS:
            raise invalid(f"the simulator knows Firestore's event triggers only, not '{event.event_type}'")
        if "database" not in filters:
            raise invalid("the event filter 'database' is required")
        pattern = filters["document"].value if "document" in filters else "{path=**}"
        project = function.name.split("/")[1]
        self.remove(function.name)
        trigger = Trigger(
            f"t{next(self._numbers)}-{function.name.rpartition('/')[2]}"[:60],
            f"projects/{project}/databases/{filters['database'].value}",
            event.event_type,
            pattern,
            function.name,
            event.service_account_email or function.service_config.service_account_email,
            event.retry_policy is functions_v2.EventTrigger.RetryPolicy.RETRY_POLICY_RETRY,
            front,
        )
        self._triggers[trigger.id] = trigger
        await self._register(trigger.id, trigger.database, trigger.event_type, pattern)
        if trigger.database not in self._fences:
            self._fences[trigger.database] = {}
            await self._register_fence(trigger.database)

    def remove(self, function: str) -> None:
        for id in [id for id, trigger in self._triggers.items() if trigger.function == function]:
            for task in self._triggers.pop(id).running:
                task.cancel()

    async def clear(self, database: str) -> None:
        """Empties a database; its triggers stay."""
        await self._clear(database)
        await self._again([database])

    async def hush(self) -> None:
        """Delivers nothing any more, until it is reset."""
        self._deaf = True
        await self._cancel()

    async def reset(self, databases: list[str]) -> None:
        """Empties the databases; no event of before is delivered."""
        try:
            every = sorted({*databases, *self._fences})
            await asyncio.gather(*(self._clear(database) for database in every))
            await self._again(every)
            await asyncio.gather(*(self._fence(database) for database in self._fences))
        finally:
            self._deaf = False

    async def settled(self) -> None:
        """Returns when the emulator has sent the events of all that was written before."""
        waiting = {trigger.database for trigger in self._triggers.values()}
        await asyncio.gather(*(self._fence(database) for database in waiting))

    def left(self) -> dict[str, str]:
        found = {}
        for trigger in self._triggers.values():
            if trigger.running:
                name = trigger.function.rpartition("/")[2]
                last = f", last failure: {trigger.said}" if trigger.said else ""
                found[f"trigger of {name}"] = f"{name} has {len(trigger.running)} Firestore event(s) undelivered{last}"
        return found

    async def _cancel(self) -> None:
        tasks = [task for trigger in self._triggers.values() for task in trigger.running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _clear(self, database: str) -> None:
        await self._ask("DELETE", f"/emulator/v1/{database}/documents", None)

    async def _again(self, databases: list[str]) -> None:
        wanted = [each for each in self._triggers.values() if each.database in databases]
        await asyncio.gather(
            *(self._register(each.id, each.database, each.event_type, each.pattern) for each in wanted),
            *(self._register_fence(database) for database in databases if database in self._fences),
        )

    async def _register(self, id: str, database: str, event_type: str, pattern: str) -> None:
        kind = "PATH_PATTERN" if "{" in pattern or "*" in pattern else "EXACT"
        body = {
            "eventType": event_type,
            "database": database.rpartition("/")[2],
            "namespace": "(default)",
            "document": {"value": pattern, "matchType": kind},
        }
        project = database.split("/")[1]
        await self._ask("POST", f"/emulator/v1/projects/{project}/eventarcTrigger?eventarcTriggerId={id}", body)

    async def _register_fence(self, database: str) -> None:
        name = database.rpartition("/")[2].strip("()")
        await self._register(f"{FENCE}-{name}", database, f"{EVENT_TYPE}written", f"{FENCE}/{{id}}")

    async def _fence(self, database: str) -> None:
        """Events come in the order of the writes: once that of this write is here, so are all before it."""
        number = next(self._numbers)
        passed = self._fences[database][number] = asyncio.Event()
        try:
            fields = {"fields": {"number": {"integerValue": str(number)}}}
            document = f"/v1/{database}/documents/{FENCE}/{number}"
            await self._ask("PATCH", document, fields)
            async with asyncio.timeout(FENCE_TIMEOUT_S):
                await passed.wait()
            await self._ask("DELETE", document, None)
        except TimeoutError:
            log.warning("the Firestore emulator sent no event of %s for %g s", database, FENCE_TIMEOUT_S)
        finally:
            self._fences[database].pop(number, None)

    async def _ask(self, method: str, target: str, body: object) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        headers = [("host", self._emulator()), ("authorization", "Bearer owner"), *_JSON]
        answer = await http_client.send(self._emulator(), method, target, headers, content)
        if answer.status >= 400:
            raise invalid(f"the Firestore emulator refused: {answer.body[:300].decode('utf-8', 'replace')}")

    @property
    def _asgi(self) -> Asgi:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            body = await read_body(scope, receive, None) or b""
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
            await send_response(send, scope["method"], 200, [], b"")
            self._got(scope["path"].rpartition("/")[2], headers, body)

        return app

    def _got(self, id: str, headers: Headers, body: bytes) -> None:
        event = DocumentEventData.deserialize(base64.b64decode(body))
        if id.startswith(FENCE):
            database = f"projects/{_header(headers, 'ce-project')}/databases/{_header(headers, 'ce-database')}"
            reached = event.value.fields["number"].integer_value if "value" in event else 0
            for number, passed in self._fences.get(database, {}).items():
                if number <= reached:
                    passed.set()
            return
        self.received += 1
        trigger = self._triggers.get(id)
        if trigger is None or self._deaf or _is_nothing(event):
            return
        task = asyncio.create_task(self._deliver(trigger, _repaired(headers), base64.b64decode(body)))
        trigger.running.add(task)
        task.add_done_callback(trigger.running.discard)

    async def _deliver(self, trigger: Trigger, headers: Headers, body: bytes) -> None:
        """Until the function answers 2xx; without the trigger's retries once, and what fails is dropped, as there."""
        token = self._token(trigger.account, trigger.front.url)
        wanted = [*headers, ("authorization", f"Bearer {token}")]
        began, pause = time.monotonic(), 10.0
        for attempt in count(1):
            answer = await trigger.front.answer("POST", "/", wanted, body)
            if 200 <= answer.status < 300:
                break
            trigger.said = f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}"
            late = time.monotonic() - began > RETRY_FOR_S or (self._immediate and attempt >= MOST_IMMEDIATE)
            if not trigger.retries or late:
                log.warning("an event of %s was dropped after attempt %d: %s", trigger.function, attempt, trigger.said)
                break
            if not self._immediate:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
        trigger.said = ""


def _header(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


def _is_nothing(event: DocumentEventData) -> bool:
    """Source: "events are generated only when data changes", calling/cloud-firestore, "Limitations"."""
    there, before = bool(event.value.name), bool(event.old_value.name)
    return there == before and event.value.fields == event.old_value.fields


def _repaired(headers: Headers) -> Headers:
    found: Headers = []
    for name, value in headers:
        lower = name.lower()
        if lower == "ce-source":
            found.append((lower, value.replace("projects/projects/", "projects/")))
        elif lower.startswith("ce-") and lower != "ce-datacontenttype":
            found.append((lower, value))
    found.append(("content-type", "application/protobuf"))
    found.append(("user-agent", "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"))
    return found
