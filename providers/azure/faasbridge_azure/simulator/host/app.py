"""A function app: its worker, the HTTP front on a port of its own, and the loops that feed its queue triggers.

What Microsoft's host does is here as documented: polling, dequeue count, visibility, poison queues, the time-out, a
worker that ends is started again and its message comes again.
Sources: Azure Functions documentation, "Azure Queue storage trigger" (host.json), "host.json reference".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from ..storage import Account
from . import http
from .process import Function, WorkerFailure, WorkerLost, WorkerProcess

log = logging.getLogger(__name__)
POLL_S = 0.02
LONGEST_POLL_S = 0.5
VISIBILITY_S = 600
"""What the host hides a message for while it is handled (it renews; a crash gives the message back here at once)."""
HTTP_TIMEOUT_S = 230.0


class FunctionApp:
    """`settings` are its app settings, `accounts` finds a storage account by name, `write_log` keeps a trace."""

    def __init__(
        self,
        name: str,
        protos: Any,
        accounts: Callable[[str], Account | None],
        write_log: Callable[[str, str, str, str, str], None],
        *,
        test: bool,
    ) -> None:
        self.name = name
        self.port = 0
        self.handling: dict[str, int] = {}
        self._protos, self._accounts, self._write_log, self._test = protos, accounts, write_log, test
        self._worker: WorkerProcess | None = None
        self._start: tuple[Path, list[Path], Path, dict[str, str]] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._routes: http.Routes | None = None
        self._host: dict[str, Any] = {}
        self._restarting = asyncio.Lock()
        self._names: dict[str, str] = {}
        self._wake: dict[str, asyncio.Event] = {}

    @property
    def functions(self) -> Mapping[str, Function]:
        return self._worker.functions if self._worker is not None else {}

    async def load(self, python: Path, paths: list[Path], folder: Path, env: Mapping[str, str]) -> None:
        """Runs what is unpacked there instead of what ran. Raises WorkerFailure; what ran is gone then too."""
        await self.stop()
        self._start = (python, paths, folder, dict(env))
        self._host = _host_settings(folder, env)
        self._worker = await self._started()
        extensions = self._host.get("extensions", {})
        prefix = extensions.get("http", {}).get("routePrefix", http.DEFAULT_PREFIX)
        self._routes = http.Routes(self._worker.functions, prefix)
        self.resume()

    def resume(self) -> None:
        """Polls the queues again, after `pause`."""
        for function in self.functions.values():
            if str(function.trigger.get("type", "")).lower() == "queuetrigger":
                self._tasks.append(asyncio.create_task(self._poll(function)))

    async def pause(self) -> None:
        """Polls no queue; what is being handled is given back."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        await self.pause()
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    def wake(self, account: str, queue: str) -> None:
        """A message was put there."""
        event = self._wake.get(f"{account}/{queue}")
        if event is not None:
            event.set()

    def queues(self) -> Mapping[str, Function]:
        """`account/queue` of each queue trigger."""
        found = {}
        for function in self.functions.values():
            if str(function.trigger.get("type", "")).lower() == "queuetrigger":
                found[self._queue(function)[2]] = function
        return found

    async def answer(self, request: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """Of an aiohttp request: status, headers, body."""
        if self._routes is None or self._worker is None:
            return 503, [("content-type", "text/plain")], b"Function host is not running."
        found = self._routes.find(request.method, request.rel_url.raw_path)
        if isinstance(found, int):
            return found, [], b""
        function, params = found
        body = await request.read()
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
        return http.from_rpc(value)

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

    async def _started(self) -> WorkerProcess:
        assert self._start is not None
        worker = WorkerProcess(self._protos, self._log)
        await worker.start(*self._start)
        return worker

    def _log(self, invocation: str, level: str, category: str, text: str) -> None:
        self._write_log(self.name, invocation, level, category, text)

    async def _alive(self) -> WorkerProcess:
        async with self._restarting:
            if self._worker is None:
                raise WorkerLost("the function app is stopped")
            if not self._worker.alive:
                await self._worker.stop()
                self._worker = await self._started()
            return self._worker

    async def _invoke(self, function: Function, inputs: Any, metadata: Any, invocation: str) -> Any:
        worker = await self._alive()
        self._names[invocation] = function.name
        self._log(invocation, "Information", f"Function.{function.name}", f"Executing 'Functions.{function.name}'")
        began = time.perf_counter()
        failed = "Failed"
        try:
            async with asyncio.timeout(_seconds(self._host.get("functionTimeout")) or 1800.0):
                answer = await worker.invoke(worker.functions[function.name], inputs, metadata, invocation)
        except TimeoutError:
            self._log(
                invocation, "Error", f"Function.{function.name}", "Timeout value was exceeded; the worker restarts"
            )
            await worker.stop()
            raise WorkerLost("the function timed out") from None
        else:
            if answer.result.status == 1:
                failed = "Succeeded"
            else:
                fault = answer.result.exception
                text = f"{fault.message}\n{fault.stack_trace}".strip()
                self._log(invocation, "Error", f"Function.{function.name}", text)
            return answer
        finally:
            took = (time.perf_counter() - began) * 1000
            level = "Information" if failed == "Succeeded" else "Error"
            text = f"Executed 'Functions.{function.name}' ({failed}, Id={invocation}, Duration={took:.0f}ms)"
            self._log(invocation, level, f"Function.{function.name}", text)

    def _queue(self, function: Function) -> tuple[str, str, str]:
        env = self._start[3] if self._start is not None else {}
        trigger = function.trigger
        name = re.sub(r"%([^%]+)%", lambda m: env.get(m[1], m[0]), str(trigger.get("queueName", "")))
        connection = str(trigger.get("connection") or "AzureWebJobsStorage")
        account = env.get(f"{connection}__accountName", "")
        if not account:
            found = re.search(r"AccountName=([^;]+)", env.get(connection, ""))
            account = found[1] if found else ""
        return account, name.lower(), f"{account}/{name.lower()}"

    async def _poll(self, function: Function) -> None:
        account_name, queue, key = self._queue(function)
        options = self._host.get("extensions", {}).get("queues", {})
        size = max(1, min(32, int(options.get("batchSize", 16))))
        again_s = 0 if self._test else int(_seconds(options.get("visibilityTimeout")) or 0)
        attempts = int(options.get("maxDequeueCount", 5))
        plain = options.get("messageEncoding", "base64") == "none"
        wake = self._wake.setdefault(key, asyncio.Event())
        pause = POLL_S
        while True:
            account = self._accounts(account_name)
            wake.clear()
            messages: list[dict[str, str]] = []
            if account is not None:
                self.handling[key] = self.handling.get(key, 0) + 1
                try:
                    messages = await account.receive(queue, size, VISIBILITY_S)
                    handled = [
                        self._message(account, queue, function, one, attempts, again_s, plain) for one in messages
                    ]
                    await asyncio.gather(*handled)
                except Exception:
                    log.exception("polling %s failed", key)
                finally:
                    self.handling[key] -= 1
            pause = POLL_S if messages else min(LONGEST_POLL_S, pause * 2)
            if not messages:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), pause)

    async def _message(
        self,
        account: Account,
        queue: str,
        function: Function,
        message: dict[str, str],
        attempts: int,
        again_s: int,
        plain: bool,
    ) -> None:
        count = int(message["DequeueCount"])
        try:
            succeeded = count <= attempts and await self._deliver(function, message, plain)
        except WorkerFailure as error:
            self._log("", "Error", f"Function.{function.name}", str(error))
            succeeded = False
        except asyncio.CancelledError:
            # The app is stopped or updated: the message is for whoever comes next.
            await asyncio.shield(account.release(queue, message, 0))
            raise
        if succeeded:
            await account.delete_message(queue, message)
        elif count >= attempts:
            await account.make_queue(f"{queue}-poison")
            await account.put(f"{queue}-poison", message["MessageText"])
            await account.delete_message(queue, message)
        else:
            await account.release(queue, message, again_s)

    async def _deliver(self, function: Function, message: dict[str, str], plain: bool) -> bool:
        p = self._protos
        text = message["MessageText"]
        try:
            body = text.encode() if plain else b64decode(text, validate=True)
        except ValueError:
            body = text.encode()  # the host takes what is no base64 as it is

        def string(value: str) -> Any:
            return p.TypedData(string=value)

        metadata = {
            "Id": string(message["MessageId"]),
            "DequeueCount": p.TypedData(json=message["DequeueCount"]),
            "PopReceipt": string(message["PopReceipt"]),
            "QueueTrigger": string(body.decode("utf-8", "replace")),
        }
        for name, given in (
            ("InsertionTime", "InsertionTime"),
            ("ExpirationTime", "ExpirationTime"),
            ("NextVisibleTime", "TimeNextVisible"),
        ):
            moment = _moment(message.get(given, ""))
            metadata[name] = p.TypedData(json=json.dumps(moment))
        binary = str(function.trigger.get("dataType", "")).lower() == "binary"
        data = p.TypedData(bytes=body) if binary else p.TypedData(string=body.decode("utf-8", "replace"))
        answer = await self._invoke(function, {function.trigger["name"]: data}, metadata, str(uuid.uuid4()))
        return bool(answer.result.status == 1)


def _moment(text: str) -> str:
    try:
        return parsedate_to_datetime(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC, microsecond=0).isoformat()  # Azurite's "never"


def _seconds(text: object) -> float | None:
    """Of `hh:mm:ss`, with days before a dot; None for what is not limited."""
    found = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", str(text or ""))
    if found is None:
        return None
    return int(found[1] or 0) * 86400 + int(found[2]) * 3600 + int(found[3]) * 60 + float(found[4])


def _host_settings(folder: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """host.json, and what app settings `AzureFunctionsJobHost__a__b` put over it."""
    path = folder / "host.json"
    settings: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    for name, value in env.items():
        if name.startswith("AzureFunctionsJobHost__"):
            place = settings
            *parents, last = name.split("__")[1:]
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
    return settings


def environment(settings: Mapping[str, str], folder: Path, name: str, extra: Mapping[str, str]) -> dict[str, str]:
    """What the worker's process sees: the app's settings and what the platform adds, nothing of this machine's."""
    machine = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    platform = {
        "AzureWebJobsScriptRoot": str(folder),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "WEBSITE_SITE_NAME": name,
        "WEBSITE_SKU": "FlexConsumption",
    }
    return {**machine, **platform, **settings, **extra}
