"""The process of a function app: FunctionRpc on one side, Microsoft's `azure_functions_runtime` on the other.

Run by its path, in the environment of `tools.runtime`; the loop over gRPC is what the library's wheel leaves out.
Source: azure-functions-python-worker, `proxy_worker/dispatcher.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import queue
import sys
import threading
from types import SimpleNamespace
from typing import Any

_LIBRARY = "azure.functions"
"""The logger of Microsoft's library."""
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--host", "--port", "--worker-id", "--request-id"):
        parser.add_argument(name, required=True)
    # What stands beside this file is no package of an app's.
    sys.path[:] = [
        path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))
    ]
    asyncio.run(Worker(parser.parse_args()).run())


class Worker:
    def __init__(self, arguments: argparse.Namespace) -> None:
        import protos  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._protos: Any = protos
        self._arguments = arguments
        self._out: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        handler = _Logs(self._protos, self._out, self._arguments.request_id)
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        start = self._protos.StartStream(worker_id=self._arguments.worker_id)
        self._send(self._arguments.request_id, start_stream=start)
        ended = loop.create_future()
        threading.Thread(target=self._read, args=(loop, ended), daemon=True).start()
        await ended
        os._exit(0)

    def _read(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
        import grpc  # type: ignore[import-not-found, import-untyped, unused-ignore]

        channel = grpc.insecure_channel(f"{self._arguments.host}:{self._arguments.port}", _UNLIMITED)
        try:
            for message in self._protos.FunctionRpcStub(channel).EventStream(iter(self._out.get, None)):
                asyncio.run_coroutine_threadsafe(self._answer(message), loop)
        except grpc.RpcError:
            pass
        finally:
            loop.call_soon_threadsafe(ended.set_result, None)

    async def _answer(self, message: Any) -> None:
        import azure_functions_runtime as runtime  # type: ignore[import-not-found, unused-ignore]

        kind = message.WhichOneof("content")
        if kind == "worker_terminate":
            os._exit(0)
        if kind == "worker_status_request":
            self._send(message.request_id, worker_status_response=self._protos.WorkerStatusResponse())
            return
        if kind == "worker_init_request":
            folder = message.worker_init_request.function_app_directory
            packages = os.path.join(folder, ".python_packages", "lib", "site-packages")
            sys.path[:0] = [packages, folder] if os.path.isdir(packages) else [folder]
            runtime.start_threadpool_executor()
        if kind == "invocation_request":
            # The library sets it for functions that it runs in threads only.
            runtime.invocation_id_cv.set(message.invocation_request.invocation_id)
        handle = getattr(runtime, kind, None)
        if handle is None:
            return
        properties = {"host": self._arguments.host, "protos": self._protos}
        answer = await handle(SimpleNamespace(name=kind, request=message, properties=properties))
        self._send(message.request_id, **{kind.removesuffix("_request") + "_response": answer})

    def _send(self, request_id: str, **content: Any) -> None:
        if "functions_metadata_response" in content:
            content = {"function_metadata_response": content["functions_metadata_response"]}
        self._out.put(self._protos.StreamingMessage(request_id=request_id, **content))


class _Logs(logging.Handler):
    def __init__(self, protos: Any, out: queue.SimpleQueue[Any], request_id: str) -> None:
        super().__init__()
        self._protos, self._out, self._request_id = protos, out, request_id

    def emit(self, record: logging.LogRecord) -> None:
        try:
            import azure_functions_runtime as runtime

            invocation = runtime.invocation_id_cv.get() or ""
        except (ImportError, LookupError):
            invocation = ""
        own = record.name.partition(".")[0] in ("azure_functions_runtime", "asyncio", "grpc") or record.name == _LIBRARY
        log = self._protos.RpcLog(
            level=min(5, max(0, record.levelno // 10)),
            message=self.format(record),
            category=record.name,
            invocation_id=invocation,
            log_category=self._protos.RpcLog.RpcLogCategory.Value("System" if own else "User"),
        )
        self._out.put(self._protos.StreamingMessage(request_id=self._request_id, rpc_log=log))


if __name__ == "__main__":
    main()
