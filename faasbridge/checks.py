"""What `faasbridge check` finds in a valid spec: where a target of the project stops short of what the app asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from . import plugins
from .errors import ConfigError
from .provider import Finding, Provider
from .spec import AppSpec, FunctionSpec
from .suggest import nearest

if TYPE_CHECKING:
    from .config import Project

_RESERVED_PATHS = ("/robots.txt", "/favicon.ico")
_KINDS: Mapping[object, str] = {bool: "true or false", int: "a whole number", str: "text"}


def check(spec: AppSpec, project: Project) -> list[Finding]:
    """Findings of the core, in the order of the targets; plugins' own come on top through `faasbridge_checks`."""
    findings: list[Finding] = []
    for target in project.targets:
        try:
            provider = plugins.provider(target)
        except ConfigError as error:
            missing = target in plugins.EXTRAS
            severity = "warning" if missing else "error"
            findings.append(Finding("target.missing" if missing else "target.unknown", str(error), severity))
            continue
        for function in spec.functions:
            findings += _function(spec, function, target, provider)
        findings += _ordered(spec, target, provider)
    for function in spec.functions:
        findings += _vendor_options(function)
    findings += _stages(spec, project)
    return findings


def _function(spec: AppSpec, function: FunctionSpec, target: str, provider: Provider) -> Iterator[Finding]:
    limits, http = provider.limits, function.trigger.kind == "http"
    what = f"api {function.name!r}" if http else f"function {function.name!r}"
    longest = "http_timeout_s" if http else "event_timeout_s"
    for option, limit_name, unit in (("timeout_s", longest, "s"), ("memory_mb", "memory_mb", "MB")):
        limit = getattr(limits, limit_name)
        asked = getattr(function, option)
        if limit is not None and asked > limit:
            text = f"{what} asks for {option}={asked:g}; {target} gives {limit:,} {unit} at most"
            yield Finding(
                f"limit.{option}", _with_source(text, limits.sources.get(limit_name)), location=function.location
            )
    if "http-reserved-paths" in limits.caveats:
        for route in function.routes:
            if route.path in _RESERVED_PATHS:
                text = (
                    f"{route.path} never reaches a function on {target}; serve it from a bucket or a page's "
                    "own icon link"
                )
                yield Finding("http.reserved-path", text, "warning", route.location)
    if function.trigger.kind == "tick" and "cron-both-days" in limits.caveats:
        cron = function.trigger.settings["cron"]
        if "*" not in (cron.split()[2], cron.split()[4]):
            text = (
                f"the schedule {cron!r} restricts the day of the month and the day of the week, and {target} "
                "takes one of them"
            )
            yield Finding("cron.both-days", f"{text}; make two schedules", location=function.location)
    if function.trigger.kind == "change" and "table-foreign-writes" in limits.caveats:
        table = spec.resource("table", function.trigger.resource)
        if table.existing:
            text = f"{what} sees the app's own writes only: {limits.caveats['table-foreign-writes']}"
            yield Finding("table.foreign-writes", text, "warning", function.location)


def _ordered(spec: AppSpec, target: str, provider: Provider) -> Iterator[Finding]:
    for resource in spec.resources:
        if resource.options.get("ordered") and not provider.limits.ordered:
            text = (
                f"{resource.kind} {resource.name!r} is ordered, which {target} does not keep; remove "
                "ordered=True or the target"
            )
            source = provider.limits.sources.get("ordered")
            yield Finding("ordered", _with_source(text, source), location=resource.location)


