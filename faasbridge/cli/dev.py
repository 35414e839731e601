"""`faasbridge dev`: runs the app on this machine, shows each invocation as it happens, and reloads what is saved."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from io import TextIOWrapper
from time import monotonic, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .dev_view import View
from .faults import UsageError
from .options import Session, session

if TYPE_CHECKING:
    import asyncio

    from ..local.server import LocalServer
    from ..provider import Simulator, Stage

LOG_POLL_S = 0.2
# `uv run` and process managers pass a signal on to a process that gets it by its group as well: that is one Ctrl-C.
PATIENCE_S = 1.0


@session(target=True, path=True)
def command(
    session: Session,
    *,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=0, max=65535, help="Of the first api; 0 takes a free one."),
    ] = None,
    reload: Annotated[bool, typer.Option("--reload/--no-reload", help="Run what is saved at once.")] = True,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep a simulator's state for the next start; local always does."),
    ] = False,
) -> None:
    """Run the app on this machine, with live reload."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a handler may print what the terminal has no letters for
    stage = session.target.stage
    view = View(session.out, stage)
    if session.provider_name == "local":
        from ..local.server import run

        run(_local(session, stage, view, port, reload))
        ended = True
    else:
        if port is not None:
            raise UsageError(
                f"--port is for the local provider; the simulator of {session.provider_name!r} takes a free one"
            )
        simulator = session.target.simulator()
        if keep:
            if not hasattr(simulator, "keep"):
                raise UsageError(f"the simulator of {session.provider_name!r} cannot keep its state")
            simulator.keep = True
        ended = _simulated(simulator, session, view, reload=reload)
    view.stopped()
    if not ended:
        # A vendor's client asks a simulator that is gone for many minutes, in threads that Python waits for.
        sys.stdout.flush()
        os._exit(0)


async def _local(session: Session, stage: Stage, view: View, port: int | None, reload: bool) -> None:
    import asyncio

    from ..local.options import port_of
    from ..local.server import LocalServer
    from ..local.state import dev_folder

    server = LocalServer(
        stage,
        folder=dev_folder(stage.root, stage.name),
        port=port_of(stage) if port is None else port,
        on_event=view.event,
    )
    loop = asyncio.get_running_loop()
    ask_to_stop = _ask_to_stop(server, view)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
    starting = asyncio.create_task(server.start())
    stopping = asyncio.create_task(server.stopping.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    await starting  # a stop that comes meanwhile waits: half a server cannot be stopped cleanly
    watching: asyncio.Task[None] | None = None
    try:
        view.started(server.spec, server.urls, reload=reload)
        if reload:
            from ..local.watch import watch

            watching = asyncio.create_task(watch(server, session.app_ref))
        await stopping
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await server.stop()


def _ask_to_stop(server: LocalServer, view: View) -> Callable[[], None]:
    asked: list[float] = []

    def stop() -> None:
        if asked and monotonic() - asked[0] > PATIENCE_S:  # the workers end with this process
            os._exit(130)
        if not asked:
            asked.append(monotonic())
            server.ask_to_stop()  # first: nobody may be there any more to read what follows
            view.stopping()

    return stop


def _simulated(simulator: Simulator, session: Session, view: View, *, reload: bool) -> bool:
    """The provider's simulator, until Ctrl-C. It tells of invocations where it can; its log is shown anyway.

    Whether all that it began has ended: a deployment of what was saved may go on.
    """
    ended = threading.Event()
    reloading: _Reloading | None = None
    before = [signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)]
    if hasattr(simulator, "on_event"):
        simulator.on_event = view.event
    try:
        read_at = time()
        with session.out.progress(f"starting the simulator of {session.provider_name}"):
            simulator.start()
        spec = session.target.spec()
        apis = [function.name for function in spec.functions if function.trigger.kind == "http"]
        reload = reload and hasattr(simulator, "update")
        view.started(spec, {api: simulator.endpoint(api) for api in apis}, reload=reload)
        if reload:
            reloading = _Reloading(simulator, session, view, read_at)
        shown = 0
        while not ended.wait(LOG_POLL_S):
            lines = simulator.logs()
            for line in lines[shown:]:
                view.log(line)
            shown = len(lines)
        view.stopping(keeps=getattr(simulator, "keep", False))
    finally:
        if reloading is not None:
            reloading.cancel()
        simulator.stop()
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
        sys.stdout.flush()
    return reloading is None or reloading.ended()


class _Reloading:
    """Deploys what is saved, in a thread of its own until `cancel`."""

    def __init__(self, simulator: Any, session: Session, view: View, since: float) -> None:
        import asyncio

        self._simulator, self._session, self._view, self._since = simulator, session, view, since
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._watch())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)

    def ended(self) -> bool:
        """Gives a deployment that runs some time to find that the simulator is gone."""
        self._thread.join(PATIENCE_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        import asyncio
        from contextlib import suppress

        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _watch(self) -> None:
        import asyncio
        from contextlib import aclosing

        from ..errors import FaaSBridgeError
        from ..local.records import Notice
        from ..local.watch import changes

        try:
            async with aclosing(changes(self._session.target.stage.root, self._since)) as saved:
                async for _ in saved:
                    started = monotonic()
                    try:
                        await asyncio.to_thread(self._simulator.update)
                    except FaaSBridgeError as error:
                        self._view.broken(str(error))
                    else:
                        self._view.event(Notice("reloaded", "", ms=(monotonic() - started) * 1000))
        except FaaSBridgeError as error:
            self._view.broken(str(error))
