"""A function app: its worker, which runs while there is work, its HTTP front, and what feeds its other triggers.

What Microsoft's host does is here as documented: the time-out, and a worker that ends is started again.
Source: Azure Functions documentation, "host.json reference".
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..documents import CosmosAccount
from ..storage import Account
from . import http
from .feeds import FeedTrigger, Lease
from .pool import Pool
from .process import Function, WorkerFailure, WorkerLost, WorkerProcess
from .queues import QueueTrigger
from .settings import host_settings, seconds
from .timers import TimerTrigger

HTTP_TIMEOUT_S = 230.0
HTTP_MOST_BYTES = 104_857_600
DRAIN_S = 2.0
TIMEOUT_S = 1800.0
"""Source: "Azure Functions scale and hosting", function app timeout duration: Flex Consumption's default."""

Trigger = QueueTrigger | FeedTrigger | TimerTrigger


class FunctionApp:
    """`accounts` finds a storage account by name, `documents` a Cosmos DB account by its endpoint, `write_log` keeps a
    trace: app, invocation, level, category, text."""

    def __init__(
        self,
        name: str,
        protos: Any,
        pool: Pool,
        accounts: Callable[[str], Account | None],
        documents: Callable[[str], CosmosAccount | None],
        write_log: Callable[[str, str, str, str, str], None],
        *,
        test: bool,
    ) -> None:
        self.name = name
        self.functions: Mapping[str, Function] = {}
        self._protos, self._pool, self._test = protos, pool, test
        self._accounts, self._documents, self._write_log = accounts, documents, write_log
        self._worker: WorkerProcess | None = None
        self._start: tuple[Path, list[Path], Path, dict[str, str]] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._triggers: list[Trigger] = []
        self._leases: dict[str, Lease] = {}
        self._routes: http.Routes | None = None
        self._host: dict[str, Any] = {}
        self._changing = asyncio.Lock()
        self._loaded = asyncio.Event()
        self._loaded.set()
        self._invoking = 0

    @property
    def busy(self) -> bool:
        return self._invoking > 0 or self._changing.locked()

    async def load(self, python: Path, paths: list[Path], folder: Path, env: Mapping[str, str]) -> None:
        """Runs what is unpacked there instead of what ran. Raises WorkerFailure; what ran is gone then too.

        Requests wait meanwhile. The worker starts to tell which functions there are, unless it told so of the same code
        and settings before.
        """
        self._loaded.clear()
        try:
            await self._load(python, paths, folder, env)
        finally:
            self._loaded.set()

    async def _load(self, python: Path, paths: list[Path], folder: Path, env: Mapping[str, str]) -> None:
        await self.stop()
        self._start = (python, paths, folder, dict(env))
        self._host = host_settings(folder, env)
        indexed = (
            str(python),
            str(folder),
            frozenset(each for each in env.items() if not each[0].startswith("IDENTITY")),
        )
        if indexed not in self._pool.indexes:
            self._pool.indexes[indexed] = (await self._alive()).functions
        self.functions = self._pool.indexes[indexed]
        prefix = self._host.get("extensions", {}).get("http", {}).get("routePrefix", http.DEFAULT_PREFIX)
        self._routes = http.Routes(self.functions, prefix)
        self._triggers = [each for function in self.functions.values() if (each := self._trigger(function))]
        self.resume()

    def resume(self) -> None:
        """Feeds its triggers again, after `pause`."""
        self._tasks = [asyncio.create_task(each.run()) for each in self._triggers]

    async def pause(self) -> None:
        """Feeds no trigger; what is being handled is given back."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """What is being answered has some time left."""
        await self.pause()
        deadline = time.monotonic() + DRAIN_S
        while self._invoking and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self._start, self._routes, self._triggers, self.functions = None, None, [], {}
        if self._worker is not None and self._changing.locked():  # it is starting, which may take long
            await self._worker.stop()
        await self.sleep()

    async def sleep(self) -> None:
        async with self._changing:
            worker, self._worker = self._worker, None
            self._pool.left(self)
            if worker is not None:
                await worker.stop()

    def forget(self) -> None:
        """Reads feeds from the beginning, after everything was emptied."""
        self._leases.clear()
        self._triggers = [each for function in self.functions.values() if (each := self._trigger(function))]

    def wake(self, place: str) -> None:
        """Something was put into `account/queue`, or written into `endpoint dbs/.../colls/...`."""
        for each in self._triggers:
            if not isinstance(each, TimerTrigger) and each.place == place:
                each.wake.set()

    async def left(self) -> dict[str, str]:
        """What waits or is being handled, a sentence by its place."""
        found = {}
        for each in self._triggers:
            if isinstance(each, QueueTrigger):
                account = self._accounts(each.account)
                number = await account.count(each.queue) if account is not None and account.may_have(each.queue) else 0
                if number:
                    found[each.queue] = f"{each.queue} has {number} messages that are waiting or being handled"
            elif isinstance(each, FeedTrigger) and each.waiting:
                found[each.container] = f"{each.waiting} documents of {each.container} wait for {each.function.name}"
        return found

    async def answer(self, request: Any, key: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Of an aiohttp request: status, headers, body. `key` opens functions that are not anonymous."""
        await self._loaded.wait()
        if self._routes is None:
            return 503, [("content-type", "text/plain")], b"Function host is not running."
        found = self._routes.find(request.method, request.rel_url.raw_path)
        if isinstance(found, int):
            return found, [], b""
        function, params = found
        anonymous = str(function.trigger.get("authLevel", "")).lower() == "anonymous"
        if not anonymous and request.headers.get("x-functions-key") != key:
            return 401, [], b""
        if (request.content_length or 0) > HTTP_MOST_BYTES:
            return 413, [], b""
        body = await request.read()
        if not request.content_length:
            body = b""  # as the host does with a chunked one; see `limits`
        url = f"http://{request.host}{request.rel_url.raw_path_qs}"
        data = http.to_rpc(self._protos, request, body, params, url)
        try:
            async with asyncio.timeout(HTTP_TIMEOUT_S):
                answer = await self._invoke(function, {function.trigger["name"]: data}, {}, str(uuid.uuid4()))
        except TimeoutError:
            return 504, [], b""
        except WorkerFailure:
            return 502, [], b""
        if answer.result.status != 1:
            return 500, [], b""
        value = answer.return_value
        if value.WhichOneof("data") is None:
            value = next((each.data for each in answer.output_data), value)
        return http.from_rpc(value, request.method)

    async def run(self, name: str, content: str) -> Any:
        """One invocation by hand, as the host's admin API does. Raises KeyError, WorkerFailure."""
        function = next((each for key, each in self.functions.items() if key.lower() == name.lower()), None)
        if function is None:
            raise KeyError(name)
        kind = str(function.trigger.get("type", "")).lower()
        data = self._protos.TypedData(string=content)
        if kind == "timertrigger":
            timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
            data = self._protos.TypedData(json=json.dumps(timer))
        elif kind == "queuetrigger":
            data = self._protos.TypedData(bytes=content.encode())
        return await self._invoke(function, {function.trigger["name"]: data}, {}, str(uuid.uuid4()))

    def _trigger(self, function: Function) -> Trigger | None:
        assert self._start is not None
        env, kind = self._start[3], str(function.trigger.get("type", "")).lower()
        if kind == "queuetrigger":
            options = self._host.get("extensions", {}).get("queues", {})
            return QueueTrigger(function, env, options, self._accounts, self._invoke, at_once=self._test)
        if kind == "cosmosdbtrigger":
            lease = self._leases.setdefault(function.name, Lease())
            return FeedTrigger(function, env, self._documents, self._invoke, lease, at_once=self._test)
        return TimerTrigger(function, env, self._invoke) if kind == "timertrigger" and not self._test else None

    def _log(self, invocation: str, level: str, category: str, text: str) -> None:
        self._write_log(self.name, invocation, level, category, text)

    async def _alive(self) -> WorkerProcess:
        """Its worker, started where none runs. Raises WorkerFailure."""
        async with self._changing:
            if self._start is None:
                raise WorkerLost("the function app is stopped")
            if self._worker is None or not self._worker.alive:
                old, self._worker = self._worker, None
                if old is not None:
                    await old.stop()
                await self._pool.make_room()
                async with self._pool.starting:
                    self._worker = WorkerProcess(self._protos, self._log)
                    try:
                        await self._worker.start(*self._start)
                    except BaseException:
                        self._worker = None
                        raise
            self._pool.used(self)
            return self._worker

    async def _invoke(self, function: Function, inputs: Any, metadata: Any, invocation: str) -> Any:
        self._invoking += 1
        try:
            return await self._invoked(await self._alive(), function.name, inputs, metadata, invocation)
        except WorkerFailure as error:
            self._log(invocation, "Error", f"Function.{function.name}", str(error))
            raise
        finally:
            self._invoking -= 1

    async def _invoked(self, worker: WorkerProcess, name: str, inputs: Any, metadata: Any, invocation: str) -> Any:
        self._log(invocation, "Information", f"Function.{name}", f"Executing 'Functions.{name}'")
        began = time.perf_counter()
        failed = "Failed"
        try:
            async with asyncio.timeout(seconds(self._host.get("functionTimeout")) or TIMEOUT_S):
                answer = await worker.invoke(worker.functions[name], inputs, metadata, invocation)
        except TimeoutError:
            await worker.stop()
            raise WorkerLost("Timeout value was exceeded; the worker restarts") from None
        else:
            if answer.result.status == 1:
                failed = "Succeeded"
            else:
                fault = answer.result.exception
                text = f"{fault.message}\n{fault.stack_trace}".strip()
                self._log(invocation, "Error", f"Function.{name}", text)
            return answer
        finally:
            took = (time.perf_counter() - began) * 1000
            text = f"Executed 'Functions.{name}' ({failed}, Id={invocation}, Duration={took:.0f}ms)"
            self._log(invocation, "Information", f"Function.{name}", text)
