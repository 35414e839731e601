"""The one event loop that a process keeps warm, in a thread of its own, for all async handlers."""

from __future__ import annotations

from _thread import allocate_lock
from time import monotonic

from ._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_loop: Any = None
_loop_lock = allocate_lock()


def run_async(awaitable: Any, deadline: float) -> Any:
    """The value of an awaitable, run on the one event loop that the process keeps warm in a thread of its own.

    Raises TimeoutError, with the task cancelled, when the deadline (of `time.monotonic`) is past.
    """
    import asyncio

    future = asyncio.run_coroutine_threadsafe(_coroutine(awaitable), _running_loop())
    try:
        return future.result(max(0.0, deadline - monotonic()))
    except TimeoutError:
        if future.done():
            raise
        future.cancel()
        raise TimeoutError("the handler did not end within its timeout_s") from None


async def _coroutine(awaitable: Any) -> Any:
    return await awaitable


def _running_loop() -> Any:
    global _loop
    if _loop is None:
        import asyncio
        import threading

        with _loop_lock:
            if _loop is None:
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="faasbridge-async", daemon=True).start()
                _loop = loop
    return _loop
