"""Reading an app's code into a release that can be swapped in: its spec, and a first worker of each api.

The spec is read in a process of its own. Beside it the first worker of the new code starts already, as the old spec
knows it.
"""

from __future__ import annotations

import asyncio

from ..errors import ConfigError
from ..spec import AppSpec, FunctionSpec
from .engine import Engine
from .pool import Pool, Spares, StartFailure
from .records import Line
from .release import Release, Source, kinds_of, limits_of

READ_TIMEOUT_S = 60.0


class BrokenApp(ConfigError):
    """An app that cannot be loaded; `traceback` without this package's own frames."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


async def read(spares: Spares, source: Source) -> Release:
    """Raises BrokenApp with all that is wrong with the app."""
    try:
        worker = await spares.take()
    except StartFailure as failure:
        raise BrokenApp(str(failure)) from failure
    lines: list[Line] = []
    worker.on_line = lambda _, line: lines.append(line)
    worker.start(source.job(None))
    try:
        found = await asyncio.wait_for(asyncio.shield(worker.loaded), READ_TIMEOUT_S)
    except (ConnectionError, TimeoutError) as error:
        said = "".join(f"\n{line.text}" for line in lines[-20:])
        ended = str(error) or f"no end within {READ_TIMEOUT_S:.0f} s"
        raise BrokenApp(f"importing {source.stage.app_ref}: {ended}{said}") from None
    finally:
        worker.kill()
    if found["t"] == "broken":
        raise BrokenApp(found["message"], found["traceback"])
    spec = AppSpec.from_json(found["body"].decode())
    limits = await asyncio.to_thread(limits_of, source.stage.targets)
    return Release(source, spec, limits, await asyncio.to_thread(kinds_of))


async def read_first(engine: Engine, source: Source) -> tuple[Release, dict[str, Pool]]:
    """Raises BrokenApp."""
    release = await read(engine.spares, source)
    return release, await _warm(engine, release, {})


async def read_next(engine: Engine, current: Release, source: Source) -> tuple[Release, dict[str, Pool]]:
    """What `source` holds now. Raises BrokenApp, with nothing left running."""
    apis = [function for function in current.spec.functions if function.trigger.kind == "http"]
    guess = Release(source, current.spec, current.limits, current.kinds)
    guesses = {f.name: asyncio.create_task(_first_worker(engine, f, guess)) for f in apis[:1]}
    ready: dict[str, Pool] = {}
    try:
        release = await read(engine.spares, source)
    except BaseException:
        for task in guesses.values():
            await _discard(task)
        raise
    functions = {function.name: function for function in release.spec.functions}
    for name, task in guesses.items():
        fits = name in functions and release.job(functions[name]) == guess.job(current.spec.function(name))
        if fits and not await _failed(task):
            ready[name] = task.result()
            ready[name].function = functions[name]
        else:
            await _discard(task)
    return release, await _warm(engine, release, ready)


async def _warm(engine: Engine, release: Release, ready: dict[str, Pool]) -> dict[str, Pool]:
    """A first worker of each api, so that the first request finds one."""
    for function in release.spec.functions:
        if function.trigger.kind == "http" and function.name not in ready:
            try:
                ready[function.name] = await _first_worker(engine, function, release)
            except StartFailure as failure:
                for pool in ready.values():
                    await pool.kill()
                raise BrokenApp(failure.report["message"], failure.report["traceback"]) from failure
    return ready


async def _first_worker(engine: Engine, function: FunctionSpec, release: Release) -> Pool:
    pool = engine.make_pool(function, release)
    await pool.start()
    return pool


async def _failed(task: asyncio.Task[Pool]) -> bool:
    await asyncio.wait([task])
    return task.cancelled() or task.exception() is not None


async def _discard(task: asyncio.Task[Pool]) -> None:
    if not await _failed(task):
        await task.result().kill()
