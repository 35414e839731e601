"""One worker process of a function app, over FunctionRpc: started, asked, invoked, and noticed when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faasbridge.simulation.children import Child

HOST_VERSION = "4.1048.0"
START_TIMEOUT_S = 60.0
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

Log = Callable[[str, str, str, str], None]
"""Invocation id, level, category, text."""


class WorkerFailure(Exception):
    """The worker does not start, or is gone; the message says why."""


class WorkerLost(WorkerFailure):
    """The process ended during an invocation."""


@dataclass(frozen=True)
class Function:
    id: str
    name: str
    bindings: tuple[Mapping[str, Any], ...]
    metadata: Any

    @property
    def trigger(self) -> Mapping[str, Any]:
        return next((each for each in self.bindings if str(each.get("type", "")).lower().endswith("trigger")), {})


class WorkerProcess:
    """Use `start`; then `functions` are its functions by name."""

    def __init__(self, protos: Any, log: Log) -> None:
        self._protos = protos
        self._log = log
        self._out: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._connected = asyncio.Event()
        self._server: Any = None
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.functions: dict[str, Function] = {}

    async def start(self, python: Path, paths: list[Path], folder: Path, env: Mapping[str, str]) -> None:
        """Raises WorkerFailure: what Azure would hide (an app that does not import), this host says."""
        import grpc.aio  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._server = grpc.aio.server(options=UNLIMITED)
        self._protos.add_FunctionRpcServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        arguments = ["--host", "127.0.0.1", "--port", str(port), "--worker-id", str(uuid.uuid4())]
        worker = Path(__file__).with_name("worker.py")
        command = [str(python), str(worker), *arguments, "--request-id", str(uuid.uuid4())]
        path = ":".join(map(str, paths))
        self._child = await Child.start(
            "the Python worker",
            command,
            env={**env, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            cwd=folder,
            heard=lambda line: self._log("", "Information", "Host.Function.Console", line),
        )
        self._watch = asyncio.create_task(self._watch_end())
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._load(str(folder))
        except TimeoutError:
            await self.stop()
            raise WorkerFailure(f"the worker did not start within {START_TIMEOUT_S:.0f} s") from None
        except BaseException:
            await self.stop()
            raise

    async def invoke(
        self, function: Function, inputs: Mapping[str, Any], metadata: Mapping[str, Any], invocation_id: str
    ) -> Any:
        """The InvocationResponse. Raises WorkerLost."""
        p = self._protos
        request = p.InvocationRequest(
            invocation_id=invocation_id,
            function_id=function.id,
            input_data=[p.ParameterBinding(name=name, data=data) for name, data in inputs.items()],
            trigger_metadata=metadata,
        )
        return await self._ask(f"invocation:{invocation_id}", invocation_request=request)

    async def stop(self) -> None:
        """However often. One at a time, since grpc's server crashes when it is stopped twice at once; a later one ends
        what was started since."""
        if self._stopping is None or self._stopping.done():
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._lose("the worker was stopped")
        if self._child is not None:
            await self._child.stop()
        if self._server is not None:
            await self._server.stop(0)

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.process.returncode is None

    async def _load(self, folder: str) -> None:
        p = self._protos
        connected = asyncio.create_task(self._connected.wait())
        gone = asyncio.create_task(self._child.ended())  # type: ignore[union-attr]
        await asyncio.wait((connected, gone), return_when=asyncio.FIRST_COMPLETED)
        connected.cancel()
        gone.cancel()
        if not self._connected.is_set():
            raise WorkerFailure(f"the worker ended while it started: {self._child.said if self._child else ''}")
        init = p.WorkerInitRequest(host_version=HOST_VERSION, function_app_directory=folder, worker_directory=folder)
        _checked(await self._ask("worker_init_response", worker_init_request=init))
        wanted = p.FunctionsMetadataRequest(function_app_directory=folder)
        found = await self._ask("function_metadata_response", functions_metadata_request=wanted)
        _checked(found)
        for each in found.function_metadata_results:
            bindings = tuple(json.loads(raw) for raw in each.raw_bindings)
            load = p.FunctionLoadRequest(function_id=each.function_id, metadata=each)
            _checked(await self._ask(f"load:{each.function_id}", function_load_request=load))
            self.functions[each.name] = Function(each.function_id, each.name, bindings, each)
        if not self.functions:
            raise WorkerFailure("the worker found no function in the app: its function_app.py is missing or fails")

    async def _ask(self, key: str, **content: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        if not self.alive:
            raise WorkerLost("the worker ended")
        self._out.put_nowait(self._protos.StreamingMessage(request_id=str(uuid.uuid4()), **content))
        try:
            return await future
        finally:
            self._waiting.pop(key, None)

    async def EventStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        reading = asyncio.create_task(self._read(requests))
        try:
            while (message := await self._out.get()) is not None:
                yield message
        finally:
            reading.cancel()

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        with contextlib.suppress(Exception):  # the stream's end is the process's, which `_watch_end` tells
            async for message in requests:
                self._received(message)

    def _received(self, message: Any) -> None:
        kind = message.WhichOneof("content")
        if kind == "start_stream":
            self._connected.set()
            return
        content = getattr(message, kind)
        if kind == "rpc_log":
            level = self._protos.RpcLog.Level.Name(content.level)
            own = content.log_category == self._protos.RpcLog.RpcLogCategory.Value("System")
            category = f"Host.Worker.{content.category}" if own else content.category
            self._log(content.invocation_id, level, category, content.message)
            return
        key = kind
        if kind == "invocation_response":
            key = f"invocation:{content.invocation_id}"
        elif kind == "function_load_response":
            key = f"load:{content.function_id}"
        future = self._waiting.get(key)
        if future is not None and not future.done():
            future.set_result(content)

    async def _watch_end(self) -> None:
        assert self._child is not None
        code = await self._child.ended()
        self._lose(f"the worker process ended with {code}: {self._child.said}")

    def _lose(self, why: str) -> None:
        self._out.put_nowait(None)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(WorkerLost(why))


def _checked(answer: Any) -> None:
    if answer.result.status != 1:
        raise WorkerFailure(answer.result.exception.message or "the worker could not load the app")
