"""The local cloud's server: one app and stage, in the foreground for `dev`, detached for `deploy --provider local`.

python -m faasbridge.local.server --project DIR --stage S --port P [--test] [--detached]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..provider import Stage
from ..spec import AppSpec
from . import control, signing
from .access import Shown
from .control import Control
from .engine import Engine
from .logs import LogFiles
from .options import DEFAULT_PORT, check_settings
from .pool import Pool
from .reading import read_first, read_next
from .records import Invocation, Notice, iso
from .release import Release, Source
from .schedules import Schedules
from .stages import stage_from_json
from .state import Lock, Running, dev_folder, make_folder
from .storage import Storage, unknown
from .store import Store, shared
from .web import ApiApp, Asgi, HttpServer, Receive, Scope, Send, listen

GRACE_S = 4.0


class LocalServer:
    """Runs an app. `on_event` is told of every invocation and of what else a terminal shows; it must not block.

    All of it lives in the running event loop. `start` raises ConfigError for an app that cannot be loaded, a wrong
    setting, a port or a state folder that is taken.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        folder: Path,
        port: int = DEFAULT_PORT,
        exact_port: bool = True,
        test: bool = False,
        fresh: bool = True,
        project: Path | None = None,
        on_event: Callable[[Invocation | Notice], None] | None = None,
    ) -> None:
        self.stage = stage
        self.folder = folder
        self.port = port
        self._exact_port = exact_port
        self.test = test
        self.pid = os.getpid()
        self.token = secrets.token_urlsafe(24)
        self.stopping = asyncio.Event()
        self.read_at = 0.0  # when the reading of the code began, in seconds since the epoch
        self._source = Source(stage, folder, fresh)
        self._project = project or stage.root  # where `.env` is
        self._on_event = on_event or (lambda event: None)
        self._lock = Lock(folder)
        self._apis: dict[str, ApiApp] = {}
        self._http: dict[str, HttpServer] = {}
        self._reloading = asyncio.Lock()
        self.engine: Engine
        self._store: Store

    @property
    def urls(self) -> dict[str, str]:
        """Root URLs by the names of apis; the first is where the app is."""
        return {name: server.url for name, server in self._http.items()}

    def api(self, name: str) -> ApiApp:
        if name not in self._apis:
            raise ConfigError(f"no api {name!r}; there are {', '.join(self._apis)}")
        return self._apis[name]

    async def start(self) -> None:
        """Returns when the app answers."""
        check_settings(self.stage)
        make_folder(self.folder)
        self._lock.acquire()
        try:
            first = listen(self.port, exact=self._exact_port)
            try:
                await self._start(first)
            except BaseException:
                first.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    async def _start(self, first: Any) -> None:
        self._store = await asyncio.to_thread(shared, self.folder)
        await asyncio.to_thread(self._prepare_store)
        self._logs = LogFiles(self.folder)
        self.engine = Engine(self._store, self._logs, test=self.test, tell=self.tell)
        self.engine.start()
        try:
            self.read_at = time.time()
            release, ready = await read_first(self.engine, self._source)
            await self._swap(release, ready)
        except BaseException:
            await self.engine.stop(0)
            self._logs.close()
            raise
        self._storage = Storage(self._store, release.spec.name, self.stage.name)
        self._control = Control(self)
        self._schedules = Schedules(self.engine, test=self.test)
        names = [f.name for f in release.spec.functions if f.trigger.kind == "http"]
        # The first port is there for the storage and control endpoints even where the app has no routes.
        self._http["http"] = HttpServer(self._api_app("http"), first)
        for name in names:
            if name not in self._http:
                self._http[name] = HttpServer(self._api_app(name), listen(self._next_port(), exact=False))
        self._apply(release)
        for server in self._http.values():
            await server.start()
        self._write_run()

    async def stop(self) -> None:
        """Finishes what runs, for some seconds; leaves no process behind."""
        await self._schedules.stop()
        await asyncio.gather(*(server.stop() for server in self._http.values()))
        await self.engine.stop(GRACE_S)
        self._storage.close()
        self._logs.close()
        self._lock.release()

    def ask_to_stop(self) -> None:
        """Whoever runs this server waits for `stopping`."""
        self.stopping.set()

    async def reload(self, stage: Stage | None = None) -> str:
        """The new code answers when this returns; what runs on the old code finishes there.

        Returns what is wrong where the new code cannot be loaded; the old code stays.
        """
        async with self._reloading:
            loop = asyncio.get_running_loop()
            began = loop.time()
            self.read_at = time.time()
            source = self._release.source if stage is None else Source(stage, self.folder, self._release.source.fresh)
            try:
                check_settings(source.stage)
                release, ready = await read_next(self.engine, self._release, source)
            except ConfigError as error:
                self.tell(Notice("broken", str(error), detail=getattr(error, "traceback", "")))
                return str(error)
            await self._swap(release, ready)
            await self._new_apis(release)
            self._apply(release)
            self.tell(Notice("reloaded", release.spec.name, ms=(loop.time() - began) * 1000))
            return ""

    async def set_secret(self, name: str, value: str | None) -> None:
        from .secrets import set_secret, unset_secret

        if value is None:
            await asyncio.to_thread(unset_secret, self.folder, name)
        else:
            await asyncio.to_thread(set_secret, self.folder, name, value)

    async def status(self) -> dict[str, Any]:
        engine = self.engine
        assert engine.spec is not None
        inboxes = {f.name: f.inbox for f in engine.spec.functions if f.inbox}
        pending = await engine.in_store(self._store.pending, [i for i in inboxes.values() if i])
        return {
            "app": engine.spec.name,
            "stage": self.stage.name,
            "pid": self.pid,
            "apis": self.urls,
            "functions": {
                f.name: {
                    "trigger": f.trigger.kind,
                    "resource": f.trigger.resource,
                    "workers": len(engine.pools[f.name].workers),
                    "pending": pending.get(f.inbox or "", 0),
                    "broken": (engine.pools[f.name].broken or {}).get("message", ""),
                }
                for f in engine.spec.functions
            },
        }

    @property
    def spec(self) -> AppSpec:
        assert self.engine.spec is not None
        return self.engine.spec

    def _prepare_store(self) -> None:
        self._store.set_meta("root", str(self._project))
        self._store.sweep_orphans()

    def _apply(self, release: Release) -> None:
        for app in self._apis.values():
            app.max_bytes = release.limits.http_request_bytes
            app.max_response = release.limits.http_response_bytes
        self._schedules.use(release.spec)

    async def _swap(self, release: Release, ready: dict[str, Pool]) -> None:
        await self.engine.swap(release, ready)
        self._release = release
        await self.engine.in_store(self._store.set_meta, "manifest", release.spec.to_json())

    async def _new_apis(self, release: Release) -> None:
        names = {f.name for f in release.spec.functions if f.trigger.kind == "http"} | {"http"}
        for name in names - set(self._http):
            server = HttpServer(self._api_app(name), listen(self._next_port(), exact=False))
            await server.start()
            self._http[name] = server
        for name in set(self._http) - names:
            await self._http.pop(name).stop()
            self._apis.pop(name, None)
        self._write_run()

    def _api_app(self, name: str) -> Asgi:
        app = self._apis[name] = ApiApp(self.engine, name, self._internal)
        return Shown(app, name, self.tell)

    def _next_port(self) -> int:
        return self.port + 1 if 0 < self.port < 65535 else 0

    async def _internal(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"]
        if path.startswith(control.PREFIX.encode()):
            await self._control(scope, receive, send)
        elif path.startswith(signing.PREFIX.encode()):
            await self._storage(scope, receive, send)
        else:
            await unknown(scope, receive, send)

    def _write_run(self) -> None:
        Running(self.pid, self.urls, self._http["http"].url, self.token, iso(time.time())).write(self.folder)

    def tell(self, event: Invocation | Notice) -> None:
        self._on_event(event)


async def serve(server: LocalServer, *, attached: bool = False) -> None:
    """Runs until SIGTERM, SIGINT, the control API or, attached, the end of standard input ends it."""
    loop = asyncio.get_running_loop()
    if attached:

        def read() -> None:
            if not os.read(0, 4096):
                loop.remove_reader(0)
                server.ask_to_stop()

        loop.add_reader(0, read)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.ask_to_stop)
    await server.start()
    try:
        await server.stopping.wait()
    finally:
        await server.stop()


