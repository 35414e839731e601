"""AppSpec -> template of Azure Resource Manager. Pure: the same spec, stage and kits give the same JSON.

document     what a template is, and how fragments become one
names        names in the resource group            settings    options of functions, settings of a stage
existing     what is there already                  roles       rights, as role assignments
storage queues buckets tables topics secrets        the resources, each with the rights to use it
grid         what brings events into inboxes        logs        where lines go
apps         which functions share a function app   function    a function app with what is its own
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from faasbridge.adapter.binding import KINDS, variable
from faasbridge.errors import ConfigError
from faasbridge.provider import ResourceKit, Stage
from faasbridge.spec import AppSpec, FunctionSpec, ResourceSpec

from .. import cron, entry, forwarders
from . import apps, elsewhere, function, grid, logs, names, queues, roles, secrets, storage, tables
from .document import Document, tags

__all__ = ["synthesize", "tags"]


def synthesize(spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> dict[str, Any]:
    """Raises ConfigError for what Azure cannot do, and for a kind that no kit makes."""
    return _Synthesis(spec, stage, kits).template()


class _Synthesis:
    def __init__(self, spec: AppSpec, stage: Stage, kits: Mapping[str, ResourceKit]) -> None:
        self.spec = spec
        self.stage = stage
        self.kits = kits
        self.resources = {
            (each.kind, each.name): each for each in sorted(spec.resources, key=lambda each: (each.kind, each.name))
        }
        declared = {each.name: each for each in self.resources.values() if each.kind == "queue"}
        watched = {each.trigger.resource for each in spec.functions if each.trigger.kind == "change"}
        for key, each in self.resources.items():
            self.resources[key] = self._with_place(each, declared, watched)
        self.document = Document(stage)

    def template(self) -> dict[str, Any]:
        self._basics()
        for resource in self.resources.values():
            self.document.add(self._kit(resource).synthesize(resource, self.stage), (resource.kind, resource.name, ""))
        for resource in self.resources.values():
            address = self._address(resource)
            if address is not None:
                self.document.addresses[variable(resource.kind, resource.name)] = address
                self.document.names[variable(resource.kind, resource.name)] = [resource.kind, resource.name]
        for each in self.spec.functions:
            apps.check_paths(each)
        for app in apps.function_apps(self.spec.functions):
            self._app(app)
        return self.document.template()

    def _basics(self) -> None:
        """What all of the app stands on, where it needs it."""
        kinds = {kind for (kind, _), each in self.resources.items() if not each.existing}
        if self.spec.functions or kinds & {"bucket", "queue"}:
            self._add(storage.account(self.stage), "storage")
        if self.spec.functions:
            self._add(logs.resources(self.stage), "logs")
            self.document.places["claims"] = storage.blob_url(storage.CLAIMS, self.stage)
            self.document.places["workspace"] = logs.workspace_id(self.stage)
        if "table" in kinds:
            self._add(tables.account(self.stage), "tables")
        if "secret" in kinds:
            self._add(secrets.vault(self.stage), "secrets")
        if any(each.trigger.resource_kind in ("bucket", "topic") for each in self.spec.functions):
            self._add(grid.basics(self.stage), "events")

    def _add(self, fragment: Mapping[str, Any], part: str) -> None:
        self.document.add(fragment, ("app", self.stage.app, part))

    def _app(self, app: apps.FunctionApp) -> None:
        grants = function.own_grants(app, self.stage)
        settings: dict[str, Any] = {}
        for each in app.functions:
            found, more = self._uses(each)
            grants += found
            settings.update(more)
            if each.inbox is not None:
                found, more = self._inbox(app, each)
                grants += found
                settings.update(more)
        if f"{forwarders.CONNECTION}__accountEndpoint" in settings:
            settings[f"{forwarders.CONNECTION}__clientId"] = f"[{function.client_id(app, self.stage)}]"
            settings[f"{forwarders.CONNECTION}__credential"] = "managedidentity"
        grants = roles.joined(grants)
        claims = storage.container_name(storage.CLAIMS, self.stage)
        if any(each.get("name") == claims for each in grants):
            settings["FAASBRIDGE_CLAIMS"] = storage.blob_url(storage.CLAIMS, self.stage)
        assignments = self._assignments(app, grants)
        needed = [roles.id_of(each) for each in assignments if each["type"] == roles.ASSIGNMENTS]
        made = function.resources(app, self.stage, settings, needed)
        self.document.add({"resources": [*assignments, *made["resources"]]}, app.owner)
        site = names.site(app.name, self.stage)
        for each in app.functions:
            self.document.functions[each.name] = names.text(site)
            if each.inbox is None:
                host = names.reference(names.SITES, site, "defaultHostName")
                self.document.endpoints[each.name] = f"[concat('https://', {host})]"

    def _inbox(self, app: apps.FunctionApp, spec: FunctionSpec) -> tuple[list[Any], dict[str, Any]]:
        """What fills the function's inbox; rights and settings for it."""
        owner = app.owner if app.shared else ("function", spec.name, "")
        source = self._source(spec)
        grants: list[Any] = []
        settings: dict[str, Any] = {}
        if source is not None and source.kind == "queue":
            inbox = queues.name_of(source, self.stage)
        else:
            inbox = queues.inbox_name(spec, self.stage)
            self.document.add(queues.inbox(spec, self.stage), owner)
        if source is not None:
            fragment = self._kit(source).subscribe(source, spec, self.stage)
            self.document.add(fragment, ("function", spec.name, ""))
            grants += fragment.get("grants", ())
            settings.update(fragment.get("settings", {}))
        elif spec.trigger.kind == "tick":
            given = spec.trigger.settings
            settings[forwarders.setting("TIMER", spec.name)] = cron.timer(given["cron"], given.get("timezone") or "UTC")
        forwarded = spec.trigger.kind in ("change", "tick")
        grants += queues.inbox_grants(inbox, self.stage, fed_by_itself=forwarded)
        url, dead = (storage.queue_url(each, self.stage) for each in (inbox, inbox + names.POISON))
        settings[entry.inbox_setting(spec.name)] = inbox
        settings[forwarders.setting("DEAD_LETTERS", spec.name)] = dead
        if forwarded:
            settings[forwarders.setting("INBOX_URL", spec.name)] = url
        self.document.inboxes[spec.name] = {"inbox": url, "dead_letters": dead, "attempts": spec.max_attempts}
        return grants, settings

    def _uses(self, spec: FunctionSpec) -> tuple[list[Any], dict[str, Any]]:
        """Grants, and the settings that say where the resources are."""
        rights: dict[tuple[str, str], set[str]] = {}
        for right in spec.rights:
            rights.setdefault((right.kind, right.name), set()).add(right.operation)
        grants: list[Any] = []
        addresses: dict[str, Any] = {}
        drivers: dict[str, str] = {}
        for key, operations in sorted(rights.items()):
            resource = self.resources.get(key) or self.spec.resource(*key)
            kit = self._kit(resource)
            grants += kit.grant(resource, frozenset(operations), self.stage).get("grants", ())
            address = self._address(resource)
            if address is not None:
                addresses[variable(*key)] = address
            if resource.kind not in KINDS:
                drivers[resource.kind] = kit.driver
        return grants, {**addresses, **function.drivers_setting(drivers)}

    def _assignments(self, app: apps.FunctionApp, grants: list[Any]) -> list[dict[str, Any]]:
        identity = names.identity(app.name, self.stage)
        made: list[dict[str, Any]] = []
        outside: dict[str, list[dict[str, Any]]] = {}
        for each in grants:
            found = (
                tables.access(each, identity, self.stage) if "actions" in each else [roles.assignment(each, identity)]
            )
            into = outside.setdefault(each["group"], []) if each.get("group") else made
            into += [one for one in found if one not in into]
        for group, inner in outside.items():
            made.append(elsewhere.deployment(group, f"{app.name}-{names.group_part(group)}", inner, self.stage))
        return made

    def _address(self, resource: ResourceSpec) -> Any:
        """What a driver takes; a third party's kit may say it as well."""
        address = getattr(self._kit(resource), "address", None)
        return None if address is None else address(resource, self.stage)

    def _source(self, spec: FunctionSpec) -> ResourceSpec | None:
        trigger = spec.trigger
        return self.resources[trigger.resource_kind, trigger.resource] if trigger.resource_kind else None

    def _with_place(self, resource: ResourceSpec, declared: dict[str, ResourceSpec], watched: set[str]) -> ResourceSpec:
        """With what only the whole app tells: a queue's name among dead letters, whether a table's changes matter."""
        options = dict(resource.options)
        if resource.kind == "queue" and not resource.existing:
            options[queues.NAME] = queues.physical(resource, self.stage, declared)
        if resource.kind == "table" and resource.name in watched:
            options[tables.WATCHED] = True
        return replace(resource, options=options)

    def _kit(self, resource: ResourceSpec) -> ResourceKit:
        kit = self.kits.get(resource.kind)
        if kit is None:
            raise ConfigError(
                f"{resource.location + ': ' if resource.location else ''}nothing makes the kind {resource.kind!r} of "
                f"{resource.name!r} on Azure: install the plugin that has its kit"
            )
        return kit
