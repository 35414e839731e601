"""What a vendor supplies, at tool time. Nothing here is imported inside a deployed function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from .app import App
from .deploy import DeadLetter, Outcome, Plan, Progress
from .events import Event
from .http import Request, Response
from .limits import Limits
from .resources import Resource
from .spec import AppSpec, FunctionSpec, ResourceSpec


@dataclass(frozen=True)
class Stage:
    """Everything of `[tool.faasbridge.stages.<name>]` that concerns one provider.

    `settings` is the stage's table for this provider, `env` the app's environment variables, `root` the project's
    folder.
    """

    app: str
    name: str
    provider: str
    root: Path
    env: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    app_ref: str = ""  # "photos.app:app"
    python: str = ""  # "3.13"
    version: str = ""  # the app's own, `[project] version`

    @property
    def existing(self) -> Mapping[str, str]:
        """Physical names of the resources declared with `existing=True`, by resource name."""
        return self.settings.get("existing", {})  # type: ignore[no-any-return]

    def physical_name(self, name: str, limit: int, *, separator: str = "-") -> str:
        """`<app>-<stage>-<name>`, at most `limit` characters: a longer one is cut and ends in a hash of the whole."""
        whole = separator.join((self.app, self.name, name))
        if len(whole) <= limit:
            return whole
        digest = sha256(whole.encode()).hexdigest()[:8]
        return f"{whole[: limit - len(digest) - len(separator)].rstrip(separator)}{separator}{digest}"


@dataclass(frozen=True)
class Layout:
    """What an artifact holds beside the app: the runtime's entry files, and what wheels must fit."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    # The run-time part of installed ones; packed as byte code without docstrings, assertions and function annotations.
    packages: tuple[str, ...] = ("faasbridge",)
    requirements: tuple[str, ...] = ()
    dependencies: str = ""  # the artifact's folder that they and the app's are in; empty: at its root
    python_version: str = ""  # "3.13"; empty: the running one
    python_platform: str = ""  # uv's name, "aarch64-manylinux2014"; empty: this machine
    max_zip_bytes: int | None = None
    max_unzipped_bytes: int | None = None


@dataclass(frozen=True)
class Artifact:
    path: Path
    sha256: str
    size: int  # bytes, zipped


@dataclass(frozen=True)
class Finding:
    """One result of `check` or `doctor`. `severity` is `error`, `warning` or `ok`."""

    code: str
    message: str
    severity: str = "error"
    location: str = ""


class ResourceKit(Protocol):
    """One resource kind on one provider. The built-in kinds are kits too."""

    @property
    def kind(self) -> str: ...

    @property
    def driver(self) -> str:
        """`faasbridge_aws.drivers.bucket:BucketDriver`, imported on first use."""
        ...

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        """The fragment of the vendor's template that makes it."""
        ...

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        """The narrowest permission for those operations."""
        ...

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        """The fragment that sends its events to the function's inbox."""
        ...


class Deployer(Protocol):
    """One app and stage on one provider, through the vendor's own engine. Raises DeployError with the first real
    cause."""

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan: ...
    def apply(self, plan: Plan) -> Iterator[Progress]: ...
    def outcome(self) -> Outcome: ...
    def destroy(self, *, delete_data: bool = False) -> Iterator[Progress]: ...
    def status(self) -> Mapping[str, Any]: ...
    def logs(self, function: str | None, *, since_s: float, follow: bool) -> Iterator[LogLine]: ...
    def invoke(
        self, function: str, event: Event, *, wait: bool = True, log: Callable[[LogLine], None] | None = None
    ) -> Any:
        """Runs a handler once, past its inbox: the handler's value, of an api a Response; None at once without `wait`.

        `log` gets the lines that this invocation wrote, as far as the vendor gives them with the answer. Raises
        FaaSBridgeError with the handler's error.
        """
        ...

    def dead_letters(self, function: str) -> list[DeadLetter]: ...
    def replay(self, function: str, ids: Iterable[str] | None = None) -> int: ...
    def purge(self, function: str, ids: Iterable[str] | None = None) -> int: ...
    def set_secret(self, name: str, value: str) -> None: ...
    def unset_secret(self, name: str) -> None: ...
    def secrets(self) -> Mapping[str, bool]:
        """Declared secret -> whether it has a value."""
        ...

    def bind(self, app: App) -> Callable[[Resource], Any]:
        """Drivers of the deployed resources, for `run`, `shell` and tests."""
        ...

    # One whose `plan` may start something on this machine has this as well, called when the command is over:
    #   release()    ends that, unless something is deployed there


@dataclass(frozen=True)
class LogLine:
    time: str  # ISO 8601, UTC
    function: str
    invocation: str
    level: str
    text: str


class Simulator(Protocol):
    """A running app on this machine that tests can drive; what the `cloud` fixture and the conformance kit stand on."""

    def start(self) -> None:
        """Returns when the app answers."""
        ...

    def stop(self) -> None:
        """Leaves no process behind."""
        ...

    def endpoint(self, api: str) -> str:
        """The root URL of an api, without a slash at the end."""
        ...

    def bind(self, app: App) -> Callable[[Resource], Any]: ...

    def reset(self) -> None:
        """Empties every resource, inbox and dead letter; nothing of before is delivered afterwards."""
        ...

    def settle(self, timeout_s: float) -> None:
        """Returns when no event is in flight. Raises TimeoutError that names what still is."""
        ...

    def invoke(self, function: str, event: Event) -> Any:
        """Runs a handler once with this event, past its inbox. Raises what is in the log as FaaSBridgeError."""
        ...

    def request(self, api: str, request: Request) -> Response:
        """As a client would, with `request.claims` as if the api's `auth` had said so."""
        ...

    def dead_letters(self, function: str) -> list[DeadLetter]: ...
    def set_secret(self, name: str, value: str) -> None: ...

    def logs(self) -> list[LogLine]:
        """Since `start` or the last `reset`."""
        ...

    # One that can tell at once which functions have any has this as well, asked after each test:
    #   with_dead_letters(functions) -> those of them whose dead letters are not empty


class Provider(Protocol):
    """A vendor. `runtime` is the package that goes into an artifact; `options` maps "function", "api" or a resource
    kind to the TypedDict that `aws={...}` takes there, and "stage" to that of a stage's settings."""

    name: str
    runtime: str
    limits: Limits
    options: Mapping[str, type]

    def kits(self) -> Iterable[ResourceKit]: ...
    def layout(self, spec: AppSpec, stage: Stage) -> Layout: ...
    def synthesize(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> Mapping[str, Any]: ...
    def deployer(self, stage: Stage) -> Deployer: ...
    def simulator(self, stage: Stage, *, test: bool = False) -> Simulator:
        """`test`: fresh state, immediate retries."""
        ...

    def doctor(self, stage: Stage) -> Iterable[Finding]: ...

    # A provider whose simulator can be deployed to has these as well:
    #   simulated_deployer(stage) -> Deployer     the same deployer, on the simulator of this machine
    #   simulated_stage(stage) -> Stage           what differs there: this machine's architecture, say
    #   simulators(root) -> Iterable[Mapping]     what runs for that project: stage, pid, address, stop
