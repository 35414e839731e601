"""The plugin manager: finds plugins by their entry points, and providers and kits through their hooks. Tool time
only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import isroutine
from typing import Any, cast

import pluggy

from . import hookspecs
from .errors import ConfigError
from .provider import Provider, ResourceKit
from .suggest import nearest

GROUP = "faasbridge"
EXTRAS = ("aws", "gcp", "azure")
"""Providers that come as extras of this distribution."""

_warned: list[str] = []
_providers: dict[str, Provider] = {}


@cache
def manager() -> pluggy.PluginManager:
    """The one plugin manager, with every installed plugin that can be loaded."""
    plugins = pluggy.PluginManager(GROUP)
    plugins.add_hookspecs(hookspecs)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        _register(plugins, point)
    return plugins


def warnings() -> tuple[str, ...]:
    """A sentence for each plugin that could not be used, as printed to standard error when it was found."""
    manager()
    return tuple(_warned)


def providers() -> dict[str, str]:
    """The installed providers: name -> `module:attribute`. None of them is imported."""
    found: dict[str, str] = {}
    plugins = manager()
    for impl in plugins.hook.faasbridge_providers.get_hookimpls():
        try:
            offered: Mapping[str, str] = dict(cast("Any", impl.function)() or {})
        except Exception as error:  # noqa: BLE001 - whatever somebody else's code raises
            _warn(f"the plugin {impl.plugin_name} cannot say its providers: {_said(error)}")
            continue
        for name, ref in offered.items():
            if found.setdefault(name, ref) != ref:
                _warn(f"provider {name!r} of the plugin {impl.plugin_name} is left out: {found[name]} has that name")
    return dict(sorted(found.items()))


def provider(name: str) -> Provider:
    """A provider, imported on first use. Raises ConfigError that says how to get it, or what else there is."""
    known = providers()
    ref = known.get(name)
    if ref is None:
        if name in EXTRAS:
            raise ConfigError(f"the provider {name!r} is not installed: pip install 'faasbridge[{name}]'")
        raise ConfigError(f"there is no provider {name!r}{nearest(name, {*known, *EXTRAS})}")
    if ref not in _providers:
        try:
            attribute = load(ref)
            _providers[ref] = attribute() if isinstance(attribute, type) else attribute
        except Exception as error:
            raise ConfigError(f"the provider {name!r} ({ref}) cannot be loaded: {_said(error)}") from error
    return _providers[ref]


def kits(provider_name: str) -> dict[str, ResourceKit]:
    """All kits of a provider by resource kind: its own, and those that plugins add. Raises ConfigError."""
    found = {kit.kind: kit for kit in provider(provider_name).kits()}
    for impl in manager().hook.faasbridge_resource_kits.get_hookimpls():
        arguments = {"provider": provider_name} if "provider" in impl.argnames else {}
        try:
            offered = {kit.kind: kit for kit in cast("Any", impl.function)(**arguments) or ()}
        except Exception as error:
            raise ConfigError(f"the plugin {impl.plugin_name} cannot say its resource kits: {_said(error)}") from error
        for kind, kit in offered.items():
            if kind in found:
                raise ConfigError(
                    f"the plugin {impl.plugin_name} brings a kit for {kind!r} on {provider_name!r}, which "
                    "has one already"
                )
            found[kind] = kit
    return found


def load(ref: str) -> Any:
    """What `module:attribute` names: a provider, or the `driver` of a kit."""
    module, _, attribute = ref.partition(":")
    value: Any = import_module(module)
    for name in attribute.split("."):
        value = getattr(value, name)
    return value


def _register(plugins: pluggy.PluginManager, point: EntryPoint) -> None:
    owner = f"the plugin {point.name!r}" + (f" of {point.dist.name} {point.dist.version}" if point.dist else "")
    try:
        plugin = point.load()
        if plugins.is_registered(plugin):  # two entry points of one module, or a distribution that is found twice
            return
        plugins.register(plugin, name=point.name)
    except Exception as error:  # noqa: BLE001 - whatever somebody else's code raises
        registered = plugins.get_plugin(point.name)
        if registered is not None and getattr(error, "plugin", None) is registered:
            plugins.unregister(registered)
        _warn(f"{owner} is left out: {_said(error)}")
        return
    _check_hooks(plugin, owner)


def _check_hooks(plugin: Any, owner: str) -> None:
    """Warns of functions that are meant to be hooks and that pluggy passes over in silence."""
    known = [name for name in vars(hookspecs) if name.startswith("faasbridge_")]
    for name in dir(plugin):
        function = getattr(plugin, name) if name.startswith("faasbridge_") else None
        if not isroutine(function) or hasattr(function, "faasbridge_spec"):
            continue
        if not hasattr(function, "faasbridge_impl"):
            _warn(
                f"{owner} has {name} without @hookimpl above it, so it is ignored: "
                "from faasbridge.hookspecs import hookimpl"
            )
        elif name not in known:
            _warn(f"{owner} implements {name}, and there is no such hook{nearest(name, known)}")


def _warn(sentence: str) -> None:
    if sentence not in _warned:
        _warned.append(sentence)
        print(f"warning: {sentence}", file=sys.stderr)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
