"""Which functions share a function app, and what that makes of their memory, time and attempts. Pure.

Rights, attempts, time and memory belong to a function app, so each function has one of its own, unless
`azure={"app": "shared"}` says otherwise.
Sources: Azure Functions documentation, "host.json reference" (functionTimeout), "Flex Consumption plan" (instance
sizes), "Azure Queue storage trigger" (maxDequeueCount).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Finding
from faasbridge.spec import FunctionSpec

from ..forwarders import SUFFIXES
from .names import Owner, owner_kind
from .settings import of_function

INSTANCES_MB = (512, 2048, 4096)
_HOSTS_OWN = ("admin", "runtime")
_FORWARDER_S = 30  # what brings changes and ticks into an inbox runs in the same app, and waits for the queue


@dataclass(frozen=True)
class FunctionApp:
    """`name` is the function's, or what they share; `functions` are in order."""

    name: str
    functions: tuple[FunctionSpec, ...]
    shared: bool = False

    @property
    def owner(self) -> Owner:
        if self.shared:
            return "app", self.name, ""
        return owner_kind(self.functions[0]), self.functions[0].name, ""

    @property
    def location(self) -> str:
        return self.functions[0].location

    @property
    def memory_mb(self) -> int:
        """Of an instance. Raises ConfigError."""
        asked = max(each.memory_mb for each in self.functions)
        for each in self.functions:
            value = of_function(each).get("instance_memory_mb", INSTANCES_MB[0])
            if value not in INSTANCES_MB:
                raise ConfigError(f"{each.location}: instances of Azure have 512, 2,048 or 4,096 MB, not {value!r}")
        given = self.option("instance_memory_mb", 0)
        fitting = [each for each in INSTANCES_MB if each >= max(asked, given)]
        if not fitting:
            raise ConfigError(
                f"{self.location}: function {self.name!r} asks for memory_mb={asked}, and Azure gives "
                f"{INSTANCES_MB[-1]:,} MB at most"
            )
        return fitting[0]

    @property
    def timeout_s(self) -> int:
        """The host ends an invocation then, and with it the worker's process."""
        least = _FORWARDER_S if any(each.trigger.kind in ("change", "tick") for each in self.functions) else 1
        return max(least, *(ceil(each.timeout_s) for each in self.functions))

    @property
    def attempts(self) -> int:
        """The most of theirs: the entry keeps those of each."""
        return max((each.max_attempts for each in self.functions if each.inbox is not None), default=5)

    def option(self, name: str, default: Any = None) -> Any:
        """Of the functions' options, the largest."""
        given = [of_function(each)[name] for each in self.functions if name in of_function(each)]
        return max(given) if given else default

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> Any:
        """An option that is a whole number. Raises ConfigError for another, or one that Azure does not take."""
        for each in self.functions:
            value = of_function(each).get(name, low)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"{each.location}: {name} lies between {low} and {high:,}, not {value!r}")
        return self.option(name, default)

    def one(self, name: str) -> Any:
        """An option that all of them have to give alike, or leave out. Raises ConfigError."""
        given = {str(of_function(each)[name]) for each in self.functions if name in of_function(each)}
        if len(given) > 1:
            raise ConfigError(f"{self.location}: the functions that share {self.name!r} have one {name}: give one")
        return next(iter(given), None)


def function_apps(functions: Iterable[FunctionSpec]) -> list[FunctionApp]:
    """Raises ConfigError where a shared app has the name of a function with its own, or two functions of one name."""
    every = sorted(functions, key=lambda each: each.name)
    shared: dict[str, list[FunctionSpec]] = {}
    found = []
    for function in every:
        group = of_function(function).get("app")
        if group is None:
            found.append(FunctionApp(function.name, (function,)))
        elif not isinstance(group, str) or not group:
            raise ConfigError(f"{function.location}: azure={{'app': ...}} is the name of what functions share")
        else:
            shared.setdefault(group, []).append(function)
    alone = {_deployed(each.name): each for each in found}
    for group, members in shared.items():
        if _deployed(group) in alone:
            raise ConfigError(
                f"{members[0].location}: {group!r} is the name of a function that has an app of its own: give what "
                "functions share another one"
            )
        forwarding = [each for each in members if each.trigger.kind in SUFFIXES]
        forwarders = {(each.name + SUFFIXES[each.trigger.kind]).lower(): each.name for each in forwarding}
        for each in members:
            beside = forwarders.get(each.name.lower())
            if beside is not None:
                raise ConfigError(
                    f"{each.location}: {each.name!r} is also the name of what brings {beside!r} its events in the "
                    f"function app {group!r} that they share: give one of them another name="
                )
        found.append(FunctionApp(group, tuple(members), shared=True))
    return sorted(found, key=lambda each: each.name)


def check_paths(function: FunctionSpec) -> None:
    """Raises ConfigError for an api at a path of the host's own, which would not start, or not be reached.

    Source: azure-functions-host, ScriptHost.cs ("The specified route conflicts with one or more built in routes").
    """
    prefix = str(function.trigger.settings.get("prefix") or "").strip("/").lower()
    if prefix.startswith(_HOSTS_OWN):  # the host looks at no more than these letters
        raise ConfigError(_refusal(function.location, f"the prefix /{prefix}"))
    for route in function.routes:
        if route.path.lower().strip("/").partition("/")[0] in _HOSTS_OWN:
            raise ConfigError(_refusal(route.location or function.location, route.path))


def findings(functions: Iterable[FunctionSpec]) -> Iterator[Finding]:
    """What functions share with each other."""
    for app in function_apps(functions):
        if not app.shared or len(app.functions) < 2:
            continue
        named = " and ".join(each.name for each in app.functions)
        yield Finding(
            "azure.shared-app",
            f"{named} share the function app {app.name!r}: each may do what any of them may, has {app.memory_mb:,} MB "
            f"with the others, and up to {app.timeout_s} s and {app.attempts} attempts; a crash of one ends what the "
            "others do",
            "warning",
            app.location,
        )


def _refusal(location: str, what: str) -> str:
    where = f"{location}: " if location else ""
    return (
        f"{where}{what} belongs to the functions host on Azure, as does all below /admin and /runtime: choose another"
    )


def _deployed(name: str) -> str:
    return name.lower().replace("_", "-")
