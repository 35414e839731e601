"""A revision of a function: its instances, started as requests come, each with so many requests at a time.

What a request meets is Cloud Run's: 504 after the time-out, 503 where the process dies of it, 429 where no instance
gets free. Source: https://cloud.google.com/run/docs/troubleshooting.
"""

from __future__ import annotations

import asyncio
import logging
import time

from . import instances
from .http_client import Answer, Headers
from .instances import Command, Instance, StartFailure

log = logging.getLogger(__name__)

MOST_INSTANCES = 4
IDLE_S = 60.0
PATIENCE_S = 0.25  # a second instance costs more than most handlers take
_TEXT = [("content-type", "text/plain; charset=utf-8")]


class Revision:
    """`starting` bounds how many processes begin at a time on this machine."""

    def __init__(
        self,
        name: str,
        command: Command,
        *,
        timeout_s: float,
        concurrency: int,
        most: int,
        starting: asyncio.Semaphore,
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._command = command
        self._concurrency = max(concurrency, 1)
        self._most = min(most or MOST_INSTANCES, MOST_INSTANCES)
        self._starting = starting
        self._instances: list[Instance] = []
        self._coming = 0
        self._free = asyncio.Condition()
        self._stopped = False
        self._failure: StartFailure | None = None
        self._growing: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[list[None]] | None = None

    async def start(self) -> None:
        """The first instance; shows that the source loads. Raises StartFailure."""
        await self._begin()

    async def forget(self) -> None:
        """Ends the instances, and with them what they remember; the next request starts one."""
        found, self._instances = self._instances, []
        await asyncio.gather(*(instance.stop(at_once=True) for instance in found))

    async def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        try:
            instance = await self._acquire()
        except TimeoutError:
            return Answer(429, _TEXT, b"Rate exceeded.")
        except StartFailure as failure:
            log.info("%s does not start: %s", self.name, failure)
            return Answer(503, _TEXT, b"Service Unavailable")
        tainted = False
        try:
            async with asyncio.timeout(self.timeout_s):
                return await instance.send(method, target, headers, body)
        except TimeoutError:
            tainted = True
            self._command.line("stderr", f'{{"severity": "ERROR", "message": "{_too_slow(self.timeout_s)}"}}')
            return Answer(504, _TEXT, b"upstream request timeout")
        except OSError as error:
            # Its server may be on its way out: another one is taken, unless others are being answered here.
            tainted = not instance.alive or instance.running == 1
            self._command.line("stderr", f'{{"severity": "ERROR", "message": "{_ended(error)}"}}')
            return Answer(503, _TEXT, b"upstream connect error or disconnect/reset before headers")
        except asyncio.CancelledError:
            tainted = True
            raise
        finally:
            await asyncio.shield(self._release(instance, tainted=tainted))

    async def stop(self, *, at_once: bool = False) -> None:
        self._stopped = True
        found, self._instances = self._instances, []
        await asyncio.gather(*(instance.stop(at_once=at_once) for instance in found))

    async def drain(self) -> None:
        """Ends as soon as the requests that run here are answered."""
        deadline = time.monotonic() + self.timeout_s
        while any(instance.running for instance in self._instances) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await self.stop()

    async def _acquire(self) -> Instance:
        async with self._free:
            if not self._instances and not self._coming:
                self._grow()
            async with asyncio.timeout(max(self.timeout_s, instances.START_TIMEOUT_S)):
                while True:
                    self._instances = [each for each in self._instances if each.alive]
                    free = [each for each in self._instances if each.running < self._concurrency]
                    if free:
                        chosen = min(free, key=lambda each: each.running)
                        chosen.running += 1
                        return chosen
                    if self._failure is not None and not self._instances and not self._coming:
                        failure, self._failure = self._failure, None
                        raise failure
                    try:
                        # Not wait_for, which on 3.11 waits in a task of its own: that keeps the lock for ever where
                        # the request is given up at the wrong moment.
                        async with asyncio.timeout(PATIENCE_S):
                            await self._free.wait()
                    except TimeoutError:
                        if not self._coming and len(self._instances) < self._most:
                            self._grow()

    def _grow(self) -> None:
        self._coming += 1
        self._growing = asyncio.create_task(self._more())

    async def _more(self) -> None:
        try:
            await self._begin()
        except StartFailure as failure:
            self._failure = failure
        finally:
            async with self._free:
                self._coming -= 1
                self._free.notify_all()

    async def _begin(self) -> None:
        async with self._starting:
            instance = await instances.start(self._command)
        if self._stopped:
            await instance.stop(at_once=True)
            return
        self._instances.append(instance)

    async def _release(self, instance: Instance, *, tainted: bool) -> None:
        instance.running -= 1
        instance.used = time.monotonic()
        if tainted and instance in self._instances:
            self._instances.remove(instance)
            await instance.stop(at_once=True)
        async with self._free:
            self._free.notify_all()
        if len(self._instances) > 1 and not self._stopped:
            asyncio.get_running_loop().call_later(IDLE_S, self._shrink)

    def _shrink(self) -> None:
        """Ends the instances that a burst needed; one stays."""
        idle = [each for each in self._instances[1:] if not each.running and time.monotonic() - each.used > IDLE_S / 2]
        for instance in idle:
            self._instances.remove(instance)
        self._ending = asyncio.gather(*(instance.stop() for instance in idle))


def _too_slow(timeout_s: float) -> str:
    return f"The request has been terminated because it has reached the maximum request timeout of {timeout_s:g}s."


def _ended(error: OSError) -> str:
    return f"The request failed because the instance ended or reset the connection: {type(error).__name__}"
