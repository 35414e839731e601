"""Cloud: a running app as a test sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, cast

from ..app import App
from ..deploy import DeadLetter
from ..errors import ConfigError
from ..event_json import from_dict
from ..events import Event, Message
from ..http import Request
from ..provider import LogLine, Simulator
from ..resources import Bucket, Queue, Resource, Secret, Table, Topic
from ..samples import check_event
from ..suggest import nearest
from .client import Client, over_socket, past_auth

R = TypeVar("R", bound=Resource)


class Cloud:
    """An app running on a provider, empty at the start of each test.

    The app's own objects (`from photos.app import uploads`) are bound to it as well, with every right.
    """

    def __init__(self, app: App, provider: str, simulator: Simulator) -> None:
        self.app = app
        self.provider = provider
        self.simulator = simulator
        self._read: set[tuple[str, str]] = set()

    def bucket(self, name: str) -> Bucket:
        """The declared bucket. Raises ConfigError where there is none; so do the others."""
        return self._declared(Bucket, name)

    def table(self, name: str) -> Table[dict[str, Any]]:
        return cast("Table[dict[str, Any]]", self._declared(Table, name))

    def queue(self, name: str) -> Queue:
        return self._declared(Queue, name)

    def topic(self, name: str) -> Topic:
        return self._declared(Topic, name)

    def secret(self, name: str) -> Secret:
        return self._declared(Secret, name)

    def client(self, api: str = "http", *, claims: Mapping[str, Any] | None = None) -> Client:
        """A client of an api, over a real socket; with `claims` past its `auth`, as if that had found them."""
        if api not in self.app.apis:
            raise ConfigError(f"app {self.app.app_name!r} has no api {api!r}{nearest(api, self.app.apis)}")
        if claims is None:
            return over_socket(self.simulator.endpoint(api))
        return past_auth(lambda request: self.simulator.request(api, request), claims)

    def settle(self, timeout_s: float = 30) -> None:
        """Returns when no event is in flight: each is handled or a dead letter. Else TimeoutError names the rest."""
        self.simulator.settle(timeout_s)

    def invoke(self, function: str, event: Event | None = None) -> Any:
        """Runs a handler once with this event (an empty Message without one), past its inbox; returns what it returns.

        For an api, the event is a Request and the result a Response. Raises InvalidEvent for an event that its trigger
        never brings, FaaSBridgeError where the handler raised.
        """
        triggers = {name: declared.trigger for name, declared in self.app.functions.items()}
        triggers.update(dict.fromkeys(self.app.apis, "http"))
        self._check_function(function, triggers)
        given = Message() if event is None else event
        check_event(function, triggers[function], given)
        if isinstance(given, Request):
            return self.simulator.request(function, given)
        return self.simulator.invoke(function, given)

    def dead_letters(self, function: str) -> list[Message]:
        """What this handler could not handle; it counts as read now. `native` is the DeadLetter: reason, attempts.

        They are the events as the handler got them: BlobEvents of a bucket's handler, Changes of a table's.
        """
        self._check_function(function, self.app.functions)
        letters = self.simulator.dead_letters(function)
        self._read.update((function, letter.id) for letter in letters)
        events = []
        for letter in letters:
            event = from_dict(letter.event)
            event.native = letter
            events.append(event)
        return cast("list[Message]", events)

    def unread_dead_letters(self) -> list[tuple[str, DeadLetter]]:
        """Function and dead letter, of those that no call of `dead_letters` has shown."""
        ask = getattr(self.simulator, "with_dead_letters", None)  # where that is quicker than to look into each
        return [
            (name, letter)
            for name in (self.app.functions if ask is None else ask(self.app.functions))
            for letter in self.simulator.dead_letters(name)
            if (name, letter.id) not in self._read
        ]

    def set_secret(self, name: str, value: str) -> None:
        """Sets a declared secret, for this test."""
        self.secret(name)._cached = None
        self.simulator.set_secret(name, value)

    def logs(self, function: str | None = None) -> list[LogLine]:
        """What the functions wrote since the test began."""
        if function is not None:
            self._check_function(function, {*self.app.functions, *self.app.apis})
        return [line for line in self.simulator.logs() if function is None or line.function == function]

    def _declared(self, kind: type[R], name: str) -> R:
        found = self.app.resources.get((kind.kind, name))
        if found is None:
            names = [known for of_kind, known in self.app.resources if of_kind == kind.kind]
            raise ConfigError(f"app {self.app.app_name!r} has no {kind.kind} {name!r}{nearest(name, names)}")
        return cast("R", found)

    def _check_function(self, name: str, known: Collection[str]) -> None:
        if name not in known:
            raise ConfigError(f"app {self.app.app_name!r} has no function {name!r}{nearest(name, known)}")