def _vendor_options(function: FunctionSpec) -> Iterator[Finding]:
    """Options of one vendor: each is said, since the others ignore it; a misspelt one is an error."""
    kind = "api" if function.trigger.kind == "http" else "function"
    installed = plugins.providers()
    for vendor, options in function.options.items():
        if vendor not in installed:
            if vendor not in plugins.EXTRAS:
                names = {*installed, *plugins.EXTRAS}
                text = f"{vendor}= of {function.name!r} is no option and no provider{nearest(vendor, names)}"
                yield Finding("option.provider", text, location=function.location)
            continue
        known = _option_names(plugins.provider(vendor), kind)
        for option, value in options.items():
            if known is not None and option not in known:
                text = f"{vendor} has no option {option!r} for a function{nearest(option, known)}"
                yield Finding("option.unknown", text, location=function.location)
            else:
                text = f"{function.name!r} has the option {option}={value!r} for {vendor}; other providers ignore it"
                yield Finding("option.vendor", text, "ok", function.location)


def _option_names(provider: Provider, kind: str) -> frozenset[str] | None:
    options: Mapping[str, Any] = provider.options
    declared = options.get(kind) or options.get("function")
    if declared is None:
        return None
    return frozenset(declared.__annotations__)  # a TypedDict's include those of its bases


def _stages(spec: AppSpec, project: Project) -> Iterator[Finding]:
    known = {*plugins.providers(), *plugins.EXTRAS}
    declared = {resource.name for resource in spec.resources if resource.existing}
    for stage, tables in project.stages.items():
        for provider, table in tables.items():
            if provider == "env":
                continue
            header = f"[tool.faasbridge.stages.{stage}.{provider}]"
            if provider not in known:
                text = f"{header}: there is no provider {provider!r}{nearest(provider, known)}"
                yield Finding("stage.provider", text, "warning")
            elif provider in plugins.providers():
                declaration = plugins.provider(provider).options.get("stage")
                if declaration is not None:
                    yield from _settings(spec, header, table, declaration)
            existing = table.get("existing", {})
            for name in sorted(declared - set(existing)):
                text = f"{header}: {name!r} is declared with existing=True; name it in {header[:-1]}.existing]"
                yield Finding("existing.missing", text)
            for name in sorted(set(existing) - declared):
                text = (
                    f"{header[:-1]}.existing]: no resource {name!r} is declared with "
                    f"existing=True{nearest(name, declared)}"
                )
                yield Finding("existing.unknown", text, "warning")


def _settings(spec: AppSpec, header: str, table: Mapping[str, Any], declaration: type) -> Iterator[Finding]:
    """A misspelt setting would be ignored in silence, whatever it is to protect."""
    known = get_type_hints(declaration)
    for name, value in table.items():
        hint = known.get(name)
        of_each = get_args(hint)[1] if get_origin(hint) is dict else None
        if hint is None:
            yield Finding("stage.setting", f"{header}: there is no setting {name!r}{nearest(name, known)}")
        elif hint in _KINDS and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
            yield Finding("stage.setting", f"{header}: {name} is {_KINDS[hint]}, not {value!r}")
        elif get_origin(hint) is Literal and value not in get_args(hint):
            words = ", ".join(get_args(hint))
            yield Finding("stage.setting", f"{header}: {name} is one of {words}, not {value!r}")
        elif is_typeddict(hint) and not isinstance(value, Mapping):  # storage = {...}
            yield Finding("stage.setting", f"{header}: {name} is a table, not {value!r}")
        elif is_typeddict(hint):
            yield from _settings(spec, f"{header[:-1]}.{name}]", value, hint)
        elif of_each is not None and is_typeddict(of_each):  # tables.photos = {...}
            declared = [each.name for each in spec.resources if f"{each.kind}s" == name]
            for resource, settings in value.items():
                place = f"{header[:-1]}.{name}.{resource}]"
                if resource not in declared:
                    kind = name.removesuffix("s")
                    yield Finding(
                        "stage.setting", f"{place}: there is no {kind} {resource!r}{nearest(resource, declared)}"
                    )
                elif isinstance(settings, Mapping):
                    yield from _settings(spec, place, settings, of_each)


def _with_source(text: str, source: str | None) -> str:
    return f"{text} ({source})" if source else text
