"""The simulators of a test session: each is started when the first test asks for it, and all are stopped at the end."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from ..app import App
from ..provider import Simulator
from .cloud import Cloud


class Running:
    """An app, its simulator started, and how many bytes a message may have."""

    def __init__(self, app: App, provider: str, simulator: Simulator, message_bytes: int | None) -> None:
        self.app = app
        self.provider = provider
        self.simulator = simulator
        self.message_bytes = message_bytes


_running: dict[Hashable, Running | BaseException] = {}


def running(key: Hashable, start: Callable[[], Running]) -> Running:
    """What runs under that key, started at the first call. What failed to start is not tried again for every test."""
    if key not in _running:
        if not _running:
            atexit.register(stop_all)  # pytest's own end may not come: a second Ctrl-C, a crashed plugin
        try:
            _running[key] = start()
        except Exception as error:  # noqa: BLE001 - each test that needs it reports it
            _running[key] = error
    found = _running[key]
    if isinstance(found, BaseException):
        raise found
    return found


def started(app: App, provider: str, simulator: Simulator, message_bytes: int | None) -> Running:
    """Starts a simulator; where that fails, what it left is stopped."""
    try:
        simulator.start()
    except BaseException:
        simulator.stop()
        raise
    return Running(app, provider, simulator, message_bytes)


@contextmanager
def fresh(run: Running) -> Iterator[Cloud]:
    """The cloud of one test: everything in it empty, the app's resources bound to it."""
    run.simulator.reset()
    app = run.app
    before = app.bound, app.message_bytes
    app.bound, app.message_bytes = run.simulator.bind(app), run.message_bytes
    try:
        yield Cloud(app, run.provider, run.simulator)
    finally:
        app.bound, app.message_bytes = before


def stop_all() -> None:
    """Stops every simulator, even where stopping one fails. Raises the first fault."""
    faults = []
    while _running:
        run = _running.popitem()[1]
        if isinstance(run, Running):
            try:
                run.simulator.stop()
            except Exception as error:  # noqa: BLE001 - the others must still be stopped
                faults.append(error)
    atexit.unregister(stop_all)
    if faults:
        raise faults[0]