def run(main: Any) -> None:
    """`asyncio.run` on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faasbridge.local.server")
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--test", action="store_true", help="retries are immediate, schedules do not fire")
    parser.add_argument("--detached", action="store_true", help="runs a release that does not change")
    parser.add_argument("--attached", action="store_true", help="ends when standard input is closed")
    parser.add_argument("--folder", type=Path, help="the state folder")
    parser.add_argument("--stage-json", help="a stage's settings, instead of --project and --stage")
    given = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a reason may have letters that the locale has not
    try:
        if given.stage_json:
            stage = stage_from_json(given.stage_json)
        else:
            from ..config import Project

            stage = Project.load(given.project).stage(given.stage, "local")
        folder = given.folder or dev_folder(stage.root, stage.name)
        server = _make(stage, folder.absolute(), given)
        run(serve(server, attached=given.attached))
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def _make(stage: Stage, folder: Path, given: argparse.Namespace) -> LocalServer:
    """A server that prints one line an event, for the log of a detached one."""

    def tell(event: Invocation | Notice) -> None:
        with contextlib.suppress(OSError):
            if isinstance(event, Invocation):
                reason = f": {event.reason}" if event.reason else ""
                print(
                    f"{event.function}  {event.trigger}  {event.ms:.1f} ms  {event.outcome}{reason}  {event.id}",
                    flush=True,
                )
            else:
                print(f"{event.kind}  {event.function}  {event.text}", flush=True)

    project = Path(given.project).absolute() if given.detached else None
    return LocalServer(
        stage,
        folder=folder,
        port=given.port,
        test=given.test,
        fresh=not given.detached,
        project=project,
        on_event=None if given.test else tell,
    )


if __name__ == "__main__":
    main()
