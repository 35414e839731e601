"""Tables: containers of one Cosmos DB account and database, rights in Cosmos DB's own roles. Pure.

The account is serverless and of one region; its consistency is Strong, which `drivers.table` relies on. Nobody has a
key to it.
Sources: Azure Cosmos DB documentation, "Serverless", "Consistency levels", "Use data plane role-based access control"
(actions, metadata requests, at most 100 definitions and 2,000 assignments); Azure Functions documentation, "Azure
Cosmos DB trigger" (identity-based connections).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec

from .. import rows
from ..forwarders import CONNECTION, DATABASE, LEASES, setting
from . import existing, names

DATABASES = f"{names.COSMOS}/sqlDatabases"
LEASE_CONTAINER = "faasbridge-leases"
WATCHED = "azure_watched"
"""The option of a table that has handlers of its changes."""
_DEFINITIONS, _ASSIGNMENTS = f"{names.COSMOS}/sqlRoleDefinitions", f"{names.COSMOS}/sqlRoleAssignments"
_ITEMS = "sqlDatabases/containers/items"
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "get": (f"{_ITEMS}/read",),
    "put": (f"{_ITEMS}/create", f"{_ITEMS}/read", f"{_ITEMS}/replace", f"{_ITEMS}/upsert"),
    "update": (f"{_ITEMS}/read", f"{_ITEMS}/replace"),
    "delete": (f"{_ITEMS}/delete", f"{_ITEMS}/read"),
    "query": ("sqlDatabases/containers/executeQuery",),
    "scan": ("sqlDatabases/containers/executeQuery",),
}
_CHANGE = (f"{_ITEMS}/create",)  # the document of a change beside the row
_FEED = ("sqlDatabases/containers/executeQuery", "sqlDatabases/containers/readChangeFeed", f"{_ITEMS}/read")
_LEASES = (*(f"{_ITEMS}/{each}" for each in ("create", "delete", "read", "replace", "upsert")), _FEED[0])


def account(stage: Stage) -> dict[str, Any]:
    name, database = names.cosmos_account(stage), names.database(stage)
    properties: dict[str, Any] = {
        "capabilities": [{"name": "EnableServerless"}],
        "consistencyPolicy": {"defaultConsistencyLevel": "Strong"},
        "databaseAccountOfferType": "Standard",
        "disableLocalAuth": True,
        "locations": [{"locationName": "[resourceGroup().location]", "failoverPriority": 0, "isZoneRedundant": False}],
        "minimalTlsVersion": "Tls12",
    }
    return {
        "resources": [
            {
                "type": names.COSMOS,
                "name": names.text(name),
                "kind": "GlobalDocumentDB",
                "properties": properties,
            },
            {
                "type": DATABASES,
                "name": names.text(f"{name}/{database}"),
                "dependsOn": [f"[{names.resource_id(names.COSMOS, name)}]"],
                "properties": {"resource": {"id": database}},
            },
        ]
    }


def table(resource: ResourceSpec, stage: Stage) -> dict[str, Any]:
    if resource.existing:
        existing.of(resource, stage)
        return {}
    made = _container(
        names.table(resource),
        stage,
        {
            "partitionKey": {"paths": [rows.PARTITION_KEY], "kind": "Hash", "version": 2},
            "defaultTtl": rows.DEFAULT_TTL,
            "indexingPolicy": rows.indexing(rows.Indexes(resource.options.get("indexes") or {})),
        },
    )
    return {"resources": [made]}


def grants(resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> list[dict[str, Any]]:
    """Of a table with handlers of its changes, writers also write those down."""
    actions = {action for right in rights for action in _ACTIONS.get(right, ())}
    if resource.options.get(WATCHED) and rights & {"put", "update", "delete"}:
        actions.update(_CHANGE)
    return [_grant(resource, actions, stage)] if actions else []


def feed(resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """What the function app needs that brings the table's changes into the function's inbox."""
    if resource.existing:
        raise ConfigError(
            f"{function.location + ': ' if function.location else ''}table {resource.name!r} is declared with "
            "existing=True: on Azure changes are told of tables in the app's own Cosmos DB account"
        )
    database = names.database(stage)
    of_leases = {
        "account": names.cosmos_account(stage),
        "path": f"{database}/{LEASE_CONTAINER}",
        "actions": frozenset(_LEASES),
    }
    settings = {
        f"{CONNECTION}__accountEndpoint": f"[{_endpoint(resource, stage)}]",
        DATABASE: database,
        LEASES: LEASE_CONTAINER,
        setting("FEED_CONTAINER", function.name): names.table(resource),
    }
    return {
        "resources": [{**_leases(stage), "owner": ("app", stage.app, "tables")}],
        "grants": [_grant(resource, _FEED, stage), of_leases],
        "settings": settings,
    }


def address(resource: ResourceSpec, stage: Stage) -> str:
    """As `bind.table_address` has it."""
    database, container = _place(resource, stage)
    path = f"dbs/{database}/colls/{container}{'?changes' if resource.options.get(WATCHED) else ''}"
    return f"[uri({_endpoint(resource, stage)}, {names.quoted(path)})]"


def access(grant: Mapping[str, Any], identity: str, stage: Stage) -> list[dict[str, Any]]:
    """The definition of a role and its assignment to an identity of the template."""
    account, actions = grant["account"], sorted(grant["actions"])
    account_id = grant.get("account_id") or names.resource_id(names.COSMOS, account)
    definition = names.uuid("/".join((stage.app, stage.name, "role", *actions)))
    database, container = grant["path"].split("/")
    who = names.resource_id(names.IDENTITIES, identity)
    definition_id = names.resource_id(_DEFINITIONS, f"{account}/{definition}")
    if grant.get("group"):
        definition_id = names.quoted(f"{grant['account_id'][1:-1]}/sqlRoleDefinitions/{definition}")
    target = names.resource_id(f"{DATABASES}/containers", f"{account}/{database}/{container}")
    scope = f"concat({account_id}, {names.quoted(f'/dbs/{database}/colls/{container}')})"
    assignment = names.uuid("/".join((identity, database, container, definition)))
    data_actions = [f"{names.COSMOS}/{each}" for each in ("readMetadata", *actions)]
    return [
        {
            "type": _DEFINITIONS,
            "name": names.text(f"{account}/{definition}"),
            "dependsOn": [f"[{account_id}]"] if grant.get("made", True) else [],
            "properties": {
                "roleName": _role_name(actions, stage),
                "type": "CustomRole",
                "assignableScopes": [f"[{account_id}]"],
                "permissions": [{"dataActions": data_actions}],
            },
            "owner": ("app", stage.app, "tables"),
        },
        {
            "type": _ASSIGNMENTS,
            "name": names.text(f"{account}/{assignment}"),
            "dependsOn": [f"[{each}]" for each in (who, definition_id, *([target] if grant.get("made", True) else []))],
            "properties": {
                "principalId": f"[{names.reference(names.IDENTITIES, identity, 'principalId')}]",
                "roleDefinitionId": f"[{definition_id}]",
                "scope": f"[{scope}]",
            },
        },
    ]


def _container(name: str, stage: Stage, about: Mapping[str, Any]) -> dict[str, Any]:
    account, database = names.cosmos_account(stage), names.database(stage)
    return {
        "type": f"{DATABASES}/containers",
        "name": names.text(f"{account}/{database}/{name}"),
        "dependsOn": [f"[{names.resource_id(DATABASES, f'{account}/{database}')}]"],
        "properties": {"resource": {"id": name, **about}},
    }


def _grant(resource: ResourceSpec, actions: Iterable[str], stage: Stage) -> dict[str, Any]:
    database, container = _place(resource, stage)
    account = existing.of(resource, stage).segments[0] if resource.existing else names.cosmos_account(stage)
    found: dict[str, Any] = {"account": account, "path": f"{database}/{container}", "actions": frozenset(actions)}
    if resource.existing:
        there = existing.of(resource, stage)
        found.update(made=False, group=there.group, account_id=there.id_of(names.COSMOS, 1))
    return found


def _place(resource: ResourceSpec, stage: Stage) -> tuple[str, str]:
    """Database and container."""
    if resource.existing:
        _, database, container = existing.of(resource, stage).segments
        return database, container
    return names.database(stage), names.table(resource)


def _endpoint(resource: ResourceSpec, stage: Stage) -> str:
    """Without brackets."""
    if resource.existing:
        return existing.of(resource, stage).reference(names.COSMOS, 1, "documentEndpoint")
    return names.reference(names.COSMOS, names.cosmos_account(stage), "documentEndpoint")


def _role_name(actions: Iterable[str], stage: Stage) -> str:
    """Of one set of actions; an account may have those of several apps."""
    short = "+".join(each.rpartition("/")[2] for each in sorted(actions))
    return f"{stage.app}-{stage.name} {short}"


def _leases(stage: Stage) -> dict[str, Any]:
    """What the triggers on change feeds write down; they do not make it themselves with an identity."""
    return _container(LEASE_CONTAINER, stage, {"partitionKey": {"paths": ["/id"], "kind": "Hash", "version": 2}})
