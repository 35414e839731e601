"""One app and stage as one deployment stack, `<app>-<stage>`, in a resource group. Its parts are in `deploying/`:

    planning -> changes, strangers   what would be done: the template against the one that was sent last, and what-if
    rollout -> vaults, stack, code   doing it: the stack, progress from its operations, then One Deploy to the apps
    teardown -> holdings, vaults     undoing it, unless data is in it
    outputs                          where things are
    letters, logs, invoking, secrets   looking after what is there

The stack and its resources' tags are all the state there is. What a declared thing is made of, the template's metadata
say; where it is, the stack's outputs, or after a failure what they would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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

from .deploying import code, invoking, logs, secrets
from .deploying.connection import Cloud
from .deploying.faults import faults
from .deploying.letters import Inbox, Letters
from .deploying.outputs import outputs
from .deploying.planning import Planner
from .deploying.rollout import Rollout
from .deploying.stack import Stack, is_settled, state_of
from .deploying.teardown import Teardown
from .drivers.clients import Clients


class AzureDeployer:
    """Implements `provider.Deployer`. Azure's faults arrive as DeployError, with the SDK's as the cause."""

    def __init__(self, stage: Stage, clients: Clients) -> None:
        self._stage, self._clients = stage, clients
        self._cloud = cloud = Cloud(stage, clients)
        self._stack = Stack(cloud)
        self._planner = Planner(cloud, self._stack)
        self._rollout = Rollout(cloud, self._planner, self._stack)
        self._teardown = Teardown(cloud, self._stack)
        self._known: dict[str, Any] = {}

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        with faults():
            return self._planner.plan(spec, artifact)

    def apply(self, plan: Plan) -> Iterator[Progress]:
        with faults():
            try:
                yield from self._rollout.apply(plan)
            finally:
                self._known = {}

    def outcome(self) -> Outcome:
        with faults():
            where = {"resource group": self._cloud.group, "subscription": self._cloud.subscription}
            endpoints = {name: str(url).rstrip("/") for name, url in self._output("endpoints").items()}
            return Outcome(self._stage.app, self._stage.name, "azure", endpoints, where)

    def destroy(self, *, delete_data: bool = False) -> Iterator[Progress]:
        with faults():
            try:
                yield from self._teardown.destroy(delete_data=delete_data)
            finally:
                self._known = {}

    def status(self) -> Mapping[str, Any]:
        with faults():
            self._known = {}
            where = {"resource group": self._cloud.group, "subscription": self._cloud.subscription}
            found = self._stack.describe()
            if found is None:
                return {"deployed": False, **where}
            changed = found.system_data.last_modified_at if found.system_data is not None else None
            return {
                "deployed": True,
                "stack": self._stack.name,
                "state": state_of(found),
                "changed": changed.isoformat() if changed else "",
                **where,
                "functions": {name: self._status_of(name, site) for name, site in self._sites.items()},
            }

    def logs(self, function: str | None, *, since_s: float, follow: bool) -> Iterator[LogLine]:
        with faults():
            found = self._sites if function is None else {function: self._site(function)}
            apps = {site.name: name for name, site in found.items()}
            workspace = self._output("places").get("workspace")
            if workspace:
                yield from logs.read(self._cloud, workspace, apps, since_s=since_s, follow=follow)

    def invoke(
        self, function: str, event: Event, *, wait: bool = True, log: Callable[[LogLine], None] | None = None
    ) -> Any:
        """Without `wait` the event goes through the inbox. Azure gives no log lines with an answer."""
        with faults():
            site = self._site(function)
            if not wait and not isinstance(event, Request):
                invoking.send(self._cloud, self.inbox(function).url, function, event)
                return None
            keys = self._known.setdefault("keys", {})
            if site.name not in keys:
                keys[site.name] = invoking.master_key(self._cloud, site)
            result = invoking.invoke(self._cloud, site, keys[site.name], function, event)
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
            secrets.set_value(self._clients, self._address("secret", name), value)

    def unset_secret(self, name: str) -> None:
        with faults():
            secrets.unset_value(self._clients, self._address("secret", name))

    def secrets(self) -> Mapping[str, bool]:
        with faults():
            return {
                name: secrets.has_value(self._clients, address)
                for (kind, name), address in self._addresses.items()
                if kind == "secret"
            }

    def bind(self, app: App) -> Callable[[Resource], Any]:
        from faasbridge.plugins import kits

        from .bind import DRIVERS, drivers_for

        with faults():
            addresses = self._addresses
            self._clients.claims = self._output("places").get("claims") or self._clients.claims
        more = {kind: kit.driver for kind, kit in kits("azure").items() if kind not in DRIVERS}
        return drivers_for(app.app_name, self._stage.name, addresses, self._clients, more)

    def _output(self, name: str) -> Any:
        """Of the stack; empty where there is none."""
        if "outputs" not in self._known:
            self._known["stack"] = self._stack.describe()
            self._known["outputs"] = outputs(self._cloud, self._stack, self._known["stack"])
        return self._known["outputs"].get(name) or {}

    @property
    def _addresses(self) -> dict[tuple[str, str], str]:
        addresses = self._output("addresses")
        names = self._output("names")
        return {(kind, name): addresses[key] for key, (kind, name) in names.items() if addresses.get(key)}

    @property
    def _sites(self) -> Mapping[str, code.Site]:
        """Function -> its function app."""
        if "sites" not in self._known:
            there = {each.name: each for each in code.sites(self._cloud)}
            functions = self._output("functions")
            self._known["sites"] = {name: there[app] for name, app in functions.items() if app in there}
        found: Mapping[str, code.Site] = self._known["sites"]
        return found

    def _site(self, function: str) -> code.Site:
        return self._found(function, self._sites, "function")  # type: ignore[no-any-return]

    def _address(self, kind: str, name: str) -> str:
        found = {each: address for (of, each), address in self._addresses.items() if of == kind}
        return str(self._found(name, found, kind))

    def _found(self, name: str, found: Mapping[str, Any], kind: str) -> Any:
        """Raises ConfigError."""
        if name in found:
            return found[name]
        stack = self._known["stack"]
        if stack is None:
            raise ConfigError(
                f"{self._stage.app} is not deployed at stage {self._stage.name!r} in the resource group "
                f"{self._cloud.group}: `faasbridge deploy --provider azure` does that"
            )
        again = "deploy it first" if is_settled(stack) else "the last one did not end well, so deploy again"
        raise ConfigError(f"the deployment has no {kind} {name!r}{nearest(name, list(found))}; {again}")

    def inbox(self, function: str) -> Inbox:
        """Raises ConfigError for a function that no queue feeds, such as an api's."""
        self._site(function)
        found = self._output("inboxes").get(function)
        if not found:
            raise ConfigError(f"function {function!r} has no inbox, so no dead letters: its caller sees the failure")
        queues = {address: name for (kind, name), address in self._addresses.items() if kind == "queue"}
        queue = queues.get(found["inbox"])
        owner = f"function:{function}" if queue is None else f"queue:{queue}"
        attempts = int(found.get("attempts") or 0)
        url, dead = found["inbox"], found["dead_letters"]
        handled = any(each["inbox"] == dead for each in self._output("inboxes").values())
        return Inbox(url, dead, owner, attempts, of_messages=queue is not None, handled=handled)

    def _letters(self, function: str) -> Letters:
        inbox = self.inbox(function)
        known = {
            address.rpartition("/")[2]: name for (kind, name), address in self._addresses.items() if kind == "bucket"
        }
        self._clients.claims = self._output("places").get("claims") or self._clients.claims
        return Letters(self._cloud, inbox, function, lambda physical: known.get(physical, physical))

    def _status_of(self, function: str, site: code.Site) -> dict[str, Any]:
        runtime = site.config.get("runtime") or {}
        scale = site.config.get("scaleAndConcurrency") or {}
        found: dict[str, Any] = {
            "state": site.state.lower() if site.code else "without code",
            "memory": f"{scale.get('instanceMemoryMB', '')} MB",
            "runtime": f"{runtime.get('name', '')} {runtime.get('version', '')}".strip(),
        }
        inbox = self._output("inboxes").get(function)
        if inbox:
            found["waiting"] = self._depth(inbox["inbox"])
            found["dead letters"] = self._depth(inbox["dead_letters"])
        return found

    def _depth(self, url: str) -> int:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return int(self._clients.queue(url).get_queue_properties().approximate_message_count or 0)
        except ResourceNotFoundError:
            return 0
