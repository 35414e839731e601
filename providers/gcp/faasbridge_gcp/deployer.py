"""One app and stage in one project and region. Its parts are in `deploying/`:

    reading -> kinds, functions, storage, tables, policies    what is there, by label, through Google's own clients
    planning                                                  what would be done: the template against what is there
    rollout -> overtaking, artifacts, draining                doing it: type by type, in the table's order
    teardown                                                  undoing it: a roll-out of nothing
    letters, logs, invoking, secrets                          looking after what is there

The project is all the state there is: labels and descriptions say which app, stage and declared thing it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from faasbridge.app import App
from faasbridge.deploy import DeadLetter, Outcome, Plan, Progress
from faasbridge.errors import ConfigError
from faasbridge.events import Event
from faasbridge.http import Request
from faasbridge.provider import Artifact, LogLine, Stage
from faasbridge.resources import Resource
from faasbridge.spec import AppSpec
from faasbridge.suggest import nearest

from .deploying import invoking, logs, secrets
from .deploying.connection import Cloud, faults
from .deploying.kinds import Found
from .deploying.letters import Inbox, Letters
from .deploying.planning import Planner
from .deploying.reading import Current, Reader, named
from .deploying.rollout import Rollout
from .deploying.teardown import Teardown
from .drivers.clients import Clients
from .template import names

_EMPTY_ANSWERS = 2
_AT_A_TIME = 8


class GcpDeployer:
    """Implements `provider.Deployer`. Google's faults arrive as DeployError, with Google's as the cause.

    `tries`: how often Pub/Sub is asked again for dead letters where it had none; 0 where one server has them all, as in
    a simulator, whose messages nobody waits for either.
    """

    def __init__(self, stage: Stage, clients: Clients, *, tries: int = _EMPTY_ANSWERS) -> None:
        self._stage = stage
        self._tries = tries
        self._cloud = cloud = Cloud(stage, clients)
        self._known: Current | None = None
        self._lazy: tuple[Reader, Planner, Rollout, Teardown] | None = None
        self._clients = cloud.clients

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        with faults():
            return self._parts[1].plan(spec, artifact)

    def apply(self, plan: Plan) -> Iterator[Progress]:
        with faults():
            try:
                yield from self._parts[2].apply(plan)
            finally:
                self._known = None

    def outcome(self) -> Outcome:
        with faults():
            endpoints = {
                self._name(each): each.details["url"].rstrip("/")
                for each in self._functions()
                if each.owner["kind"] == "api" and each.details["url"]
            }
            outputs = {"project": self._cloud.project, "region": self._cloud.region}
            return Outcome(self._stage.app, self._stage.name, "gcp", endpoints, outputs)

    def destroy(self, *, delete_data: bool = False) -> Iterator[Progress]:
        with faults():
            try:
                yield from self._parts[3].destroy(delete_data=delete_data)
            finally:
                self._known = None

    def status(self) -> Mapping[str, Any]:
        with faults():
            where = {"project": self._cloud.project, "region": self._cloud.region}
            self._known = None
            if not self._current.resources:
                return {"deployed": False, **where}
            functions = self._functions()
            with ThreadPoolExecutor(_AT_A_TIME) as pool:  # an empty subscription lets each wait for a while
                found = pool.map(self._status_of, functions)
                of_name = {self._name(each): status for each, status in zip(functions, found, strict=True)}
            return {"deployed": True, **where, "functions": of_name}

    def logs(self, function: str | None, *, since_s: float, follow: bool) -> Iterator[LogLine]:
        with faults():
            found = self._functions() if function is None else [self._function(function)]
            services = {each.name.rpartition("/")[2]: self._name(each) for each in found}
            yield from logs.read(self._cloud, services, since_s=since_s, follow=follow)

    def invoke(
        self, function: str, event: Event, *, wait: bool = True, log: Callable[[LogLine], None] | None = None
    ) -> Any:
        """Without `wait` the event goes through the inbox. Google Cloud gives no log lines with an answer."""
        with faults():
            found = self._function(function)
            if not wait and not isinstance(event, Request):
                invoking.send(self._cloud, self.inbox(function), self._name(found), event)
                return None
            pusher = names.account(names.PUSHER_NAME, self._stage)
            result = invoking.invoke(
                self._cloud,
                found.details["url"],
                function,
                event,
                pusher=self._cloud.resolved(pusher),
                key=self._cloud.resolved(names.secret_name("invoke-key", self._stage)),
            )
            return result if wait else None

    def dead_letters(self, function: str) -> list[DeadLetter]:
        with faults():
            return self._letters(function).listed()

    def replay(self, function: str, ids: Iterable[str] | None = None) -> int:
        with faults():
            return self._letters(function).replay(None if ids is None else set(ids))

    def purge(self, function: str, ids: Iterable[str] | None = None) -> int:
        with faults():
            return self._letters(function).purge(None if ids is None else set(ids))

    def set_secret(self, name: str, value: str) -> None:
        with faults():
            secrets.set_value(self._cloud, self._main("secret", name).name, value)

    def unset_secret(self, name: str) -> None:
        with faults():
            secrets.unset_value(self._cloud, self._main("secret", name).name)

    def secrets(self) -> Mapping[str, bool]:
        with faults():
            return {
                each.owner["name"]: secrets.has_value(self._cloud, each.name)
                for each in self._current.of_type("secretmanager.secret")
                if each.owner["kind"] == "secret"
            }

    def bind(self, app: App) -> Callable[[Resource], Any]:
        from faasbridge.plugins import kits

        from .bind import drivers_for
        from .kits import BUILT_IN

        with faults():
            addresses = self._addresses(app)
        more = {kind: kit.driver for kind, kit in kits("gcp").items() if kind not in BUILT_IN}
        return drivers_for(app.app_name, self._stage.name, addresses, self._clients, more)

    def _addresses(self, app: App) -> dict[tuple[str, str], str]:
        """As functions find them in their environment, of what is deployed."""
        from faasbridge.adapter.binding import variable
        from faasbridge.pipeline import template as synthesize

        spec = app.spec()
        template = self._parts[1].resolved(synthesize(spec, self._stage), None)
        there = {each.name for each in self._current.resources.values()}
        found = {}
        for each in spec.resources:
            made = template["resources"].get(names.logical_id(each.kind, each.name))
            address = template["addresses"].get(variable(each.kind, each.name))
            if address and (each.existing or (made is not None and made["name"] in there)):
                found[each.kind, each.name] = address
                if each.kind == "bucket":
                    self._clients.signers.update(self._signers(spec, each.name, address))
        return found

    def _signers(self, spec: AppSpec, bucket: str, address: str) -> Mapping[tuple[str, str], str]:
        """URLs are signed in the name of a function that may itself do what they allow."""
        found = {}
        for method, operations in (("GET", ("sign_get", "get", "copy")), ("PUT", ("sign_put", "put", "copy"))):
            for operation in reversed(operations):
                for function in sorted(spec.functions, key=lambda each: each.name, reverse=True):
                    if any((r.kind, r.name, r.operation) == ("bucket", bucket, operation) for r in function.rights):
                        found[address, method] = self._cloud.resolved(names.account(function.name, self._stage))
        return found

    @property
    def _parts(self) -> tuple[Reader, Planner, Rollout, Teardown]:
        """Made on first use: they need credentials."""
        if self._lazy is None:
            reader = Reader(self._cloud, self._stage)
            planner = Planner(self._cloud, self._stage, reader)
            rollout = Rollout(self._cloud, self._stage, reader, planner, settles=bool(self._tries))
            self._lazy = reader, planner, rollout, Teardown(self._cloud, self._stage, reader, planner, rollout)
        return self._lazy

    @property
    def _current(self) -> Current:
        if self._known is None:
            self._known = self._parts[0].read(policies=False)
        return self._known

    def _functions(self) -> list[Found]:
        """Those of the app, in the stage's region; a forwarder is none."""
        here = f"{self._cloud.parent}/"
        found = self._current.of_type("functions.function")
        return [each for each in found if each.details["function"] and each.name.startswith(here)]

    def _name(self, function: Found) -> str:
        return function.details["function"]

    def _function(self, name: str) -> Found:
        return self._found(name, {self._name(each): each for each in self._functions()}, "function")

    def _main(self, kind: str, name: str) -> Found:
        every = [each for each in self._current.resources.values() if each.owner["kind"] == kind]
        found = {each.owner["name"]: each for each in every if named([each], kind, each.owner["name"])}
        return self._found(name, found, kind)

    def _found(self, name: str, found: Mapping[str, Found], kind: str) -> Found:
        """Raises ConfigError."""
        if name in found:
            return found[name]
        if not self._current.resources:
            raise ConfigError(
                f"{self._stage.app} is not deployed at stage {self._stage.name!r} in {self._cloud.project}, "
                f"{self._cloud.region}: `faasbridge deploy --provider gcp` does that"
            )
        raise ConfigError(f"the deployment has no {kind} {name!r}{nearest(name, list(found))}; deploy it first")

    def inbox(self, function: str) -> Inbox:
        """Raises ConfigError for a function that no topic feeds, such as an api's."""
        url = self._function(function).details["url"]
        subscriptions = self._current.of_type("pubsub.subscription")
        topics = {each.name: each for each in self._current.of_type("pubsub.topic")}
        for each in subscriptions:
            if (each.body.get("pushConfig") or {}).get("oidcToken", {}).get("audience") == url:
                dead = (each.body.get("deadLetterPolicy") or {}).get("deadLetterTopic")
                if dead is None:
                    raise ConfigError(
                        f"the subscription {each.name} has lost its dead-letter policy, so what {function!r} cannot "
                        "handle comes again and again: `faasbridge deploy --provider gcp` gives it back"
                    )
                waiting = [s for s in subscriptions if s.body["topic"] == dead and not s.body.get("pushConfig")]
                owner = topics[each.body["topic"]].owner if each.body["topic"] in topics else each.owner
                return Inbox(
                    each.name,
                    f"queue:{each.owner['name']}" if each.owner["kind"] == "queue" else f"function:{function}",
                    each.body["topic"],
                    waiting[0].name if waiting else None,
                    owner["kind"] in ("queue", "topic") or each.owner["kind"] == "queue",
                    bool(each.body.get("filter")),
                )
        raise ConfigError(f"function {function!r} has no inbox, so no dead letters: its caller sees the failure")

    def _letters(self, function: str) -> Letters:
        buckets = self._current.of_type("storage.bucket")
        known = {each.name.rpartition("/")[2]: each.owner["name"] for each in buckets}
        return Letters(
            self._cloud, self.inbox(function), function, lambda physical: known.get(physical, physical), self._tries
        )

    def _status_of(self, function: Found) -> dict[str, Any]:
        config = function.body.get("serviceConfig") or {}
        found = {
            "state": function.state.lower(),
            "changed": function.body.get("updateTime", ""),
            "memory": config.get("availableMemory", ""),
            "runtime": (function.body.get("buildConfig") or {}).get("runtime", ""),
        }
        try:
            letters = self._letters(self._name(function)).listed()
        except ConfigError:
            return found
        return {**found, "dead letters": len(letters)}
