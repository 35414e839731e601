"""One app and stage as one CloudFormation stack, `<app>-<stage>`. Its parts are in `deploying/`:

    planning -> changes,       what would be done: the stack's template, tags and code against the wanted ones
            -> existing
    rollout -> artifacts       doing it: artifact, change set, progress from the stack's events, then the code check
            -> stack, code, indexes
    teardown                   undoing it
    letters, logs, invoking, secrets, inboxes, addresses     looking after what is there

The stack is all the state there is. What a declared thing is made of is found in it by the owner that the template
names in each resource's Metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, cast

from faasbridge.app import App
from faasbridge.deploy import DeadLetter, Outcome, Plan, Progress
from faasbridge.errors import ConfigError
from faasbridge.events import Event
from faasbridge.provider import Artifact, LogLine, Stage
from faasbridge.resources import Resource
from faasbridge.spec import AppSpec
from faasbridge.suggest import nearest

from .deploying import code, inboxes, invoking, logs, secrets
from .deploying.addresses import addresses, third_party_drivers
from .deploying.artifacts import Artifacts
from .deploying.connection import Account, Clients, faults
from .deploying.letters import Letters
from .deploying.planning import Planner
from .deploying.rollout import Rollout
from .deploying.stack import Stack, StackResource
from .deploying.teardown import Teardown
from .template import identity
from .template.names import endpoint_output

_THREADS = 8
STACK_NAME_CHARS = 128  # Source: CloudFormation API Reference, CreateStack, StackName


class AwsDeployer:
    """Implements `provider.Deployer`. AWS's faults arrive as DeployError, with botocore's error as the cause.

    `receive_wait_s`: how long SQS may look for dead letters; 0 where one server has them all.
    """

    def __init__(self, stage: Stage, clients: Clients, *, receive_wait_s: int = 1) -> None:
        self._stage = stage
        self._receive_wait_s = receive_wait_s
        self._clients = clients
        account = Account(clients)
        self._account = account
        self._stack = Stack(clients, stack_name(stage), identity(stage))
        artifacts = Artifacts(account, stage)
        self._planner = Planner(account, stage, self._stack, artifacts)
        self._rollout = Rollout(account, self._planner, self._stack, artifacts)
        self._teardown = Teardown(account, stage, self._stack, artifacts)
        self._inboxes: dict[str, inboxes.Inbox] = {}

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        with faults():
            return self._planner.plan(spec, artifact)

    def apply(self, plan: Plan) -> Iterator[Progress]:
        with faults():
            try:
                yield from self._rollout.apply(plan)
            finally:
                self._forget()

    def outcome(self) -> Outcome:
        with faults():
            found = self._stack.describe() or {}
            outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
            endpoints = {
                name: outputs[key].rstrip("/") for name in self._apis() if (key := endpoint_output(name)) in outputs
            }
            return Outcome(
                self._stage.app,
                self._stage.name,
                "aws",
                endpoints,
                {"stack": self._stack.name, "region": self._account.region},
            )

    def destroy(self, *, delete_data: bool = False) -> Iterator[Progress]:
        with faults():
            try:
                yield from self._teardown.destroy(delete_data=delete_data)
            finally:
                self._forget()

    def status(self) -> Mapping[str, Any]:
        with faults():
            found = self._stack.describe()
            if found is None:
                return {"deployed": False, "stack": self._stack.name, "region": self._account.region}
            changed = found.get("LastUpdatedTime") or found.get("CreationTime")
            functions = sorted(self._functions(), key=lambda each: each.owner)
            with ThreadPoolExecutor(_THREADS) as pool:  # half a dozen calls each
                states = list(pool.map(self._status_of, functions))
            return {
                "deployed": True,
                "stack": self._stack.name,
                "state": found["StackStatus"],
                "changed": changed.isoformat() if changed else "",
                "region": self._account.region,
                "functions": {each.owner[1]: state for each, state in zip(functions, states, strict=True)},
            }

    def logs(self, function: str | None, *, since_s: float, follow: bool) -> Iterator[LogLine]:
        with faults():
            names = [each.owner[1] for each in self._functions()] if function is None else [function]
            groups = {self._log_group(name): name for name in names}
            yield from logs.read(self._clients, groups, since_s=since_s, follow=follow)

    def invoke(
        self, function: str, event: Event, *, wait: bool = True, log: Callable[[LogLine], None] | None = None
    ) -> Any:
        with faults():
            found = self._function(function)
            aliases = [
                r.physical_id for r in self._resources if (r.type, r.owner) == ("AWS::Lambda::Alias", found.owner)
            ]
            name = aliases[0] if aliases else found.physical_id
            return invoking.invoke(self._clients, name, function, event, wait=wait, log=log)

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
            secrets.set_value(self._clients, self._main("secret", name).physical_id, value)

    def unset_secret(self, name: str) -> None:
        with faults():
            secrets.unset_value(self._clients, self._main("secret", name).physical_id)

    def secrets(self) -> Mapping[str, bool]:
        with faults():
            return {
                each.owner[1]: secrets.has_value(self._clients, each.physical_id)
                for each in self._resources
                if each.type == "AWS::SecretsManager::Secret"
            }

    def bind(self, app: App) -> Callable[[Resource], Any]:
        from .bind import drivers_for

        with faults():
            found = addresses(self._account, self._stage, app, self._resources)
        drivers: Callable[[Resource], Any] = drivers_for(
            app.app_name, self._stage.name, found, cast("Any", self._clients), third_party_drivers()
        )
        return drivers

    def _forget(self) -> None:
        """What was read of the deployment, after it changed."""
        self.__dict__.pop("_resources", None)
        self._inboxes.clear()

    @cached_property
    def _resources(self) -> list[StackResource]:
        return self._stack.resources()

    def _functions(self) -> list[StackResource]:
        return [each for each in self._resources if each.type == "AWS::Lambda::Function"]

    def _apis(self) -> list[str]:
        return list(dict.fromkeys(each.owner[1] for each in self._resources if each.owner[0] == "api"))

    def _function(self, name: str) -> StackResource:
        return self._found(name, {each.owner[1]: each for each in self._functions()}, "function")

    def _main(self, kind: str, name: str) -> StackResource:
        found = {each.owner[1]: each for each in self._resources if each.owner[0] == kind and not each.is_part}
        return self._found(name, found, kind)

    def _found(self, name: str, found: Mapping[str, StackResource], kind: str) -> StackResource:
        """Raises ConfigError."""
        if name in found:
            return found[name]
        if not self._resources:
            raise ConfigError(
                f"{self._stage.app} is not deployed at stage {self._stage.name!r} in {self._account.region}: "
                f"`faasbridge deploy --provider aws` does that"
            )
        raise ConfigError(f"the deployment has no {kind} {name!r}{nearest(name, list(found))}; deploy it first")

    def _log_group(self, function: str) -> str:
        owner = self._function(function).owner
        for each in self._resources:
            if each.type == "AWS::Logs::LogGroup" and each.owner == owner:
                return each.physical_id
        return f"/aws/lambda/{self._function(function).physical_id}"

    def inbox(self, function: str) -> inboxes.Inbox:
        """Raises ConfigError for a function that no queue feeds, such as an api's."""
        if function in self._inboxes:
            return self._inboxes[function]
        found = self._function(function)
        mapping = next(
            (
                each.physical_id
                for each in self._resources
                if each.type == "AWS::Lambda::EventSourceMapping" and each.owner == found.owner
            ),
            None,
        )
        if mapping is None:
            raise ConfigError(f"function {function!r} has no inbox, so no dead letters: its caller sees the failure")
        queues = {
            each.physical_id.rpartition("/")[2]: each.owner[1]
            for each in self._resources
            if each.type == "AWS::SQS::Queue" and each.owner[0] == "queue"
        }
        inbox = inboxes.inbox_of(self._clients, mapping, found.physical_id, function, queues)
        self._inboxes[function] = inbox
        return inbox

    def _letters(self, function: str) -> Letters:
        names = {each.physical_id: each.owner[1] for each in self._resources if not each.is_part}
        return Letters(
            self._clients, self.inbox(function), lambda physical: names.get(physical, physical), self._receive_wait_s
        )

    def _status_of(self, function: StackResource) -> dict[str, Any]:
        found = code.configuration(self._clients, function.physical_id)
        if found is None:
            return {"state": "missing"}
        result: dict[str, Any] = {
            "state": found.get("State", "").lower() or "active",
            "changed": found.get("LastModified", ""),
            "memory": f"{found.get('MemorySize')} MB",
            "runtime": found.get("Runtime", ""),
        }
        if found.get("LastUpdateStatus") not in (None, "Successful"):
            result["last update"] = found["LastUpdateStatus"].lower()
        try:
            inbox = self.inbox(function.owner[1])
        except ConfigError:
            return result
        depth = inboxes.depth(self._clients, inbox.url)
        dead = inboxes.depth(self._clients, inbox.dead_letters)
        return {**result, **depth, "dead letters": sum(dead.values())}


def stack_name(stage: Stage) -> str:
    """Raises ConfigError for one that is too long, since a shortened name could not be found again by eye."""
    name = f"{stage.app}-{stage.name}"
    if len(name) > STACK_NAME_CHARS:
        raise ConfigError(
            f"the stack's name {name!r} has {len(name)} characters, AWS takes {STACK_NAME_CHARS}: shorten the app's "
            "or the stage's"
        )
    return name
