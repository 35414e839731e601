"""Long-running operations of all the services: started, asked for, listed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any

import grpc  # type: ignore[import-untyped, unused-ignore]
import proto  # type: ignore[import-untyped, unused-ignore]
from google.longrunning import operations_pb2  # type: ignore[import-untyped, unused-ignore]
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]

from .rpc import Refusal, Servicer, not_found, rpc

log = logging.getLogger(__name__)

# A client that asks in ever longer pauses learns the end at once where the answer waits for it.
PATIENCE_S = 0.9


class Operations(Servicer):
    """What runs and what ended. An operation's name begins with what it belongs to, as each service does it."""

    service = "google.longrunning.Operations"

    def __init__(self) -> None:
        self._operations: dict[str, operations_pb2.Operation] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, parent: str, metadata: Any, work: Callable[[], Awaitable[Any]]) -> operations_pb2.Operation:
        """Runs `work`, whose message is the response; a `Refusal` of it is the operation's error."""
        name = f"{parent}/operations/operation-{time.time_ns() // 1_000_000}-{token_hex(8)}".lstrip("/")
        operation = operations_pb2.Operation(name=name)
        operation.metadata.Pack(_pb(metadata))
        self._operations[name] = operation
        self._tasks[name] = asyncio.create_task(self._run(operation, work))
        return operation

    async def _run(self, operation: operations_pb2.Operation, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            result = await work()
        except Refusal as refusal:
            operation.error.CopyFrom(refusal.status())
        except Exception as error:
            log.exception("%s failed", operation.name)
            failure = Refusal(grpc.StatusCode.INTERNAL, f"the simulator failed: {error!r}")
            operation.error.CopyFrom(failure.status())
        else:
            operation.response.Pack(_pb(result))
        operation.done = True

    def find(self, name: str) -> operations_pb2.Operation:
        if name not in self._operations:
            raise not_found(name)
        return self._operations[name]

    async def finished(self, name: str, timeout_s: float) -> operations_pb2.Operation:
        operation = self.find(name)
        if not operation.done:
            await asyncio.wait([self._tasks[name]], timeout=timeout_s)
        return operation

    async def close(self) -> None:
        running = [task for task in self._tasks.values() if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    @rpc(operations_pb2.GetOperationRequest)
    async def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        return await self.finished(request.name, PATIENCE_S)

    @rpc(operations_pb2.WaitOperationRequest)
    async def wait_operation(self, request: operations_pb2.WaitOperationRequest) -> operations_pb2.Operation:
        return await self.finished(request.name, request.timeout.seconds or PATIENCE_S)

    @rpc(operations_pb2.ListOperationsRequest)
    async def list_operations(
        self, request: operations_pb2.ListOperationsRequest
    ) -> operations_pb2.ListOperationsResponse:
        found = [each for name, each in self._operations.items() if name.startswith(request.name)]
        return operations_pb2.ListOperationsResponse(operations=found)

    @rpc(operations_pb2.DeleteOperationRequest)
    async def delete_operation(self, request: operations_pb2.DeleteOperationRequest) -> empty_pb2.Empty:
        self.find(request.name)
        if self._tasks[request.name].done():
            del self._operations[request.name], self._tasks[request.name]
        return empty_pb2.Empty()

    @rpc(operations_pb2.CancelOperationRequest)
    async def cancel_operation(self, request: operations_pb2.CancelOperationRequest) -> empty_pb2.Empty:
        """Best effort, as the API promises: what runs here ends soon by itself."""
        self.find(request.name)
        return empty_pb2.Empty()


def _pb(message: Any) -> Any:
    return type(message).pb(message) if isinstance(message, proto.Message) else message
